//! Rules broken on purpose, one at a time: a test must notice each. Only tests are built with it.

use std::cell::Cell;

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A proof is taken without being compared.
    ProofNotCompared,
    /// A proof does not bind the dialed node's nonce, so that it can be replayed.
    NonceNotBound,
    /// A proof does not bind its maker's role, nor what it says of itself, so that it can be sent back.
    RoleNotBound,
    /// A certificate is taken for any node's.
    CertificateNameNotCompared,
    /// An ask that went to the wire counts as not sent when the link is lost.
    SentCountsAsNotSent,
    /// An ask in flight whose budget is over counts as not done.
    InFlightExpires,
    /// An ask whose budget is over is done all the same.
    ExpiredIsDone,
    /// A publication for which there is no room is left out, and nobody hears of it.
    OverflowIsSilent,
    /// The reader waits until somebody takes what it read.
    ReaderWaits,
}

thread_local! {
    static BROKEN: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Whether this rule is the broken one, on this thread.
pub(super) fn is(mutant: Mutant) -> bool {
    BROKEN.get() == Some(mutant)
}

/// Breaks a rule on this thread, or none.
pub(super) fn set(mutant: Option<Mutant>) {
    BROKEN.set(mutant);
}
