//! The handshake of a connection: bytes in, bytes out, and at the end who the peer is. No IO, no clock; the driver
//! gives it five seconds.
//!
//! The dialing node says hello, the dialed one answers with a challenge that shows nothing of itself, the dialing node
//! proves that it knows the secret, and only then the dialed one introduces itself with a proof of its own. Each proof
//! is an HMAC over all that was said and its maker's role, so that it is worth nothing in another handshake, in the
//! other direction, for another node or for the other connection. What follows the handshake is not signed: links cross
//! networks that are trusted, or TLS.

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use super::codec::{self, CodecError};
use super::frame::{self, Class, Decoder, FRAME_BYTES_MAX, FrameError, HANDSHAKE_FRAME_BYTES_MAX};
#[cfg(test)]
use super::mutant::{self, Mutant};
use super::secret::ClusterSecret;
use super::shapes::{ConnectionKind, Greeting, Introduction, Nonce, PeerHello, Proof, Welcome};
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

#[cfg(test)]
mod tests;

/// The most that is read before the handshake is done.
pub(super) const UNPROVED_BYTES_MAX: usize = 64 * 1024;

/// Why there is no link: for the log. The peer is told nothing, its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("no frame: {0}")]
    Frame(#[from] FrameError),
    #[error("no greeting: {0}")]
    Greeting(#[from] CodecError),
    #[error("a greeting that has no place here")]
    Unexpected,
    #[error("more than 64 KiB before the handshake was done")]
    TooMuch,
    #[error("what this node sent came back")]
    Reflected,
    #[error("it dialed another node, {0}")]
    NotForMe(NodeName),
    #[error("another node answered, {0}")]
    NotThePeer(NodeName),
    #[error("{0} dialed, though its name is the lesser")]
    Direction(NodeName),
    #[error("it speaks protocols {} to {}", .0.min, .0.max)]
    Protocol(ProtocolRange),
    #[error("it does not know this cluster's secret")]
    Proof,
}

/// The peer of a connection whose handshake is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeted {
    pub(super) peer: Introduction,
    pub(super) connection: ConnectionKind,
    pub(super) protocol: u32,
}

/// What a handshake wants after bytes have come: these are to be written; with `greeted` it is done.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) send: Vec<u8>,
    pub(super) greeted: Option<Greeted>,
}

/// All that a proof binds. The encoding has one reading, so that no bound in it can be shifted.
#[derive(Serialize)]
struct Transcript<'a> {
    role: ProofRole,
    hello: &'a PeerHello,
    challenge: Nonce,
    welcome: Option<&'a Welcome>,
}

#[derive(Clone, Copy, Serialize)]
enum ProofRole {
    Dialing,
    Dialed,
}

#[derive(Debug)]
enum Stage {
    /// Dialed: for the hello.
    Hello,
    /// Dialing: for the challenge.
    Challenge {
        hello: PeerHello,
    },
    /// Dialed: for the proof.
    Proof {
        hello: PeerHello,
        protocol: u32,
    },
    /// Dialing: for the welcome.
    Welcome {
        hello: PeerHello,
        challenge: Nonce,
    },
    Done,
}

/// One side of a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    me: Introduction,
    secret: ClusterSecret,
    /// Of the dialed side.
    nonce: Nonce,
    stage: Stage,
    decoder: Decoder,
    received: usize,
}

impl Handshake {
    /// The dialing side, with what it sends first. `nonce` is drawn anew each time.
    pub(super) fn dial(
        me: Introduction,
        secret: ClusterSecret,
        to: NodeName,
        connection: ConnectionKind,
        nonce: Nonce,
    ) -> (Self, Vec<u8>) {
        let hello = PeerHello { connection, protocols: ProtocolRange::OURS, nonce, from: me.clone(), to };
        let send = framed(&Greeting::Hello(hello.clone()));
        (Self::new(me, secret, nonce, Stage::Challenge { hello }), send)
    }

    /// The dialed side. `nonce` is drawn anew each time.
    pub(super) fn accept(me: Introduction, secret: ClusterSecret, nonce: Nonce) -> Self {
        Self::new(me, secret, nonce, Stage::Hello)
    }

    fn new(me: Introduction, secret: ClusterSecret, nonce: Nonce, stage: Stage) -> Self {
        let decoder = Decoder::new(HANDSHAKE_FRAME_BYTES_MAX);
        Self { me, secret, nonce, stage, decoder, received: 0 }
    }

