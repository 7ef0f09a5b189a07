//! An agent of the front desk: on a socket they learn what they are offered and what they have, and by REST they act on it,
//! one deed at a time, each until its outcome is known.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use checker::{Deed, Verb};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{FrontDesk, conversation_of};
use crate::clients::Agent;
use crate::socket::{Frame, Socket};
use crate::stage::Stage;
use crate::stage::rest::{COMEBACK, PAUSE, insist};

/// Between two deeds.
const THINKING_MS: std::ops::Range<u64> = 10..120;
/// What may be refused to one who was too late, or whose word came too late.
const REFUSALS: [&str; 7] = [
    "ALREADY_ASSIGNED",
    "CAPACITY_EXCEEDED",
    "AGENT_OFFLINE",
    "STALE_ASSIGNMENT",
    "CONVERSATION_ENDED",
    "CONFLICT",
    "FORBIDDEN",
];

pub(super) struct Clerk {
    stage: Stage,
    desk: Rc<FrontDesk>,
    who: Agent,
    /// The colleague who gets transfers.
    colleague: String,
    is_online: bool,
    /// What they are offered and have, each with the last event that they know of.
    offers: BTreeMap<String, u64>,
    held: BTreeMap<String, u64>,
    /// Offers that they let expire.
    ignored: BTreeSet<String>,
    /// How many deeds they have done, to name the next.
    deeds: u64,
}

impl Clerk {
    pub(super) fn new(stage: Stage, desk: Rc<FrontDesk>, who: Agent, colleague: String) -> Self {
        Self {
            stage,
            desk,
            who,
            colleague,
            is_online: false,
            offers: BTreeMap::new(),
            held: BTreeMap::new(),
            ignored: BTreeSet::new(),
            deeds: 0,
        }
    }

