//! Agents' sockets on this node. An agent's actor publishes once; here it becomes a push for each of them.

use dashmap::DashMap;

use super::window::PushSender;
use crate::words::{AgentKey, AgentPublication, Push};

#[derive(Debug)]
struct Session {
    id: u64,
    sender: PushSender,
    /// The actor counts it.
    is_open: bool,
}

/// All of them, by agent.
#[derive(Debug, Default)]
pub(crate) struct Sessions(DashMap<AgentKey, Vec<Session>>);

impl Sessions {
    /// Is pushed nothing before the actor publishes that it counts it.
    pub(crate) fn enter(&self, key: AgentKey, id: u64, sender: PushSender) {
        self.0.entry(key).or_default().push(Session { id, sender, is_open: false });
    }

    /// From now on it is pushed nothing.
    pub(crate) fn leave(&self, key: AgentKey, id: u64) {
        if let Some(mut sessions) = self.0.get_mut(&key) {
            sessions.retain(|session| session.id != id);
        }
        self.forget_if_empty(key);
    }

    /// It was entered, and neither left nor lost its actor.
    pub(crate) fn has(&self, key: AgentKey, id: u64) -> bool {
        self.0.get(&key).is_some_and(|sessions| sessions.iter().any(|session| session.id == id))
    }

    /// Never waits. A socket that is too slow is let go, and closed.
    pub(crate) fn publish(&self, key: AgentKey, publication: AgentPublication) {
        let Some(mut sessions) = self.0.get_mut(&key) else { return };
        match publication {
            AgentPublication::Opened { session, queues } => {
                if let Some(opened) = sessions.iter_mut().find(|other| other.id == session) {
                    opened.is_open = true;
                    for news in queues {
                        // A failure is an overflow, which the socket sees by itself.
                        let _ = opened.sender.push(Push::Queue(news));
                    }
                }
            }
            AgentPublication::Push(push) => {
                sessions.retain(|session| !session.is_open || session.sender.push(push.clone()).is_ok());
            }
            AgentPublication::Gone => sessions.retain(|session| {
                if session.is_open {
                    let _ = session.sender.push(Push::AgentLost);
                }
                !session.is_open
            }),
        }
        drop(sessions);
        self.forget_if_empty(key);
    }

    fn forget_if_empty(&self, key: AgentKey) {
        self.0.remove_if(&key, |_, sessions| sessions.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use domain::{Id, Status};

    use super::*;
    use crate::hub::window;

    #[test]
    fn a_socket_is_pushed_to_from_its_opening_until_the_actor_ends() {
        let sessions = Sessions::default();
        let key = AgentKey { workspace: Id::from_hash([1; 16]), agent: Id::from_hash([2; 16]) };
        let (sender, mut pushes) = window(16, 10_000);
        sessions.enter(key, 1, sender);
        let status = || AgentPublication::Push(Push::Status(Status::Away));
        sessions.publish(key, status());
        assert!(pushes.try_next().is_none());
        sessions.publish(key, AgentPublication::Opened { session: 1, queues: Vec::new() });
        sessions.publish(key, status());
        sessions.publish(key, AgentPublication::Gone);
        sessions.publish(key, status());
        assert!(matches!(pushes.try_next(), Some(Push::Status(Status::Away))));
        assert!(matches!(pushes.try_next(), Some(Push::AgentLost)));
        assert!(pushes.try_next().is_none());
        assert!(sessions.0.is_empty());
    }
}