    /// Takes what was read, at most until the handshake is done; then [`Handshake::finish`] has the rest.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Progress, Refused> {
        self.received += bytes.len();
        if self.received > UNPROVED_BYTES_MAX {
            return Err(Refused::TooMuch);
        }
        self.decoder.feed(bytes);
        let mut progress = Progress::default();
        while progress.greeted.is_none() {
            let Some(frame) = self.decoder.next()? else { break };
            if frame.class != Class::Control {
                return Err(Refused::Unexpected);
            }
            let greeting = codec::decode(&frame.payload)?;
            let stage = std::mem::replace(&mut self.stage, Stage::Done);
            self.step(stage, greeting, &mut progress)?;
        }
        Ok(progress)
    }

    /// The decoder with what came behind the handshake, for the link.
    pub(super) fn finish(mut self) -> Decoder {
        self.decoder.set_frame_bytes_max(FRAME_BYTES_MAX);
        self.decoder
    }

    fn step(&mut self, stage: Stage, greeting: Greeting, progress: &mut Progress) -> Result<(), Refused> {
        match (stage, greeting) {
            (Stage::Hello, Greeting::Hello(hello)) => {
                let protocol = self.judge(&hello)?;
                progress.send = framed(&Greeting::Challenge { nonce: self.nonce });
                self.stage = Stage::Proof { hello, protocol };
            }
            (Stage::Challenge { hello }, Greeting::Challenge { nonce: challenge }) => {
                if challenge == hello.nonce {
                    return Err(Refused::Reflected);
                }
                let proof =
                    self.mac(ProofRole::Dialing, &hello, challenge, None).finalize().into_bytes().into();
                progress.send = framed(&Greeting::Proof { proof });
                self.stage = Stage::Welcome { hello, challenge };
            }
            (Stage::Proof { hello, protocol }, Greeting::Proof { proof }) => {
                self.verify(self.mac(ProofRole::Dialing, &hello, self.nonce, None), &proof)?;
                let welcome = Welcome { from: self.me.clone(), protocols: ProtocolRange::OURS, protocol };
                let mac = self.mac(ProofRole::Dialed, &hello, self.nonce, Some(&welcome));
                let proof = mac.finalize().into_bytes().into();
                progress.send = framed(&Greeting::Welcome { welcome, proof });
                progress.greeted = Some(Greeted { peer: hello.from, connection: hello.connection, protocol });
            }
            (Stage::Welcome { hello, challenge }, Greeting::Welcome { welcome, proof }) => {
                self.verify(self.mac(ProofRole::Dialed, &hello, challenge, Some(&welcome)), &proof)?;
                if welcome.from.name != hello.to {
                    return Err(Refused::NotThePeer(welcome.from.name));
                }
                if ProtocolRange::OURS.agree(welcome.protocols) != Some(welcome.protocol) {
                    return Err(Refused::Protocol(welcome.protocols));
                }
                let (connection, protocol) = (hello.connection, welcome.protocol);
                progress.greeted = Some(Greeted { peer: welcome.from, connection, protocol });
            }
            (Stage::Challenge { .. }, Greeting::Hello(_)) => return Err(Refused::Reflected),
            _ => return Err(Refused::Unexpected),
        }
        Ok(())
    }

    /// The protocol that both speak, if the hello may come from a peer at all.
    fn judge(&self, hello: &PeerHello) -> Result<u32, Refused> {
        if hello.nonce == self.nonce || hello.from.name == self.me.name {
            return Err(Refused::Reflected);
        }
        if hello.to != self.me.name {
            return Err(Refused::NotForMe(hello.to.clone()));
        }
        if hello.from.name < self.me.name {
            return Err(Refused::Direction(hello.from.name.clone()));
        }
        ProtocolRange::OURS.agree(hello.protocols).ok_or(Refused::Protocol(hello.protocols))
    }

    fn mac(
        &self,
        role: ProofRole,
        hello: &PeerHello,
        challenge: Nonce,
        welcome: Option<&Welcome>,
    ) -> Hmac<Sha256> {
        #[cfg(test)]
        let challenge = if mutant::is(Mutant::NonceNotBound) { [0; 32] } else { challenge };
        #[cfg(test)]
        let (role, welcome) =
            if mutant::is(Mutant::RoleNotBound) { (ProofRole::Dialing, None) } else { (role, welcome) };
        let transcript = Transcript { role, hello, challenge, welcome };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(&codec::encode(&transcript));
        mac
    }

    /// In constant time.
    fn verify(&self, mac: Hmac<Sha256>, proof: &Proof) -> Result<(), Refused> {
        #[cfg(test)]
        if mutant::is(Mutant::ProofNotCompared) {
            return Ok(());
        }
        mac.verify_slice(proof).map_err(|_| Refused::Proof)
    }
}

fn framed(greeting: &Greeting) -> Vec<u8> {
    let mut send = Vec::new();
    frame::write(&mut send, Class::Control, 0, 0, 0, &codec::encode(greeting));
    send
}