    /// Until the curtain falls.
    pub(super) async fn work(mut self, mut random: StdRng) -> anyhow::Result<()> {
        let mut served = Instant::now();
        while !self.stage.is_ending() {
            let lost = match self.connect().await {
                Ok(socket) => {
                    let lost = self.serve(socket, &mut random).await?;
                    served = Instant::now();
                    lost
                }
                Err(error) => format!("{error:#}"),
            };
            if served.elapsed() > COMEBACK {
                bail!("a clerk got no socket within {COMEBACK:?}, the last time: {lost}");
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// What the clerk knew of offers and of what they have is as old as the socket that told it.
    async fn connect(&mut self) -> anyhow::Result<Socket> {
        let mut socket = Socket::open(self.stage.api()).await?;
        let welcome = socket.hello(&self.who.token, &[]).await?;
        self.is_online = welcome["status"] == "online";
        self.offers.clear();
        self.held.clear();
        self.ignored.clear();
        for offer in welcome["offers"].as_array().into_iter().flatten() {
            self.is_offered(&offer["conversation"]);
        }
        for conversation in welcome["held"].as_array().into_iter().flatten() {
            self.has(conversation);
        }
        self.desk.book.borrow_mut().connected.insert(self.who.agent_id.clone());
        Ok(socket)
    }

    /// Gives why the socket is over.
    async fn serve(&mut self, mut socket: Socket, random: &mut StdRng) -> anyhow::Result<String> {
        while !self.stage.is_ending() {
            if !self.is_online {
                // Two offers expired: the clerk is taken to be away.
                let set_status = async || self.stage.api().set_status(&self.who.token, "online").await;
                insist("a clerk's status", set_status).await?.expect(200)?;
                self.is_online = true;
            }
            if let Some(lost) = self.look_on(&mut socket, random).await? {
                return Ok(lost);
            }
            if self.stage.moves_on() {
                return Ok("gone on elsewhere".to_owned());
            }
            let desk = Rc::clone(&self.desk);
            // While the desk is looked at the clerk holds still, and reads on so as to be present.
            if let Ok(_turn) = desk.turnstile.try_read()
                && let Some(lost) = self.do_something(&mut socket, random).await?
            {
                return Ok(lost);
            }
        }
        Ok(String::new())
    }

    /// Takes what comes, for a moment. Gives the reason when the connection is over.
    async fn look_on(&mut self, socket: &mut Socket, random: &mut StdRng) -> anyhow::Result<Option<String>> {
        let until = Instant::now() + Duration::from_millis(random.random_range(THINKING_MS));
        loop {
            match socket.next_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Frame::Json(frame)) => self.take(&frame),
                Some(Frame::Closed { code, reason }) => {
                    return Ok(Some(format!("closed: {code:?} {reason}")));
                }
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, frame: &Value) {
        let named = frame["conversation_id"].as_str().unwrap_or_default();
        match frame["type"].as_str() {
            Some("offer") => self.is_offered(&frame["conversation"]),
            Some("offer_ended") => {
                self.offers.remove(named);
                self.ignored.remove(named);
            }
            Some("assigned") => self.has(&frame["conversation"]),
            Some("unassigned") => drop(self.held.remove(named)),
            Some("status") => self.is_online = frame["status"] == "online",
            Some(_) | None => {}
        }
    }

    fn is_offered(&mut self, conversation: &Value) {
        // It may have been taken while the offer was on its way.
        if let Some((id, last_seq)) = known(conversation, "queued") {
            self.desk.book.borrow_mut().waiting.insert(id.clone(), last_seq);
            self.offers.insert(id, last_seq);
        }
    }

    fn has(&mut self, conversation: &Value) {
        if let Some((id, last_seq)) = known(conversation, "assigned")
            && conversation["assignee"]["agent_id"] == self.who.agent_id.as_str()
        {
            self.offers.remove(&id);
            self.held.insert(id, last_seq);
        }
    }

    /// Gives the reason when the connection is over.
    async fn do_something(
        &mut self,
        socket: &mut Socket,
        random: &mut StdRng,
    ) -> anyhow::Result<Option<String>> {
        let offers = self.offers.iter().filter(|(offer, _)| !self.ignored.contains(*offer));
        let offer = one_of(offers, random);
        let held = one_of(self.held.iter(), random);
        match (random.random_range(0..20), offer, held) {
            (0..8, Some((conversation, after)), _) => {
                self.ask(Verb::Accept, conversation, after, json!({})).await?;
            }
            (8, Some((conversation, _)), _) => return self.decline(socket, &conversation).await,
            (9, Some((conversation, _)), _) => drop(self.ignored.insert(conversation)),
            // What is offered to the colleague, or was, may be taken too: one of both comes too late.
            (draw, ..) if (10..12).contains(&draw) || (draw < 8 && self.stage.has_several_servers()) => {
                let waiting = one_of(self.desk.book.borrow().waiting.iter(), random);
                if let Some((conversation, after)) = waiting
                    && !self.held.contains_key(&conversation)
                {
                    self.ask(Verb::Accept, conversation, after, json!({})).await?;
                }
            }
            (12..14, _, Some((conversation, after))) => {
                self.ask(Verb::Release, conversation, after, json!({})).await?;
            }
            (14..17, _, Some((conversation, after))) => {
                let to = json!({ "to": { "agent_id": self.colleague } });
                self.ask(Verb::Transfer, conversation, after, to).await?;
            }
            (17, _, Some((conversation, after))) => {
                let to = json!({ "to": { "team_id": self.desk.team_id } });
                self.ask(Verb::Transfer, conversation, after, to).await?;
            }
            (18.., _, Some((conversation, after))) => {
                self.ask(Verb::End, conversation, after, json!({})).await?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// An offer is memory; what comes of this shows in the next one.
    async fn decline(&mut self, socket: &mut Socket, conversation: &str) -> anyhow::Result<Option<String>> {
        let decline = json!({ "type": "decline", "conversation_id": conversation });
        match socket.request(decline).await {
            Ok(reply) if reply["type"] == "ok" => {}
            Ok(reply) if REFUSALS.contains(&reply["error"]["code"].as_str().unwrap_or_default()) => {}
            Ok(reply) if matches!(reply["error"]["code"].as_str(), Some("UNAVAILABLE" | "OVERLOADED")) => {}
            Ok(reply) => bail!("a decline was not taken: {reply}"),
            Err(error) => return Ok(Some(format!("{error:#}"))),
        }
        self.offers.remove(conversation);
        Ok(None)
    }

    /// Asks for it under one `client_id` until its outcome is known, and enters that.
    async fn ask(
        &mut self,
        verb: Verb,
        conversation: String,
        after: u64,
        mut body: Value,
    ) -> anyhow::Result<()> {
        self.deeds += 1;
        body["client_id"] = format!("deed-{}", self.deeds).into();
        let path = match verb {
            Verb::Accept => format!("/api/v1/chat/agent/conversations/{conversation}/accept"),
            Verb::Release => format!("/api/v1/chat/agent/conversations/{conversation}/release"),
            Verb::Transfer => format!("/api/v1/chat/agent/conversations/{conversation}/transfer"),
            Verb::End => format!("/api/v1/chat/conversations/{conversation}/end"),
        };
        let silence = Cell::new(false);
        let call = async || {
            let call = self.stage.api().post(path.clone()).bearer(&self.who.token).json(&body);
            call.send().await.inspect_err(|_| silence.set(true))
        };
        let answer = insist("a deed at the desk", call).await?;
        let acknowledged = match answer.status {
            200 => Some(conversation_of(&answer)?.1),
            _ if REFUSALS.contains(&answer.code()) => None,
            _ => bail!("{verb:?} was not taken: {answer}"),
        };
        let shown = &answer.body["conversation"];
        self.offers.remove(&conversation);
        self.held.remove(&conversation);
        self.has(shown);
        let mut book = self.desk.book.borrow_mut();
        book.waiting.remove(&conversation);
        if shown["state"] == "ended" || answer.code() == "CONVERSATION_ENDED" {
            book.ended.insert(conversation.clone());
        }
        // One server alone has been killed when it does not answer.
        let unanswered = silence.get() && self.stage.has_several_servers();
        let agent = self.who.agent_id.clone();
        book.deeds.push(Deed { agent, conversation, verb, after, acknowledged, unanswered });
        Ok(())
    }
}

/// The id and the last event of a conversation, if it is in this state.
fn known(conversation: &Value, state: &str) -> Option<(String, u64)> {
    let id = conversation["id"].as_str().filter(|_| conversation["state"] == state)?;
    Some((id.to_owned(), conversation["last_seq"].as_u64()?))
}

fn one_of<'a>(
    all: impl Iterator<Item = (&'a String, &'a u64)>,
    random: &mut StdRng,
) -> Option<(String, u64)> {
    let all: Vec<(&String, &u64)> = all.collect();
    let chosen = (!all.is_empty()).then(|| all[random.random_range(0..all.len())]);
    chosen.map(|(conversation, after)| (conversation.clone(), *after))
}
