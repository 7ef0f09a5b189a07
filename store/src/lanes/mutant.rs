//! Rules broken on purpose, one at a time: the model must notice each. Only tests are built with it.

use std::cell::Cell;

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// What a read finds, while the segment is open, is taken for what became of a batch.
    ReadBeforeSeal,
    /// A batch is sent before its pointers are acknowledged.
    PointerNotAwaited,
    /// The pointer is written after the batch that needs it.
    PointerAfter,
    /// A pointer that a read found counts as acknowledged.
    PointerFoundCounts,
    /// Who evicts seals the last segment that it knows, and not the one behind it.
    NextNotSealed,
    /// A second batch is sent before the first is answered.
    TwoInFlight,
    /// What a segment holds goes although it was not compared with the homes.
    DroppedBeforeCompared,
    /// A copy counts when a read finds it, though no quorum acknowledged it.
    CopyNotAcknowledged,
    /// An erase passes over a home where nothing is yet, and the mover puts there what it has read before.
    EraseForgotten,
    /// The home of a conversation is read before the pointers.
    HomeFirst,
    /// A segment without events of a conversation that points to it is believed.
    EmptyBelieved,
    /// A new owner starts before the old one has released or is sealed.
    StartBeforeRelease,
    /// A new owner starts before it has cleared `from`.
    StartBeforeCleared,
    /// A conversation is released with an append on its way.
    ReleasedInFlight,
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
