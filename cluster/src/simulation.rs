//! Routers, agents and conversations in one process, by seed: people do what they like, actors die, notices go astray,
//! the log fails, the node is lost or overtaken by the next boot. After each step nothing contradicts the log and nobody has
//! more than they may; when all is calm nobody is forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{
    AssignmentMode, Attributes, ClientId, Command, MessageText, Principal, ReleaseReason, Request, Status,
};
use store::faulty::{Dice, Faults};
use uuid::Uuid;

use actors::testing::{Living, agent, agent_key, card, id, key, supervisor, team, visitor};
use actors::{Attachment, ExecuteError, Outcome, PushReceiver, window};

use crate::Cluster;
use crate::testing::{Astray, Office, start_request};

mod ledger;
mod rest;

use ledger::Ledger;

/// Agents 1 to this.
const AGENTS: u8 = 4;
const CAPACITY: u32 = 2;
const CONVERSATIONS: u8 = 12;
const STEPS: usize = 100;

const FAULTS: Faults = Faults {
    unavailable: 0.02,
    answered_late: 0.05,
    written_late: 0.05,
    late_ms_max: 1_500,
    answer_lost: 0.03,
    unconfirmed: 0.02,
    delay_ms_max: 20,
};

/// Everything that happens, by one seed.
struct World {
    office: Office,
    dice: Dice,
    sockets: BTreeMap<u8, Vec<(Attachment, PushReceiver)>>,
    ledger: Ledger,
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
        let ledger = Ledger::new(office.memory.clone());
        Self { office, dice, sockets: BTreeMap::new(), ledger, steps: Vec::new() }
    }

    fn pick(&mut self, max: u8) -> u8 {
        1 + self.dice.up_to(u64::from(max) - 1) as u8
    }

    /// The node that is asked: now and then one that may write no more.
    fn cluster(&mut self) -> Cluster {
        let overtaken = self.dice.chance(0.1);
        let overtaken = self.office.overtaken().filter(|_| overtaken);
        overtaken.unwrap_or(&self.office.cluster).clone()
    }

    /// One thing that somebody does. What it comes to is the office's business: refusals and failures are right.
    async fn step(&mut self) {
        let (n, who) = (self.pick(CONVERSATIONS), self.pick(AGENTS));
        let what = self.dice.up_to(99);
        let to = self.pick(AGENTS);
        let cluster = self.cluster();
        let done = match what {
            0..=19 => {
                let team = 1 + n % 2;
                let request = start_request(n, n, team, Attributes::default());
                let started = cluster.create(key(n), request).await;
                self.acknowledge(n, format!("start {n} in {team}"), started)
            }
            20..=34 => {
                let accepted = cluster.accept(key(n), agent(who), None, false).await;
                self.acknowledge(n, format!("{who} accepts {n}"), accepted)
            }
            35..=39 => {
                let taken = cluster.accept(key(n), supervisor(who), None, true).await;
                self.acknowledge(n, format!("{who} takes {n} over"), taken)
            }
            40..=44 => format!("{who} declines {n}: {:?}", cluster.decline(key(n), &agent(who), None).await),
            45..=49 => {
                let given = cluster.transfer(key(n), supervisor(who), None, card(to), None).await;
                self.acknowledge(n, format!("{who} gives {n} to {to}"), given)
            }
            50..=53 => {
                let command = Command::TransferToTeam { team: id(1 + to % 2), note: None };
                let moved = ask(&cluster, n, supervisor(who), command).await;
                self.acknowledge(n, format!("{n} goes to another team"), moved)
            }
            54..=58 => {
                let head = self.office.store.heads.get(key(n)).await.unwrap();
                let assignment_epoch = head.map_or(0, |head| head.assignment_epoch);
                let command = Command::Release { assignment_epoch, reason: ReleaseReason::Released };
                let released = ask(&cluster, n, supervisor(who), command).await;
                self.acknowledge(n, format!("{who} releases {n}"), released)
            }
            59..=63 => {
                let ended = ask(&cluster, n, visitor(n), Command::End { reason: None }).await;
                self.acknowledge(n, format!("{n} ends"), ended)
            }
            64..=66 => {
                let opened = cluster.reopen(key(n), supervisor(who), None).await;
                self.acknowledge(n, format!("{who} opens {n}"), opened)
            }
            67..=72 => self.write(&cluster, n).await,
            73..=80 => {
                let (sender, receiver) = window(256, 1 << 18);
                let attached = self.office.cluster.attach(agent_key(who), sender).await;
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
                let set = self.office.cluster.set_status(agent_key(who), status).await;
                format!("{who} is {status:?}: {:?}", set.map(|_| ()))
            }
            91..=95 => self.kill_one().await,
            96 => {
                self.sockets.clear();
                let seed = self.dice.up_to(1 << 40);
                if self.dice.chance(0.5) {
                    self.office.reboot(seed).await;
                    "the node is lost".to_owned()
                } else {
                    self.office.overtake(seed).await;
                    "another node starts".to_owned()
                }
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

    /// A visitor writes, and repeats it once if they do not know what became of it.
    async fn write(&mut self, cluster: &Cluster, n: u8) -> String {
        let message = self.dice.up_to(u64::MAX);
        let client_id = Some(ClientId::parse(&message.to_string()).unwrap());
        let request = Request {
            by: visitor(n),
            client_id,
            command: Command::PostMessage {
                message_id: domain::Id::from_uuid(Uuid::from_u64_pair(message, 1)),
                text: MessageText::parse("hello", 100).ok(),
                files: Vec::new(),
                note: false,
            },
        };
        let first = cluster.execute(key(n), request.clone()).await;
        let posted = match first {
            Err(ExecuteError::Unknown) => self.office.cluster.execute(key(n), request).await,
            known => known,
        };
        self.acknowledge(n, format!("{n} writes"), posted)
    }

    async fn kill_one(&mut self) -> String {
        let mut living = self.office.node.living();
        let at = self.dice.up_to(1_000) as usize;
        let Some(at) = at.checked_rem(living.len()) else { return "nobody dies".to_owned() };
        let living = living.swap_remove(at);
        if let Living::Agent(agent) = living {
            // What this actor approved, and what is not written yet, the next one cannot know.
            if let Some(load) = self.office.node.inspect_agent(agent).await
                && load.count() > load.held().count()
            {
                self.ledger.excuse(agent.agent);
            }
        }
        self.office.node.kill(living);
        format!("dies: {living:?}")
    }

    /// Notes what was acknowledged; what was not may have been done or not.
    fn acknowledge(&mut self, n: u8, what: String, outcome: Result<Outcome, ExecuteError>) -> String {
        match outcome {
            Ok(outcome) => {
                self.ledger.acknowledge(n, &what, &outcome);
                format!("{what}: {:?}", outcome.answer)
            }
            Err(error) => format!("{what}: {error:?}"),
        }
    }

    /// What holds at any time.
    async fn look(&mut self) {
        self.ledger.look().await;
        for who in 1..=AGENTS {
            if let Some(load) = self.office.node.inspect_agent(agent_key(who)).await {
                self.ledger.check_capacity(who, &load);
            }
        }
    }
}

async fn ask(cluster: &Cluster, n: u8, by: Principal, command: Command) -> Result<Outcome, ExecuteError> {
    cluster.execute(key(n), Request { by, client_id: None, command }).await
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
            told.lock().unwrap().extend(world.steps.drain(..));
            world.look().await;
        }
        world.calm().await;
        world.look().await;
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
