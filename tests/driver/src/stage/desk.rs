//! The front desk of a round: a team of its own whose two agents are offered what waits, and take, decline, give on,
//! give back and end it, while its visitors start new ones. After a restart everybody holds still for a moment, and
//! the whole team is read and judged.

mod clerk;
mod customer;
mod inspection;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use checker::{ConversationAtRest, Deed, Desk, Violation};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::Stage;
use super::rest::insist;
use crate::answer::Answer;
use crate::clients::Agent;
use clerk::Clerk;

const CLERKS: usize = 2;
/// Of each agent: small, so that most wait.
const CAPACITY: u64 = 2;
/// Each has one conversation at a time.
const CUSTOMERS: usize = 10;
/// Short, so that offers end unanswered now and then; longer than the dust needs to settle.
const ACCEPT_TIMEOUT_S: u64 = 2;
const PASSWORD: &str = "long enough";

/// A conversation of the desk.
#[derive(Clone, Debug)]
struct Started {
    conversation: String,
    visitor_token: String,
}

/// What is known of the desk by those who are at it. Never borrowed over an await.
#[derive(Debug, Default)]
struct Book {
    started: Vec<Started>,
    /// Known to be over.
    ended: BTreeSet<String>,
    /// Those that were offered to somebody, or seen by somebody, with the last event that was known then: they waited.
    waiting: BTreeMap<String, u64>,
    deeds: Vec<Deed>,
    /// The agents who have said hello since the server was last killed.
    connected: BTreeSet<String>,
    /// Over when they were last read.
    closed: HashMap<String, ConversationAtRest>,
    outcome: Outcome,
}

/// What came of the looks at the desk.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) inspections: u32,
    pub(super) conversations: usize,
    pub(super) assignments: usize,
    pub(super) deeds: usize,
    /// The longest that the dust took to settle.
    pub(super) settled_max: Duration,
    pub(super) violations: Vec<Violation>,
    /// As it was when something was wrong.
    pub(super) wrong: Option<Desk>,
}

/// The team of one round.
pub(crate) struct FrontDesk {
    team_id: String,
    admin: Agent,
    clerks: Vec<Agent>,
    /// How long it may take until all is as it must be.
    settles: Duration,
    /// Held for reading by who asks for something, until its outcome is known; for writing by who looks at the whole.
    turnstile: RwLock<()>,
    book: RefCell<Book>,
}

impl FrontDesk {
    /// Makes the team and its agents, named after `seed`; the server must not be killed meanwhile.
    pub(super) async fn open(stage: &Stage, seed: u64, settles: Duration) -> anyhow::Result<Rc<Self>> {
        let login = &stage.ready.admin;
        let admin = stage.api().login(&login.email, &login.password).await?;
        let make = async |what: &str, body: Value| {
            let call = stage.api().post(format!("/api/v1/admin/{what}")).bearer(&admin.token).json(&body);
            call.send().await?.expect(201)
        };
        let team = json!({
            "name": format!("Front desk {seed}"), "assignment": "offer", "accept_timeout_s": ACCEPT_TIMEOUT_S,
        });
        let team = make("teams", team).await?;
        let team_id = team["id"].as_str().with_context(|| format!("no team: {team}"))?.to_owned();
        let mut clerks = Vec::new();
        for number in 0..CLERKS {
            let email = format!("clerk-{number}-{seed}@example.org");
            let agent = json!({
                "email": email, "name": format!("Clerk {number}"), "password": PASSWORD, "capacity": CAPACITY,
                "team_ids": [team_id],
            });
            make("agents", agent).await?;
            clerks.push(stage.api().login(&email, PASSWORD).await?);
        }
        let (turnstile, book) = (RwLock::new(()), RefCell::default());
        Ok(Rc::new(Self { team_id, admin, clerks, settles, turnstile, book }))
    }

    /// Its agents and its visitors, until the curtain falls.
    pub(super) fn people(
        self: &Rc<Self>,
        stage: &Stage,
        random: &mut StdRng,
    ) -> Vec<LocalBoxFuture<'static, anyhow::Result<()>>> {
        let mut people = Vec::new();
        for (place, who) in self.clerks.iter().enumerate() {
            let colleague = self.clerks[(place + 1) % CLERKS].agent_id.clone();
            let clerk = Clerk::new(stage.clone(), Rc::clone(self), who.clone(), colleague);
            people.push(clerk.work(StdRng::from_rng(random)).boxed_local());
        }
        for _ in 0..CUSTOMERS {
            let customer = customer::come(stage.clone(), Rc::clone(self), StdRng::from_rng(random));
            people.push(customer.boxed_local());
        }
        people
    }

    /// It was started. What one server's router knows another's does not, so on several the agents look for themselves.
    fn enter(&self, stage: &Stage, started: Started, last_seq: u64) {
        let mut book = self.book.borrow_mut();
        if stage.has_several_servers() {
            book.waiting.insert(started.conversation.clone(), last_seq);
        }
        book.started.push(started);
    }

    /// The server is dead, and with it all sockets.
    pub(crate) fn lose_all(&self) {
        self.book.borrow_mut().connected.clear();
    }

    /// What came of it until now.
    pub(super) fn outcome(&self) -> Outcome {
        let book = self.book.borrow();
        let (conversations, deeds) = (book.started.len(), book.deeds.len());
        Outcome { conversations, deeds, ..book.outcome.clone() }
    }

    /// Ends what is open, for its visitors.
    pub(super) async fn close(&self, stage: &Stage) -> anyhow::Result<()> {
        for started in self.open_ones() {
            self.end(stage, &started).await?;
        }
        Ok(())
    }

    fn open_ones(&self) -> Vec<Started> {
        let book = self.book.borrow();
        book.started.iter().filter(|started| !book.ended.contains(&started.conversation)).cloned().collect()
    }

    /// For its visitor.
    async fn end(&self, stage: &Stage, started: &Started) -> anyhow::Result<()> {
        let Started { conversation, visitor_token } = started;
        let end = async || stage.api().end(visitor_token, conversation).await;
        let body = insist("the end at the desk", end).await?.expect(200)?;
        if body["conversation"]["state"] != json!("ended") {
            bail!("not ended: {body}");
        }
        self.book.borrow_mut().ended.insert(conversation.clone());
        Ok(())
    }
}

/// The conversation of an answer, with its last event.
fn conversation_of(answer: &Answer) -> anyhow::Result<(&Value, u64)> {
    let conversation = &answer.body["conversation"];
    let last_seq = conversation["last_seq"].as_u64().with_context(|| format!("no conversation: {answer}"))?;
    Ok((conversation, last_seq))
}
