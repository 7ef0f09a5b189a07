//! The conversations that a list has shown, in the order in which it did.

use std::collections::HashMap;

use domain::ConversationId;

/// A set that knows its oldest. Each change of a conversation is looked up here for each dashboard and list.
#[derive(Debug, Default)]
pub(super) struct ShownOnes {
    /// With the place of each in the order.
    places: HashMap<ConversationId, u64>,
    next_place: u64,
}

impl ShownOnes {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn contains(&self, conversation: ConversationId) -> bool {
        self.places.contains_key(&conversation)
    }

    /// Behind the others; one that is there keeps its place.
    pub(super) fn put(&mut self, conversation: ConversationId) {
        self.places.entry(conversation).or_insert(self.next_place);
        self.next_place += 1;
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, conversation: ConversationId) -> bool {
        self.places.remove(&conversation).is_some()
    }

    /// Looks through all of them: for a set that is full.
    pub(super) fn remove_oldest(&mut self) {
        if let Some((&oldest, _)) = self.places.iter().min_by_key(|(_, place)| **place) {
            self.places.remove(&oldest);
        }
    }

    /// All of them, the oldest first.
    pub(super) fn in_order(self) -> Vec<ConversationId> {
        let mut all: Vec<(ConversationId, u64)> = self.places.into_iter().collect();
        all.sort_unstable_by_key(|(_, place)| *place);
        all.into_iter().map(|(conversation, _)| conversation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(n: u128) -> ConversationId {
        ConversationId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn the_oldest_leaves_first_and_one_that_is_there_keeps_its_place() {
        let mut shown = ShownOnes::default();
        for n in [5, 3, 9, 5, 1] {
            shown.put(conversation(n));
        }
        assert_eq!((shown.len(), shown.contains(conversation(9))), (4, true));
        shown.remove_oldest();
        assert!(!shown.contains(conversation(5)));
        assert_eq!([shown.remove(conversation(9)), shown.remove(conversation(9))], [true, false]);
        shown.put(conversation(5));
        assert_eq!(shown.in_order(), [3, 1, 5].map(conversation));
    }
}
