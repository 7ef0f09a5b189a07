//! Whether this node has custody of the conversations, and as which generation its actors write. Custody is agreed
//! elsewhere; here it is asked before an actor is started.

use std::sync::Arc;

use store::Generation;
use tokio::sync::watch;

/// A node's custody: without it no actor is started and nothing is appended. Clones are the same one.
///
/// It begins once and ends with the node's lanes: a node that must not write any more is sealed.
#[derive(Clone, Debug, Default)]
pub struct Custody(Arc<watch::Sender<Option<Generation>>>);

impl Custody {
    /// Of a node that has it from the beginning.
    pub fn since(generation: Generation) -> Self {
        Self(Arc::new(watch::Sender::new(Some(generation))))
    }

    /// The node has it from now on. `generation`: higher than that of every node which had it before; the first call counts.
    pub fn begin(&self, generation: Generation) {
        self.0.send_if_modified(|custody| custody.is_none() && custody.insert(generation) == &generation);
    }

    /// As which the node writes; none: it has no custody.
    pub fn generation(&self) -> Option<Generation> {
        *self.0.borrow()
    }

    /// Completes once the node has custody.
    pub async fn begun(&self) {
        // The sender is here for as long as this is.
        let _begun = self.0.subscribe().wait_for(Option::is_some).await.is_ok();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn custody_begins_once() {
        let custody = Custody::default();
        let same = custody.clone();
        assert_eq!((same.generation(), same.begun().now_or_never()), (None, None));
        custody.begin(Generation(7));
        custody.begin(Generation(9));
        assert_eq!((same.generation(), same.begun().now_or_never()), (Some(Generation(7)), Some(())));
    }
}
