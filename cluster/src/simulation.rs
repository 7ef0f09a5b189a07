//! Routers, agents and conversations in one process, by seed: people do what they like, actors die, notices go astray,
//! the log fails, the node is lost; and afterwards nobody is forgotten and nothing contradicts the log.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{
    AssignReason, AssignmentMode, Command, Conversation, ConversationId, EventKind, Head, MessageText,
    ReleaseReason, Seq, State, Status,
};
use store::faulty::{Dice, Faults};
use store::{HeadFilter, HeadView, PAGE_MAX};

use actors::testing::{agent, agent_key, card, id, key, supervisor, team, team_key, visitor, workspace};
use actors::{AgentKey, Attachment, PushReceiver, ViewAgent, window};

use crate::testing::{Astray, Office};

/// Agents 1 to this.
const AGENTS: u8 = 4;
const CAPACITY: u32 = 2;
const CONVERSATIONS: u8 = 12;
const STEPS: usize = 100;

const FAULTS: Faults = Faults {
    unavailable: 0.02,
    unknown_applied: 0.03,
    unknown_lost: 0.03,
    unknown_late: 0.03,
    claim_answer_lost: 0.03,
    delay_ms_max: 20,
};

/// Everything that happens, by one seed.
struct World {
    office: Office,
    dice: Dice,
    sockets: BTreeMap<u8, Vec<(Attachment, PushReceiver)>>,
    steps: Vec<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let modes = [AssignmentMode::Offer, AssignmentMode::Auto, AssignmentMode::Manual];
        let mut mode = |modes: &[AssignmentMode]| modes[dice.up_to(modes.len() as u64 - 1) as usize];
        let teams = vec![team(1, 1..=3, mode(&modes[..2])), team(2, 2..=4, mode(&modes))];
        let agents = (1..=AGENTS).map(|n| (n, CAPACITY));
        let office = Office::open_with(teams, agents, seed, FAULTS).await;
        *office.astray.lock().unwrap() = Astray { lost: 0.03, late: 0.1 };
        Self { office, dice, sockets: BTreeMap::new(), steps: Vec::new() }
    }

    fn pick(&mut self, max: u8) -> u8 {
        1 + self.dice.up_to(u64::from(max) - 1) as u8
    }

    /// One thing that somebody does. What it comes to is the office's business: refusals and failures are right.
    async fn step(&mut self) {
        let (n, who) = (self.pick(CONVERSATIONS), self.pick(AGENTS));
        let what = self.dice.up_to(99);
        let to = self.pick(AGENTS);
        let cluster = self.office.cluster.clone();
        let done = match what {
            0..=19 => {
                let team = 1 + n % 2;
                format!("start {n} in {team}: {:?}", self.office.start(n, n, team).await.map(|_| ()))
            }
            20..=34 => format!(
                "{who} accepts {n}: {:?}",
                cluster.accept(key(n), agent(who), None, false).await.map(|_| ())
            ),
            35..=39 => {
                let taken = cluster.accept(key(n), supervisor(who), None, true).await;
                format!("{who} takes {n} over: {:?}", taken.map(|_| ()))
            }
            40..=44 => format!("{who} declines {n}: {:?}", cluster.decline(key(n), &agent(who), None).await),
            45..=49 => {
                let given = cluster.transfer(key(n), supervisor(who), None, card(to), None).await;
                format!("{who} gives {n} to {to}: {:?}", given.map(|_| ()))
            }
            50..=53 => {
                let command = Command::TransferToTeam { team: id(1 + to % 2), note: None };
                format!(
                    "{n} goes to another team: {:?}",
                    self.office.ask(n, supervisor(who), command).await.map(|_| ())
                )
            }
            54..=58 => {
                let epoch = self
                    .office
                    .store
                    .heads
                    .get(key(n))
                    .await
                    .unwrap()
                    .map_or(0, |head| head.assignment_epoch);
                let command = Command::Release { assignment_epoch: epoch, reason: ReleaseReason::Released };
                format!(
                    "{who} releases {n}: {:?}",
                    self.office.ask(n, supervisor(who), command).await.map(|_| ())
                )
            }
            59..=63 => {
                let end = Command::End { reason: None };
                format!("{n} ends: {:?}", self.office.ask(n, visitor(n), end).await.map(|_| ()))
            }
            64..=66 => {
                format!(
                    "{who} opens {n}: {:?}",
                    cluster.reopen(key(n), supervisor(who), None).await.map(|_| ())
                )
            }
            67..=72 => {
                let text = MessageText::parse("hello", 100).ok();
                let message_id = id(who);
                let post = Command::PostMessage { message_id, text, files: Vec::new(), note: false };
                format!("{n} writes: {:?}", self.office.ask(n, visitor(n), post).await.map(|_| ()))
            }
            73..=80 => {
                let (sender, receiver) = window(256, 1 << 18);
                let attached = cluster.attach(agent_key(who), sender).await;
                let done = format!("{who} comes: {:?}", attached.as_ref().map(|_| ()));
                if let Ok(attachment) = attached {
                    self.sockets.entry(who).or_default().push((attachment, receiver));
                }
                done
            }
            81..=85 => {
                self.sockets.remove(&who);
                format!("{who} goes")
            }
            86..=90 => {
                let status = [Status::Online, Status::Online, Status::Away, Status::Offline]
                    [self.dice.up_to(3) as usize];
                format!(
                    "{who} is {status:?}: {:?}",
                    cluster.set_status(agent_key(who), status).await.map(|_| ())
                )
            }
            91..=95 => format!("dies: {:?}", self.office.node.kill_one(self.dice.up_to(1_000) as usize)),
            96 => {
                self.sockets.clear();
                let seed = self.dice.up_to(1 << 40);
                self.office.reboot(seed).await;
                "the node is lost".to_owned()
            }
            _ => {
                let ms = self.dice.up_to(9_000);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                format!("{ms} ms pass")
            }
        };
        self.steps.push(done);
        let ms = self.dice.up_to(40);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// The faults end; open sockets stay open, and everything is reconciled.
    async fn calm(&mut self) {
        self.office.log.calm();
        *self.office.astray.lock().unwrap() = Astray::default();
        // What was late comes now: any call lets it through.
        while self.office.log.late() > 0 {
            self.office.store.log.peek(key(1)).await.unwrap();
        }
        // A socket whose agent's actor died attaches anew, as the session does.
        for (who, sockets) in &mut self.sockets {
            let dead = sockets.iter().filter(|(attachment, _)| !attachment.lives()).count();
            sockets.retain(|(attachment, _)| attachment.lives());
            for _ in 0..dead {
                let (sender, receiver) = window(256, 1 << 18);
                let attachment = self.office.cluster.attach(agent_key(*who), sender).await.unwrap();
                sockets.push((attachment, receiver));
            }
        }
        tokio::time::sleep(Duration::from_secs(75)).await;
    }

    async fn check(&self) {
        let heads = self.check_logs().await;
        self.check_agents(&heads).await;
        for n in 1..=2 {
            self.check_team(n, &heads).await;
        }
    }

    /// The heads are what the logs say, epochs count assignments, and at no place two agents have one conversation.
    async fn check_logs(&self) -> BTreeMap<ConversationId, Head> {
        let mut heads = BTreeMap::new();
        for n in 1..=CONVERSATIONS {
            let Some(head) = self.office.store.heads.get(key(n)).await.unwrap() else { continue };
            let events = self.office.store.log.read(key(n), Seq::ZERO, PAGE_MAX).await.unwrap();
            let replayed = Conversation::replay(&events).unwrap();
            assert_eq!(replayed.head().state, head.state, "conversation {n}");
            assert_eq!(replayed.head().assignee, head.assignee, "conversation {n}");
            let mut epoch = 0;
            let mut held = false;
            for event in &events {
                match &event.kind {
                    EventKind::Assigned { assignment_epoch, reason, .. } => {
                        epoch += 1;
                        assert_eq!(*assignment_epoch, epoch, "conversation {n}");
                        let moved = matches!(reason, AssignReason::TakeOver | AssignReason::Transfer);
                        assert!(!held || moved, "conversation {n} was given while somebody had it");
                        held = true;
                    }
                    EventKind::Released { .. } | EventKind::Ended { .. } => held = false,
                    _ => {}
                }
            }
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

/// Prints the seed and what happened when the test fails.
struct Tell<'a>(u64, &'a std::sync::Mutex<Vec<String>>);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("TEST_SEED={} gives it back:\n  {}", self.0, self.1.lock().unwrap().join("\n  "));
        }
    }
}

