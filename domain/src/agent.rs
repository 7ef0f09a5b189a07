//! An agent: who they are, and how much they carry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AgentId, ConversationId, Email, Line, Name, Rejection, Role};

/// The availability that an agent has set. Whether a socket of theirs is open is their presence, and kept elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Gets offers, accepts.
    Online,
    /// Gets no offers, may accept and keeps what they hold.
    Away,
    /// Gives back what they hold.
    #[default]
    Offline,
}

/// A person who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Names the agent.
    pub id: AgentId,
    /// Names the agent at log-in, in the whole installation.
    pub email: Email,
    /// For people, visitors too.
    pub name: Name,
    /// What the agent may do.
    pub role: Role,
    /// How many conversations the agent may hold at once.
    pub capacity: u32,
    /// For routing by skill.
    pub skills: Vec<Line<64>>,
    /// For routing by language, BCP 47 tags.
    pub languages: Vec<Line<35>>,
    /// May not log in.
    pub disabled: bool,
    /// May make workspaces.
    pub operator: bool,
    /// The argon2id hash of their password, in PHC form.
    pub password_hash: Box<str>,
    /// The availability that the agent set last.
    pub status: Status,
    /// Raised when all log-ins that were begun so far end for good, also when the agent is enabled again.
    #[serde(default)]
    pub generation: u64,
}

impl Agent {
    /// The default of `capacity`.
    pub const CAPACITY: u32 = 5;

    /// Disables or enables the agent. Disabling ends all log-ins for good.
    pub fn set_disabled(&mut self, disabled: bool) {
        if disabled && !self.disabled {
            self.generation += 1;
        }
        self.disabled = disabled;
    }

    /// The agent as logs and other people see them.
    pub fn card(&self) -> AgentCard {
        AgentCard { id: self.id, name: self.name.clone() }
    }
}

/// An agent as logs and other people see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCard {
    /// Names the agent.
    pub id: AgentId,
    /// Their name then.
    pub name: Name,
}

/// What an agent carries: what they hold, and what is reserved while an assignment to them is being written.
///
/// Capacity counts both, so however many assignments race, the agent never holds more than they may. Nothing of it is
/// stored: it is rebuilt from the conversations that name the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    held: BTreeMap<ConversationId, u64>,
    reserved: BTreeMap<ConversationId, Reserved>,
}

/// Places that are kept while assignments of one conversation are being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reserved {
    count: u32,
    /// The newest assignment that was lost meanwhile: word of a loss may come before word of what was written.
    lost: u64,
}

impl Load {
    /// How many the agent holds or is about to hold.
    pub fn count(&self) -> usize {
        self.held.len() + self.reserved.keys().filter(|id| !self.held.contains_key(id)).count()
    }

    /// What the agent holds, by id.
    pub fn held(&self) -> impl Iterator<Item = ConversationId> + '_ {
        self.held.keys().copied()
    }

    /// What the agent holds, by id, each with the epoch of its assignment.
    pub fn held_since(&self) -> impl Iterator<Item = (ConversationId, u64)> + '_ {
        self.held.iter().map(|(&conversation, &epoch)| (conversation, epoch))
    }

    /// Whether the agent holds this one.
    pub fn holds(&self, conversation: ConversationId) -> bool {
        self.held.contains_key(&conversation)
    }

    /// Whether the agent holds this one, or is about to.
    pub fn carries(&self, conversation: ConversationId) -> bool {
        self.held.contains_key(&conversation) || self.reserved.contains_key(&conversation)
    }

    /// Keeps a place for an assignment that is about to be written. What the agent holds already needs no second place.
    ///
    /// # Errors
    ///
    /// [`Rejection::CapacityExceeded`]: the agent carries as many as `capacity`, and no place was kept.
    pub fn reserve(&mut self, conversation: ConversationId, capacity: u32) -> Result<(), Rejection> {
        if !self.carries(conversation) && self.count() >= capacity as usize {
            return Err(Rejection::CapacityExceeded);
        }
        self.reserved.entry(conversation).or_default().count += 1;
        Ok(())
    }

    /// The reservation is settled; `assigned` holds the epoch when the conversation is theirs now. Says whether the agent
    /// now holds more than they may because of it.
    pub fn settle(&mut self, conversation: ConversationId, assigned: Option<u64>, capacity: u32) -> bool {
        let lost = match self.reserved.get_mut(&conversation) {
            None => 0,
            Some(reserved) => {
                let lost = reserved.lost;
                reserved.count -= 1;
                if reserved.count == 0 {
                    self.reserved.remove(&conversation);
                }
                lost
            }
        };
        assigned.is_some_and(|epoch| epoch > lost && self.hold(conversation, epoch, capacity))
    }

    /// The log says that the agent has it since `epoch`. Says whether they now hold more than they may because of it.
    pub fn hold(&mut self, conversation: ConversationId, epoch: u64, capacity: u32) -> bool {
        let newest = self.held.entry(conversation).or_insert(epoch);
        *newest = epoch.max(*newest);
        self.held.len() > capacity as usize
    }

    /// The log says that the agent lost what they had since `epoch`; a later assignment to them stands.
    pub fn drop_held(&mut self, conversation: ConversationId, epoch: u64) {
        if self.held.get(&conversation).is_some_and(|&since| since <= epoch) {
            self.held.remove(&conversation);
        }
        if let Some(reserved) = self.reserved.get_mut(&conversation) {
            reserved.lost = reserved.lost.max(epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn conversation(n: u8) -> ConversationId {
        ConversationId::from_hash([n; 16])
    }

    proptest! {
        #[test]
        fn reservations_never_pass_capacity(
            capacity in 0u32..4,
            steps in proptest::collection::vec((0u8..6, 0u8..4), 0..60),
        ) {
            let mut load = Load::default();
            let mut open: Vec<ConversationId> = Vec::new();
            for (n, what) in steps {
                let id = conversation(n);
                match what {
                    0 | 1 => {
                        if load.reserve(id, capacity).is_ok() {
                            open.push(id);
                        }
                    }
                    2 => {
                        if let Some(at) = open.iter().position(|&other| other == id) {
                            open.swap_remove(at);
                            prop_assert!(!load.settle(id, (n % 2 == 0).then_some(1), capacity));
                        }
                    }
                    _ => load.drop_held(id, 1),
                }
                prop_assert!(load.count() <= capacity as usize);
            }
            for id in open.drain(..) {
                load.settle(id, None, capacity);
            }
            prop_assert_eq!(load.count(), load.held().count());
        }
    }

    #[test]
    fn a_late_loss_does_not_undo_a_newer_assignment() {
        let mut load = Load::default();
        load.hold(conversation(1), 3, 5);
        load.drop_held(conversation(1), 2);
        assert!(load.holds(conversation(1)));
        load.drop_held(conversation(1), 3);
        assert!(!load.holds(conversation(1)));
    }

    #[test]
    fn a_loss_that_comes_before_its_assignment_stands() {
        let mut load = Load::default();
        load.reserve(conversation(1), 1).unwrap();
        load.drop_held(conversation(1), 4);
        load.settle(conversation(1), Some(4), 1);
        assert_eq!(load.count(), 0);
        load.reserve(conversation(1), 1).unwrap();
        load.settle(conversation(1), Some(5), 1);
        assert!(load.holds(conversation(1)));
    }

    #[test]
    fn an_assignment_that_nobody_reserved_is_told_when_it_passes_capacity() {
        let mut load = Load::default();
        assert!(!load.hold(conversation(1), 1, 1));
        assert!(load.hold(conversation(2), 1, 1));
    }
}
