//! Rules broken on purpose, one at a time: the model must notice each. Only tests are built with it.

use std::cell::Cell;

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A new owner starts before the old one has released or is sealed.
    StartBeforeCleared,
    /// `from` is cleared although the old owner is out of the view and not sealed.
    ClearedUnsealed,
    /// A shard that is given on before it was cleared waits for the owner in the middle.
    WaitsForMiddle,
    /// After a pause the node goes on by the view that it had.
    ViewNotRead,
    /// An accusation counts although it was not renewed.
    AccusationForEver,
    /// A node that was late itself accuses others.
    LateTickAccuses,
    /// A counter that stood while the store was away for all counts as standing.
    CountersNotAfresh,
    /// Any number of members is evicted by counters at once.
    CounterEvictionsUnlimited,
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
