//! Owners whose calls fail, by seed: whatever answers are lost and whatever is written late, once an owner has been told
//! that all is well the lists say what the heads say, and the heads what the logs say.

use std::sync::Arc;

use domain::{
    AgentId, AssignReason, Author, Conversation, ConversationId, Event, EventKind, Head, ReleaseReason, Seq,
    State, TeamId, TransferTo, VisitorId, WorkspaceId,
};
use uuid::Uuid;

use crate::faulty::Dice;
use crate::{
    Append, Claim, ClaimError, ConversationKey, Created, EventLog, HeadFilter, HeadView, Heads, PAGE_MAX,
};

use super::{Play, card, message, owner};

const CONVERSATIONS: u64 = 6;
const STEPS: usize = 12;

/// Lets them live through it once. `calm` comes when the last owner has been told that all is well: it ends the faults,
/// and waits until what is late has come; `witness` is who then looks, past the faults. `seed` is what a failure must be
/// repeated with.
pub async fn check(
    (log, heads): (Arc<dyn EventLog>, Arc<dyn Heads>),
    witness: Arc<dyn Heads>,
    seed: u64,
    calm: impl AsyncFnOnce(),
) {
    let town = Town::new(log, heads);
    let owners: Vec<_> = (0..CONVERSATIONS)
        .map(|n| {
            let dice = Dice::new(seed.wrapping_mul(CONVERSATIONS).wrapping_add(n));
            tokio::spawn(Owner { town: town.clone(), dice, at_ms: 1000 + n }.live())
        })
        .collect();
    let mut folded = Vec::new();
    for owner in owners {
        folded.push(owner.await.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    calm().await;
    let town = Town { heads: witness, ..town };
    town.check_heads(&folded, seed).await;
    town.check_lists(&folded, seed).await;
}

/// A workspace of its own, with people.
#[derive(Clone)]
struct Town {
    log: Arc<dyn EventLog>,
    heads: Arc<dyn Heads>,
    workspace: WorkspaceId,
    teams: [TeamId; 2],
    agents: [AgentId; 2],
    visitors: [VisitorId; 2],
}

impl Town {
    fn new(log: Arc<dyn EventLog>, heads: Arc<dyn Heads>) -> Self {
        let two = || [Uuid::new_v4(), Uuid::new_v4()];
        Self {
            log,
            heads,
            workspace: WorkspaceId::from_uuid(Uuid::new_v4()),
            teams: two().map(TeamId::from_uuid),
            agents: two().map(AgentId::from_uuid),
            visitors: two().map(VisitorId::from_uuid),
        }
    }

    async fn check_heads(&self, folded: &[(ConversationKey, Conversation)], seed: u64) {
        for (key, conversation) in folded {
            let stored = self.heads.get(*key).await.expect("the store is there");
            let stored = stored.unwrap_or_else(|| panic!("seed {seed}: {key:?} has no head"));
            let head = conversation.head().clone();
            let expected = Head { read: stored.read, unread: stored.unread, ..head };
            assert_eq!(stored, expected, "seed {seed}: a head is the fold of its log");
        }
    }

    async fn check_lists(&self, folded: &[(ConversationKey, Conversation)], seed: u64) {
        let mut views = vec![
            HeadView::Open(None),
            HeadView::Open(Some(vec![self.teams[0]])),
            HeadView::Queue(None),
            HeadView::Ended(None),
        ];
        views.extend(self.agents.map(HeadView::HeldBy));
        views.extend(self.visitors.map(HeadView::OfVisitor));
        views.extend(self.agents.map(|agent| HeadView::Ended(Some((vec![self.teams[1]], agent)))));
        for view in views {
            let rows = self.heads.list(self.workspace, &view, &HeadFilter::default(), None, 100).await;
            let mut listed: Vec<ConversationId> =
                rows.expect("the store is there").iter().map(|row| row.conversation).collect();
            listed.sort();
            assert_eq!(listed, here(folded, |head| view.time_of(head).is_some()), "seed {seed}: {view:?}");
        }
        let (mut live, mut after) = (Vec::new(), None);
        loop {
            let page = self.heads.live(after, PAGE_MAX).await.expect("the store is there");
            after = page.last().map(|row| row.key);
            let full = page.len() == PAGE_MAX;
            live.extend(page.into_iter().map(|row| row.key).filter(|key| key.workspace == self.workspace));
            if !full {
                break;
            }
        }
        let mut live: Vec<ConversationId> = live.into_iter().map(|key| key.conversation).collect();
        live.sort();
        assert_eq!(live, here(folded, |head| head.state != State::Ended), "seed {seed}: the live index");
    }
}

/// The conversations whose heads are so, by id.
fn here(folded: &[(ConversationKey, Conversation)], is: impl Fn(&Head) -> bool) -> Vec<ConversationId> {
    let such = folded.iter().filter(|(_, conversation)| is(conversation.head()));
    let mut ids: Vec<ConversationId> = such.map(|(key, _)| key.conversation).collect();
    ids.sort();
    ids
}

/// Owns one conversation, again and again.
struct Owner {
    town: Town,
    dice: Dice,
    at_ms: u64,
}

impl Owner {
    async fn live(mut self) -> (ConversationKey, Conversation) {
        let conversation = ConversationId::from_uuid(Uuid::new_v4());
        let key = ConversationKey { workspace: self.town.workspace, conversation };
        let (team, visitor) = (self.pick(self.town.teams), self.pick(self.town.visitors));
        let play = Play::start(key, team, visitor, self.at_ms);
        let mut mine = None;
        while mine.is_none() {
            match self.town.log.create(key, &owner("a"), &play.events, play.head()).await {
                Ok(Created::New(claim)) => mine = Some((claim, play.state.clone())),
                Ok(Created::Exists) => mine = Some(self.activate(key).await),
                Ok(Created::Unknown) | Err(_) => tokio::task::yield_now().await,
            }
        }
        let (mut claim, mut state) = mine.expect("the loop ended");
        for _ in 0..STEPS {
            let (tail, events) = (state.head().last_seq, self.next(&state));
            let mut then = state.clone();
            events.iter().for_each(|event| then.apply(event));
            match self.town.log.append(&claim, tail, &events, then.head()).await {
                Ok(Append::Applied) => state = then,
                Ok(Append::Fenced { .. } | Append::Unknown) | Err(_) => {
                    (claim, state) = self.activate(key).await;
                }
            }
            let head = state.head();
            // A mark that is not kept is moved again by the next one.
            let _ = self.town.heads.mark(key, head.read, head.unread, head.last_seq).await;
            if self.dice.chance(0.1) {
                // Whatever came of it, the next claim takes a token of its own.
                let _ = self.town.log.passivate(claim).await;
                (claim, state) = self.activate(key).await;
            }
        }
        (key, state)
    }

    /// Claims, reads and restores until it is told that all of it is done.
    async fn activate(&self, key: ConversationKey) -> (Claim, Conversation) {
        loop {
            let claim = match self.town.log.claim(key, &owner("a"), None).await {
                Ok(claim) => claim,
                Err(ClaimError::Missing) => panic!("the log was made and does not go"),
                Err(ClaimError::Lost | ClaimError::Store(_)) => {
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let Ok(events) = self.town.log.read(key, Seq::ZERO, PAGE_MAX).await else { continue };
            let state = Conversation::replay(&events).expect("it began with a start");
            if self.town.heads.restore(&claim, state.head()).await.is_ok() {
                return (claim, state);
            }
        }
    }

    /// Something that may happen now.
    fn next(&mut self, state: &Conversation) -> Vec<Event> {
        let head = state.head();
        let assigned = |agent: AgentId| EventKind::Assigned {
            agent: card(agent),
            assignment_epoch: head.assignment_epoch + 1,
            reason: AssignReason::TakeOver,
            why: None,
        };
        let agent = self.pick(self.town.agents);
        let kinds = match (head.state, self.dice.up_to(5)) {
            (State::Ended, _) => vec![EventKind::Reopened],
            (_, 0) => vec![EventKind::Ended { reason: None }],
            (_, 1) => vec![message("a"), message("b"), message("c")],
            (State::Queued | State::Bot, 2) => {
                vec![EventKind::Transferred { to: TransferTo::Team(self.pick(self.town.teams)) }]
            }
            (State::Queued | State::Bot, _) => vec![assigned(agent)],
            (State::Assigned, 2) => vec![assigned(agent)],
            (State::Assigned, 3) => {
                let holder = head.assignee.clone().expect("somebody has it");
                let released = EventKind::Released { agent: holder, reason: ReleaseReason::Transfer };
                vec![EventKind::Transferred { to: TransferTo::Team(self.pick(self.town.teams)) }, released]
            }
            (State::Assigned, _) => vec![message("d")],
        };
        self.at_ms += 10;
        let at = domain::Timestamp::from_ms(self.at_ms);
        let numbered = kinds.into_iter().zip(head.last_seq.0 + 1..);
        numbered
            .map(|(kind, seq)| Event { seq: Seq(seq), at, by: Author::System, request: None, kind })
            .collect()
    }

    fn pick<T: Copy>(&mut self, of: [T; 2]) -> T {
        of[self.dice.up_to(1) as usize]
    }
}
