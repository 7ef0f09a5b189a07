//! Which peers there are, and which connections to each stand: of each kind one. No IO, no clock.

use std::collections::BTreeMap;

use super::shapes::{ConnectionKind, Introduction};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// Why a peer whose handshake is done gets no connection all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAdmitted {
    #[error("it is no peer of this node")]
    UnknownPeer,
    #[error("a newer boot of it is connected")]
    Superseded,
}

/// What is known of a peer. `C`: a connection. `E`: what the driver keeps with it.
#[derive(Debug)]
pub(super) struct Entry<C, E> {
    /// Where it is dialed.
    pub(super) address: String,
    /// As it introduced itself on the connections that stand, or stood last.
    pub(super) peer: Option<Introduction>,
    pub(super) control: Option<C>,
    pub(super) data: Option<C>,
    pub(super) extra: E,
}

impl<C, E> Entry<C, E> {
    pub(super) fn slot(&mut self, kind: ConnectionKind) -> &mut Option<C> {
        match kind {
            ConnectionKind::Control => &mut self.control,
            ConnectionKind::Data => &mut self.data,
        }
    }
}

/// The peers by name.
#[derive(Debug)]
pub(super) struct PeerRoster<C, E> {
    entries: BTreeMap<NodeName, Entry<C, E>>,
}

impl<C, E> PeerRoster<C, E> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Peers that are not in `peers` go, and are given back; new ones come, with what `extra` makes for them.
    pub(super) fn set(
        &mut self,
        peers: &BTreeMap<NodeName, String>,
        mut extra: impl FnMut(&NodeName) -> E,
    ) -> Vec<(NodeName, Entry<C, E>)> {
        let gone = self.entries.extract_if(.., |name, _| !peers.contains_key(name)).collect();
        for (name, address) in peers {
            let new = || Entry {
                address: String::new(),
                peer: None,
                control: None,
                data: None,
                extra: extra(name),
            };
            self.entries.entry(name.clone()).or_insert_with(new).address.clone_from(address);
        }
        gone
    }

    /// Gives a peer whose handshake has just been done its connection, and says which ones it replaces: the same
    /// kind's, or all those of an older boot. A handshake cannot be replayed, so that of two of one boot the later one
    /// is alive.
    pub(super) fn admit(
        &mut self,
        peer: &Introduction,
        kind: ConnectionKind,
        connection: C,
    ) -> Result<Vec<C>, NotAdmitted> {
        let entry = self.entries.get_mut(&peer.name).ok_or(NotAdmitted::UnknownPeer)?;
        let is_connected = entry.control.is_some() || entry.data.is_some();
        let other = entry.peer.as_ref().filter(|old| is_connected && old.incarnation != peer.incarnation);
        if other.is_some_and(|old| old.booted_ms > peer.booted_ms) {
            return Err(NotAdmitted::Superseded);
        }
        let mut replaced = Vec::new();
        if other.is_some() {
            replaced.extend(entry.control.take());
            replaced.extend(entry.data.take());
        }
        replaced.extend(entry.slot(kind).replace(connection));
        entry.peer = Some(peer.clone());
        Ok(replaced)
    }

    pub(super) fn get(&self, name: &NodeName) -> Option<&Entry<C, E>> {
        self.entries.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &NodeName) -> Option<&mut Entry<C, E>> {
        self.entries.get_mut(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeName, &Entry<C, E>)> {
        self.entries.iter()
    }
}
