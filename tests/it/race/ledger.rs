//! Who held what, and when, as the logs tell it: the truth that everything else is measured by.

use std::collections::BTreeMap;

use serde_json::Value;

/// A conversation was taken or given back.
#[derive(Debug)]
struct Change {
    /// As the log has it, RFC 3339: sorts as a text.
    at: String,
    agent: String,
    /// 1 or -1.
    step: i32,
}

/// All logs, folded.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    changes: Vec<Change>,
    holders: BTreeMap<String, Option<String>>,
    /// How often a conversation was given to somebody.
    pub(super) assignments: usize,
}

impl Ledger {
    /// Folds one log, and panics where it breaks the rules: a hole, two owners, an epoch that does not rise by
    /// one with each assignment.
    pub(super) fn enter(&mut self, conversation: &str, log: &[Value]) {
        let (mut holder, mut epoch): (Option<String>, u64) = (None, 0);
        let mut before = "";
        for (place, event) in (1_u64..).zip(log) {
            let at = event["at"].as_str().unwrap();
            assert_eq!(event["seq"], place, "a hole in {conversation}");
            assert!(at >= before, "time runs back in {conversation}: {event}");
            before = at;
            let leaves = |ledger: &mut Self, agent: String| ledger.change(at, agent, -1);
            match event["kind"].as_str().unwrap() {
                "assigned" => {
                    let agent = event["agent"]["agent_id"].as_str().unwrap().to_owned();
                    let reason = event["reason"].as_str().unwrap();
                    assert_eq!(event["assignment_epoch"], epoch + 1, "{conversation}: {event}");
                    epoch += 1;
                    if let Some(previous) = holder.replace(agent.clone()) {
                        assert!(matches!(reason, "transfer" | "take_over"), "two owners: {event}");
                        leaves(self, previous);
                    }
                    self.change(at, agent, 1);
                    self.assignments += 1;
                }
                "released" => {
                    let previous = holder.take();
                    leaves(self, previous.unwrap_or_else(|| panic!("nobody had {conversation}: {event}")));
                }
                "ended" => {
                    if let Some(previous) = holder.take() {
                        leaves(self, previous);
                    }
                }
                _ => {}
            }
        }
        self.holders.insert(conversation.to_owned(), holder);
    }

    /// The most that an agent ever held at once. What came and went within the same millisecond is counted as gone.
    pub(super) fn most_held_by(&self, agent: &str) -> i32 {
        let mut changes: Vec<&Change> = self.changes.iter().filter(|change| change.agent == agent).collect();
        changes.sort_by(|a, b| (&a.at, a.step).cmp(&(&b.at, b.step)));
        let (mut held, mut most) = (0, 0);
        for change in changes {
            held += change.step;
            most = most.max(held);
        }
        most
    }

    /// What the agent holds now, sorted.
    pub(super) fn held_by(&self, agent: &str) -> Vec<String> {
        let his = self.holders.iter().filter(|(_, holder)| holder.as_deref() == Some(agent));
        his.map(|(conversation, _)| conversation.clone()).collect()
    }

    fn change(&mut self, at: &str, agent: String, step: i32) {
        self.changes.push(Change { at: at.to_owned(), agent, step });
    }
}
