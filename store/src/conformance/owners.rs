//! Owners whose calls fail, by seed: whatever is given up, written late or fenced, in the end the lists say what the heads
//! say, and the heads what the logs say.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    AgentId, AssignReason, Author, Conversation, ConversationId, Event, EventKind, Head, ReleaseReason, Seq,
    State, TeamId, TransferTo, VisitorId, WorkspaceId,
};
use uuid::Uuid;

use crate::faulty::Dice;
use crate::{
    Append, ConversationKey, EventLog, Generation, Group, HeadFilter, HeadView, Heads, Lanes, PAGE_MAX,
    StoreError,
};

use super::{Play, card, message, open, until_done};

const CONVERSATIONS: u64 = 6;
const STEPS: usize = 12;
/// Boots that own them, one after the other.
const BOOTS: u64 = 3;

/// Lets them live through it once. `calm` comes when the last owner is done: it ends the faults, and waits until what is
/// late has come; `witness` is who then looks, past the faults. `seed` is what a failure must be repeated with.
pub async fn check(
    (log, heads): (Arc<dyn EventLog>, Arc<dyn Heads>),
    witness: Arc<dyn Heads>,
    seed: u64,
    calm: impl AsyncFnOnce(),
) {
    let town = Town::new(log, heads);
    let mut folded: Vec<(ConversationKey, Option<Conversation>)> = (0..CONVERSATIONS)
        .map(|_| ConversationId::from_uuid(Uuid::new_v4()))
        .map(|conversation| (ConversationKey { workspace: town.workspace, conversation }, None))
        .collect();
    for boot in 1..=BOOTS {
        let lanes = open(&*town.log).await;
        let owners: Vec<_> = (0..)
            .zip(&folded)
            .map(|(n, (key, _))| {
                let dice = Dice::new(seed.wrapping_mul(BOOTS * CONVERSATIONS) + boot * CONVERSATIONS + n);
                let (town, lanes, key) = (town.clone(), lanes.clone(), *key);
                let generation = Generation(boot);
                tokio::spawn(Owner { town, lanes, generation, key, dice, at_ms: 1000 * boot + n }.live())
            })
            .collect();
        if boot < BOOTS {
            // It is ended in the middle.
            let ms = Dice::new(seed.wrapping_add(boot)).up_to(60);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            until_done(async || town.log.seal(lanes.incarnation()).await).await;
        }
        for (owner, (_, state)) in owners.into_iter().zip(&mut folded) {
            *state = owner.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    }
    calm().await;
    let town = Town { heads: witness, ..town };
    let folded: Vec<(ConversationKey, Conversation)> =
        folded.into_iter().map(|(key, state)| (key, state.expect("the last owner made it"))).collect();
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
        let live: Vec<ConversationId> = live.into_iter().map(|key| key.conversation).collect();
        let open = here(folded, |head| head.state != State::Ended);
        assert!(open.iter().all(|id| live.contains(id)), "seed {seed}: all that is open is live");
        // It may have a row too many, of what has ended.
        let known = here(folded, |_| true);
        assert!(live.iter().all(|id| known.contains(id)), "seed {seed}: and nothing that never was");
    }
}

/// The conversations whose heads are so, by id.
fn here(folded: &[(ConversationKey, Conversation)], is: impl Fn(&Head) -> bool) -> Vec<ConversationId> {
    let such = folded.iter().filter(|(_, conversation)| is(conversation.head()));
    let mut ids: Vec<ConversationId> = such.map(|(key, _)| key.conversation).collect();
    ids.sort();
    ids
}

/// Owns one conversation in one boot.
struct Owner {
    town: Town,
    lanes: Arc<dyn Lanes>,
    generation: Generation,
    key: ConversationKey,
    dice: Dice,
    at_ms: u64,
}

impl Owner {
    /// Lives until its boot is over, and gives what the log then has.
    async fn live(mut self) -> Option<Conversation> {
        let mut state = self.activate().await;
        let mut steps = 0;
        while steps < STEPS || state.is_none() {
            steps += 1;
            let events = match &state {
                None => self.begin(),
                Some(state) => self.next(state),
            };
            let mut then = state.clone();
            match &mut then {
                None => then = Conversation::replay(&events),
                Some(then) => events.iter().for_each(|event| then.apply(event)),
            }
            let then = then.expect("it begins with a start");
            match self.append(state.as_ref(), &events, then.head()).await {
                Some(Ok(Append::Applied)) => state = Some(then),
                Some(Ok(Append::Fenced)) => return self.activate().await,
                Some(Ok(Append::Unknown)) => panic!("nothing failed for good"),
                Some(Err(_)) => tokio::task::yield_now().await,
                None => state = self.activate().await,
            }
            if let Some(head) = state.as_ref().map(Conversation::head) {
                // A mark that is not kept is moved again by the next one.
                let _ = self.town.heads.mark(self.key, head.read, head.unread, head.last_seq).await;
            }
        }
        state
    }

    /// Appends, or gives up after a while: none.
    async fn append(
        &mut self,
        before: Option<&Conversation>,
        events: &[Event],
        head: &Head,
    ) -> Option<Result<Append, StoreError>> {
        let before = before.map(Conversation::head);
        let group = Group { key: self.key, generation: self.generation, before, events, head };
        let patience_ms = if self.dice.chance(0.3) { self.dice.up_to(20) } else { 60_000 };
        let append = self.lanes.append(group);
        tokio::time::timeout(Duration::from_millis(patience_ms), append).await.ok()
    }

    /// Reads, when nothing is on its way.
    async fn activate(&self) -> Option<Conversation> {
        self.lanes.settled(self.key).await;
        loop {
            if let Ok(events) = self.town.log.read(self.key, Seq::ZERO, PAGE_MAX).await {
                return Conversation::replay(&events);
            }
            tokio::task::yield_now().await;
        }
    }

    fn begin(&mut self) -> Vec<Event> {
        let (team, visitor) = (self.pick(self.town.teams), self.pick(self.town.visitors));
        Play::start(self.key, team, visitor, self.at_ms).events
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
