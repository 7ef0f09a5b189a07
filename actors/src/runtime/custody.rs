//! Whether this node has custody of the conversations, and as which generation its actors write. Custody is agreed
//! elsewhere; here it is asked before an actor is started.

use std::sync::Arc;

use store::Generation;
use tokio::sync::watch;

/// A node's custody: without it no actor is started. It begins once, and ends once. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Custody(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    generation: Option<Generation>,
    /// It has ended: what was started finishes what is in flight.
    has_ended: bool,
}

impl Custody {
    /// Of a node that has it from the beginning.
    pub fn since(generation: Generation) -> Self {
        let state = State { generation: Some(generation), has_ended: false };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// The node has it from now on. `generation`: higher than that of every node which had it before; the first call counts.
    pub fn begin(&self, generation: Generation) {
        self.0.send_modify(|state| state.generation = state.generation.or(Some(generation)));
    }

    /// Another node is to have it: from now on nothing is started here.
    pub fn end(&self) {
        self.0.send_modify(|state| state.has_ended = true);
    }

    /// As which the node starts actors; none: it has no custody.
    pub fn generation(&self) -> Option<Generation> {
        self.writes_as().filter(|_| !self.0.borrow().has_ended)
    }

    /// As which actors write that were started; none: it never had custody.
    pub(crate) fn writes_as(&self) -> Option<Generation> {
        self.0.borrow().generation
    }

    /// Completes once the node has had custody.
    pub async fn begun(&self) {
        // The sender is here for as long as this is.
        let _begun = self.0.subscribe().wait_for(|state| state.generation.is_some()).await.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn custody_begins_once_and_ends_once() {
        let custody = Custody::default();
        let same = custody.clone();
        assert_eq!((same.generation(), same.begun().now_or_never()), (None, None));
        custody.begin(Generation(7));
        custody.begin(Generation(9));
        assert_eq!((same.generation(), same.begun().now_or_never()), (Some(Generation(7)), Some(())));
        custody.end();
        custody.begin(Generation(11));
        assert_eq!((same.generation(), same.writes_as()), (None, Some(Generation(7))));
    }
}
