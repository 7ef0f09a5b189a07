//! What holds when all is calm: nobody is forgotten, and everybody knows what the logs say.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Conversation, ConversationId, Head, Seq, State, Status};
use store::{HeadFilter, HeadView, PAGE_MAX};

use actors::testing::{agent_key, id, key, team_key, workspace};
use actors::{AgentKey, Push, PushReceiver, ViewAgent, window};

use super::{AGENTS, CAPACITY, CONVERSATIONS, World};
use crate::testing::Astray;

impl World {
    /// The faults end; open sockets stay open, and everything is reconciled.
    pub(super) async fn calm(&mut self) {
        self.office.log.calm();
        *self.office.astray.lock().unwrap() = Astray::default();
        self.office.log.at_rest().await;
        // A socket whose agent's actor died attaches anew, as the session does.
        for (who, sockets) in &mut self.sockets {
            for (attachment, pushes) in sockets {
                if was_lost(pushes) {
                    let (sender, receiver) = window(256, 1 << 18);
                    *attachment = self.office.cluster.attach(agent_key(*who), sender).await.unwrap();
                    *pushes = receiver;
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(75)).await;
    }

    pub(super) async fn check(&self) {
        let heads = self.check_logs().await;
        self.check_agents(&heads).await;
        for n in 1..=2 {
            self.check_team(n, &heads).await;
        }
    }

    /// The heads are what the logs say.
    async fn check_logs(&self) -> BTreeMap<ConversationId, Head> {
        let mut heads = BTreeMap::new();
        for n in 1..=CONVERSATIONS {
            let Some(head) = self.office.store.heads.get(key(n)).await.unwrap() else { continue };
            let events = self.office.store.log.read(key(n), Seq::ZERO, PAGE_MAX).await.unwrap();
            let replayed = Conversation::replay(&events).unwrap();
            assert_eq!(replayed.head().state, head.state, "conversation {n}");
            assert_eq!(replayed.head().assignee, head.assignee, "conversation {n}");
            heads.insert(key(n).conversation, head);
        }
        heads
    }

    /// No agent holds more than they may, and one who is not there holds nothing; the agent's actor knows what they hold.
    async fn check_agents(&self, heads: &BTreeMap<ConversationId, Head>) {
        for who in 1..=AGENTS {
            let view = self.office.cluster.ask(agent_key(who), ViewAgent).await.unwrap();
            let held: Vec<ConversationId> = heads
                .iter()
                .filter(|(_, head)| head.state == State::Assigned)
                .filter(|(_, head)| head.assignee.as_ref().is_some_and(|agent| agent.id == id(who)))
                .map(|(id, _)| *id)
                .collect();
            assert!(held.len() <= CAPACITY as usize, "agent {who} holds {held:?}");
            assert_eq!(view.conversations, held, "agent {who}");
            let gone = view.status == Status::Offline || !view.present;
            assert!(
                !gone || held.is_empty(),
                "agent {who} is {:?}, present {}, and holds {held:?}",
                view.status,
                view.present
            );
        }
    }

    /// Where its router sees each conversation, beside where it stands.
    async fn places(&self, n: u8, heads: &BTreeMap<ConversationId, Head>) -> Vec<String> {
        let mut places = Vec::new();
        for (id, head) in heads {
            let key = store::ConversationKey { workspace: workspace(), conversation: *id };
            let place = self.office.cluster.position(key, team_key(n).team).await;
            places.push(format!(
                "{id}: {place:?}, {:?} in {} since {:?}",
                head.state, head.team, head.queued_at
            ));
        }
        places
    }

    /// Its router has the queue in the store's order, and every agent who may have something has it, or is offered it.
    async fn check_team(&self, n: u8, heads: &BTreeMap<ConversationId, Head>) {
        let queue = HeadView::Queue(Some(vec![id(n)]));
        let listed = self
            .office
            .store
            .heads
            .list(workspace(), &queue, &HeadFilter::default(), None, 100)
            .await
            .unwrap();
        for (position, row) in (1..).zip(&listed) {
            assert_eq!(heads[&row.conversation].team, id(n));
            let key = store::ConversationKey { workspace: workspace(), conversation: row.conversation };
            let explained = self.office.cluster.explain(key, team_key(n).team).await;
            let (place, why) = explained.unwrap_or_else(|| panic!("nobody knows that {key:?} waits"));
            assert_eq!(place.position, position, "{key:?} in {:#?}", self.places(n, heads).await);
            let settled =
                place.offered_to.is_some() || matches!(why.rule, domain::Rule::Nobody | domain::Rule::Manual);
            assert!(settled, "{key:?} waits although somebody is free: {why:?}");
            if let Some(agent) = place.offered_to {
                let view = self
                    .office
                    .cluster
                    .ask(AgentKey { workspace: workspace(), agent }, ViewAgent)
                    .await
                    .unwrap();
                assert!(view.offers.iter().any(|(id, _)| *id == row.conversation), "{key:?}: {view:?}");
                assert!(view.present && view.status == Status::Online, "{key:?}: {view:?}");
            }
        }
    }
}

/// Whether the actor that the socket was attached to ended.
fn was_lost(pushes: &mut PushReceiver) -> bool {
    while let Some(push) = pushes.try_next() {
        if matches!(push, Push::AgentLost) {
            return true;
        }
    }
    false
}