fn run(seed: u64) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let _tell = Tell(seed, &told);
    runtime.block_on(async {
        let mut world = World::new(seed).await;
        for n in 1..=CONVERSATIONS {
            // Some are not started: the log fails.
            let _ = world.office.start(n, n, 1 + n % 2).await;
        }
        for _ in 0..STEPS {
            world.step().await;
            *told.lock().unwrap() = world.steps.clone();
        }
        world.calm().await;
        world.check().await;
    });
}

/// As the program is built: `SIMULATIONS=100000` runs more of them, `TEST_SEED=7` one.
const SIMULATIONS: Option<&str> = option_env!("SIMULATIONS");
const SEED: Option<&str> = option_env!("TEST_SEED");

/// Every second seed from `first` on: two tests, so that two cores have work.
fn run_half(first: u64) {
    let number = |text: Option<&str>| text.map(|text| text.parse::<u64>().unwrap());
    match number(SEED) {
        Some(seed) => run(seed),
        None => (first..number(SIMULATIONS).unwrap_or(2_000)).step_by(2).for_each(run),
    }
}

#[test]
fn whatever_happens_nobody_is_forgotten_and_no_agent_passes_their_capacity() {
    run_half(0);
}

#[test]
fn whatever_else_happens_nobody_is_forgotten_and_no_agent_passes_their_capacity() {
    run_half(1);
}
