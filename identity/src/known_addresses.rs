//! The addresses from which an agent logged in lately. While an account is guessed at from everywhere, these may still try:
//! so guessing locks nobody out. Called by the log-in handler, which counts the guesses.

use domain::{AgentId, Email, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use store::{Document, INSTALLATION, RecordError, RecordKind, StoreError};

use crate::identity::Identity;
use crate::keys::Keys;
use crate::token::Bytes32;

/// For how long a log-in vouches for its address.
const KNOWN_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// An address that is used every day is written once a day.
const WRITTEN_EVERY_MS: u64 = 24 * 60 * 60 * 1000;
/// Of one agent; with more the one that was used longest ago is forgotten.
const ADDRESSES_MAX: usize = 32;

/// What is stored of one agent's addresses.
#[derive(Clone, Serialize, Deserialize)]
struct KnownAddresses {
    agent: AgentId,
    /// Oldest first.
    addresses: Vec<KnownAddress>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct KnownAddress {
    /// [`Keys::known_address`].
    hash: Bytes32,
    used_at: Timestamp,
}

impl KnownAddress {
    fn vouches(&self, now: Timestamp) -> bool {
        now <= self.used_at.plus_ms(KNOWN_MS)
    }
}

impl KnownAddresses {
    /// Says whether anything changed.
    fn note(&mut self, hash: [u8; 32], now: Timestamp) -> bool {
        let fresh =
            |known: &KnownAddress| known.hash.0 == hash && now < known.used_at.plus_ms(WRITTEN_EVERY_MS);
        if self.addresses.iter().any(fresh) {
            return false;
        }
        self.addresses.retain(|known| known.hash.0 != hash && known.vouches(now));
        let excess = (self.addresses.len() + 1).saturating_sub(ADDRESSES_MAX);
        self.addresses.drain(..excess);
        self.addresses.push(KnownAddress { hash: Bytes32(hash), used_at: now });
        true
    }
}

impl Document for KnownAddresses {
    const KIND: RecordKind = RecordKind::KnownAddresses;
    fn id(&self) -> String {
        self.agent.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        self.addresses.last().map(|newest| newest.used_at.plus_ms(KNOWN_MS))
    }
}

impl Identity {
    /// Notes that the agent has logged in from this address.
    ///
    /// # Errors
    /// The store did not say that the address was written; it may not be known then.
    pub async fn remember_address(
        &self,
        keys: &Keys,
        workspace: WorkspaceId,
        agent: AgentId,
        address: &[u8; 16],
    ) -> Result<(), StoreError> {
        let (records, now) = (self.records.as_ref(), self.clock.now());
        let hash = keys.known_address(agent, address);
        let note = |known: &mut KnownAddresses| known.note(hash, now);
        loop {
            let changed = store::change(records, workspace, &agent.to_string(), now, note).await;
            if changed.map_err(RecordError::or_unavailable)?.is_some() {
                return Ok(());
            }
            let mut first = KnownAddresses { agent, addresses: Vec::new() };
            first.note(hash, now);
            match store::insert(records, workspace, first, now).await {
                Ok(_) => return Ok(()),
                // Another log-in was the first one.
                Err(RecordError::Taken(_)) => {}
                Err(error) => return Err(error.or_unavailable()),
            }
        }
    }

    /// Whether the agent with this e-mail logged in from this address within 30 days. It reads as much when nobody has the
    /// e-mail.
    ///
    /// # Errors
    /// The store could not say.
    pub async fn knows_address(
        &self,
        keys: &Keys,
        email: &Email,
        address: &[u8; 16],
    ) -> Result<bool, StoreError> {
        let found = self.find_agent(email).await?;
        let (workspace, agent) = match &found {
            Some(found) => (found.workspace, found.document.id),
            None => (INSTALLATION, AgentId::from_hash([0; 16])),
        };
        let hash = keys.known_address(agent, address);
        let known =
            store::get::<KnownAddresses>(self.records.as_ref(), workspace, &agent.to_string()).await?;
        let now = self.clock.now();
        Ok(known.is_some_and(|known| {
            known.document.addresses.iter().any(|known| known.hash.0 == hash && known.vouches(now))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Fixture;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    #[tokio::test]
    async fn an_address_is_known_for_thirty_days_after_its_last_log_in_also_after_a_restart() {
        let fixture = Fixture::start().await;
        let ann = fixture.ann().await;
        let keys = Keys::load(fixture.store.records.as_ref(), fixture.clock.now()).await.unwrap();
        let nobody = Email::parse("nobody@example.org").unwrap();
        let (home, office) = ([1; 16], [2; 16]);
        let knows = async |email: &Email, address: &[u8; 16]| {
            fixture.other_node().knows_address(&keys, email, address).await.unwrap()
        };
        let came = async |address: &[u8; 16]| {
            fixture.identity.remember_address(&keys, fixture.workspace, ann.id, address).await.unwrap();
        };
        assert!(!knows(&ann.email, &home).await && !knows(&nobody, &home).await);
        came(&home).await;
        fixture.clock.advance_ms(20 * DAY_MS);
        came(&office).await;
        assert!(knows(&ann.email, &home).await && knows(&ann.email, &office).await);
        assert!(!knows(&nobody, &home).await && !knows(&ann.email, &[3; 16]).await);
        fixture.clock.advance_ms(10 * DAY_MS);
        assert!(knows(&ann.email, &home).await);
        fixture.clock.advance_ms(1);
        assert!(!knows(&ann.email, &home).await && knows(&ann.email, &office).await);
        came(&home).await;
        assert!(knows(&ann.email, &home).await);
    }

    #[test]
    fn what_is_kept_is_bounded_and_written_once_a_day() {
        let mut known = KnownAddresses { agent: AgentId::from_hash([1; 16]), addresses: Vec::new() };
        let at = |n: u64| Timestamp::from_ms(1_700_000_000_000 + n);
        for n in 0..100 {
            assert!(known.note([n; 32], at(n.into())));
        }
        assert_eq!(known.addresses.len(), ADDRESSES_MAX);
        assert!(!known.note([99; 32], at(WRITTEN_EVERY_MS)), "it was written a day ago, less a moment");
        assert!(known.note([99; 32], at(99 + WRITTEN_EVERY_MS)));
        assert_eq!(known.addresses.len(), ADDRESSES_MAX);
        assert!(known.note([200; 32], at(200 + KNOWN_MS + WRITTEN_EVERY_MS)));
        assert_eq!(known.addresses.len(), 1, "those that vouch no more are forgotten");
    }

    #[test]
    fn what_is_stored_of_known_addresses_is_read_for_ever() {
        let known = KnownAddress { hash: Bytes32([5; 32]), used_at: Timestamp::from_ms(1_700_000_000_000) };
        let known = KnownAddresses { agent: AgentId::from_hash([1; 16]), addresses: vec![known] };
        let mut golden = store::golden::Golden::new(include_str!("known_addresses/golden.txt"));
        golden.check("known_addresses", &known);
        golden.finish();
    }
}
