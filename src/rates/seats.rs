//! How many connections, or sockets, one address has at once.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::rates::Key;

/// Counts what is open by address. A clone counts the same.
#[derive(Clone, Default)]
pub struct Seats {
    taken: Arc<DashMap<Key, usize>>,
}

/// One of an address's places, given back when it is dropped.
pub struct Seat {
    seats: Seats,
    key: Key,
}

impl Seats {
    /// A place for one more of `key`, unless it has `max` already; `max` 0: any number.
    pub fn take(&self, key: Key, max: usize) -> Option<Seat> {
        let mut count = self.taken.entry(key).or_insert(0);
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(Seat { seats: self.clone(), key })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.seats.taken.entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_was_left_and_nothing_is_kept_of_who_has_none() {
        let seats = Seats::default();
        let (ann, bob) = (Key::of_address([192, 0, 2, 1].into()), Key::of_address([192, 0, 2, 2].into()));
        let first = seats.take(ann, 2).unwrap();
        let second = seats.take(ann, 2).unwrap();
        assert!(seats.take(ann, 2).is_none() && seats.take(bob, 2).is_some());
        drop(first);
        let third = seats.take(ann, 2).unwrap();
        drop((second, third));
        assert!(seats.taken.is_empty());
        assert_eq!((0..1000).filter_map(|_| seats.take(ann, 0)).collect::<Vec<_>>().len(), 1000);
    }
}
