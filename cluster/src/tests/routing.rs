//! What a router does, rule by rule, with time paused.

use std::time::Duration;

use domain::{
    AgentId, AssignmentMode, Attribute, Attributes, Command, EventKind, ReleaseReason, Rule, Seq, State,
    Status, Strategy, Team,
};

use actors::testing::{agent, agent_key, card, id, key, supervisor, team, team_key, visitor};
use actors::{Attachment, ExecuteError, OfferEnd, Push, PushReceiver, ViewAgent, window};

use store::faulty::Fault;

use crate::testing::Office;

/// An agent's socket.
struct Socket {
    _attachment: Attachment,
    pushes: PushReceiver,
}

impl Socket {
    async fn open(office: &Office, n: u8) -> Self {
        let (sender, pushes) = window(256, 1 << 18);
        Self { _attachment: office.cluster.attach(agent_key(n), sender).await.unwrap(), pushes }
    }

    /// How the offers of conversation `n` went until now.
    fn offers(&mut self, n: u8) -> Vec<Option<OfferEnd>> {
        let mut seen = Vec::new();
        while let Some(push) = self.pushes.try_next() {
            match push {
                Push::Offer { conversation, .. } if conversation == key(n).conversation => seen.push(None),
                Push::OfferEnded { conversation, why } if conversation == key(n).conversation => {
                    seen.push(Some(why));
                }
                _ => {}
            }
        }
        seen
    }
}

async fn offered_to(office: &Office, n: u8) -> Option<AgentId> {
    office.cluster.position(key(n), team_key(1).team).await.and_then(|place| place.offered_to)
}

async fn until_offered(office: &Office, n: u8, to: u8) {
    office.until(async |office| offered_to(office, n).await == Some(id(to))).await;
}

async fn record_of(office: &Office, n: u8) -> store::Versioned<domain::Agent> {
    let id_text = card(n).id.to_string();
    store::get(&*office.store.records, id(1), &id_text).await.unwrap().unwrap()
}

fn offering(agents: impl IntoIterator<Item = u8>) -> Team {
    team(1, agents, AssignmentMode::Offer)
}

#[tokio::test(start_paused = true)]
async fn the_least_busy_agent_present_is_offered_it_and_the_next_when_they_do_not_answer() {
    let office = Office::open(vec![offering(1..=3)], [(1, 4), (2, 4), (3, 4)]).await;
    office.cluster.set_status(agent_key(3), Status::Away).await.unwrap();
    let (mut one, mut two) = (Socket::open(&office, 1).await, Socket::open(&office, 2).await);
    let _away = Socket::open(&office, 3).await;
    office.start(1, 1, 1).await.unwrap();
    until_offered(&office, 1, 1).await;
    office.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    let view = office.cluster.ask(agent_key(1), ViewAgent).await.unwrap();
    assert_eq!(
        (view.load, view.offers),
        (1, Vec::new()),
        "what an agent holds is not offered to them as well"
    );
    office.start(2, 2, 1).await.unwrap();
    until_offered(&office, 2, 2).await;
    // Five seconds later it is the other's.
    until_offered(&office, 2, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(two.offers(2), [None, Some(OfferEnd::Expired)]);
    assert_eq!(one.offers(2), [None]);
    office.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    let events = office.store.log.read(key(2), Seq(1), 10).await.unwrap();
    let EventKind::Assigned { why: Some(why), .. } = &events[0].kind else { panic!("{events:?}") };
    assert_eq!((why.rule, why.candidates[0].agent, why.candidates.len()), (Rule::LeastBusy, id(1), 3));
}

#[tokio::test(start_paused = true)]
async fn two_misses_in_a_row_set_the_agent_away_and_a_request_of_theirs_begins_anew() {
    let office = Office::open(vec![offering([1])], [(1, 4)]).await;
    let mut one = Socket::open(&office, 1).await;
    office.start(1, 1, 1).await.unwrap();
    office
        .until(async |office| {
            office.cluster.ask(agent_key(1), ViewAgent).await.unwrap().status == Status::Away
        })
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let expired = Some(OfferEnd::Expired);
    assert_eq!(one.offers(1), [None, expired, None, expired]);
    assert_eq!(offered_to(&office, 1).await, None);
    assert_eq!(record_of(&office, 1).await.document.status, Status::Away);
    office.cluster.set_status(agent_key(1), Status::Online).await.unwrap();
    until_offered(&office, 1, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_expires_while_the_agent_answers_another_is_no_miss() {
    let office = Office::open(vec![offering([1])], [(1, 4)]).await;
    let _one = Socket::open(&office, 1).await;
    for n in 1..=4 {
        office.start(n, n, 1).await.unwrap();
        until_offered(&office, n, 1).await;
    }
    office.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    // Three ran out at once, and are offered again.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(office.cluster.ask(agent_key(1), ViewAgent).await.unwrap().status, Status::Online);
    until_offered(&office, 2, 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(office.cluster.ask(agent_key(1), ViewAgent).await.unwrap().status, Status::Away);
}

#[tokio::test(start_paused = true)]
async fn an_agent_who_declines_is_asked_again_when_they_are_alone_and_only_then() {
    let office = Office::open(vec![offering(1..=2)], [(1, 4), (2, 4)]).await;
    let mut one = Socket::open(&office, 1).await;
    let two = Socket::open(&office, 2).await;
    office.start(1, 1, 1).await.unwrap();
    until_offered(&office, 1, 1).await;
    assert!(
        office.cluster.decline(key(1), &agent(2), None).await.is_err(),
        "it is not offered to this agent"
    );
    office.cluster.decline(key(1), &agent(1), None).await.unwrap();
    until_offered(&office, 1, 2).await;
    drop(two);
    office.cluster.set_status(agent_key(2), Status::Offline).await.unwrap();
    until_offered(&office, 1, 1).await;
    office.cluster.decline(key(1), &agent(1), None).await.unwrap();
    until_offered(&office, 1, 1).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let declined = Some(OfferEnd::Declined);
    assert_eq!(one.offers(1), [None, declined, None, declined, None]);
}

#[tokio::test(start_paused = true)]
async fn another_may_accept_meanwhile_and_the_offer_ends() {
    let office = Office::open(vec![offering(1..=2)], [(1, 4), (2, 4)]).await;
    let (mut one, _two) = (Socket::open(&office, 1).await, Socket::open(&office, 2).await);
    office.start(1, 1, 1).await.unwrap();
    until_offered(&office, 1, 1).await;
    office.cluster.accept(key(1), agent(2), None, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.offers(1), [None, Some(OfferEnd::Taken)]);
    assert_eq!(office.cluster.ask(agent_key(1), ViewAgent).await.unwrap().load, 0);
}

#[tokio::test(start_paused = true)]
async fn auto_gives_at_once_by_turns_and_the_rest_waits_in_order() {
    let round_robin = Team { strategy: Strategy::RoundRobin, ..team(1, 1..=2, AssignmentMode::Auto) };
    let office = Office::open(vec![round_robin], [(1, 2), (2, 2)]).await;
    let (_one, _two) = (Socket::open(&office, 1).await, Socket::open(&office, 2).await);
    for n in 1..=6 {
        office.start(n, n, 1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut holders = Vec::new();
    for n in 1..=6 {
        holders.push(office.holder(n).await);
    }
    let (one, two) = (Some(id(1)), Some(id(2)));
    assert_eq!(holders, [one, two, one, two, None, None]);
    let end = Command::End { reason: None };
    office.ask(3, visitor(3), end).await.unwrap();
    office.until(async |office| office.holder(5).await == one).await;
    assert_eq!(office.cluster.position(key(6), id(1)).await.map(|place| place.position), Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_visitors_last_agent_comes_first_and_who_gave_it_back_comes_last() {
    let office = Office::open(vec![offering(1..=2)], [(1, 4), (2, 4)]).await;
    let (_one, _two) = (Socket::open(&office, 1).await, Socket::open(&office, 2).await);
    office.start(1, 9, 1).await.unwrap();
    office.cluster.accept(key(1), agent(2), None, false).await.unwrap();
    office.start(2, 9, 1).await.unwrap();
    until_offered(&office, 2, 2).await;
    let explained = office.cluster.explain(key(2), id(1)).await.unwrap();
    assert_eq!(explained.1.rule, Rule::LastAgent);
    // After their own release the other agent is asked first, although they are busier.
    let release = Command::Release { assignment_epoch: 1, reason: ReleaseReason::Released };
    office.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    office.ask(1, agent(2), release).await.unwrap();
    until_offered(&office, 1, 1).await;
    let head = office.head(1).await;
    assert_eq!((head.state, head.queued_at), (State::Queued, head.created_at), "its place is kept");
}

#[tokio::test(start_paused = true)]
async fn an_agent_who_is_gone_gives_back_what_they_have_after_the_grace_time() {
    let office = Office::open(vec![offering(1..=2)], [(1, 4), (2, 4)]).await;
    let one = Socket::open(&office, 1).await;
    office.start(1, 1, 1).await.unwrap();
    office.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    drop(one);
    tokio::time::sleep(Office::GRACE - Duration::from_secs(1)).await;
    assert_eq!(office.head(1).await.state, State::Assigned);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let events = office.store.log.read(key(1), Seq(2), 10).await.unwrap();
    assert!(
        matches!(events[0].kind, EventKind::Released { reason: ReleaseReason::AgentGone, .. }),
        "{events:?}"
    );
    // When the agent comes back they are asked first.
    let (_two, _one) = (Socket::open(&office, 2).await, Socket::open(&office, 1).await);
    office.until(async |office| offered_to(office, 1).await.is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_the_queue_in_its_order_and_what_agents_hold() {
    let mut office = Office::open(vec![offering([1])], [(1, 2)]).await;
    let one = Socket::open(&office, 1).await;
    for n in 1..=4 {
        office.start(n, n, 1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    office.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    drop(one);
    office.reboot(7).await;
    office
        .until(async |office| {
            office.cluster.position(key(4), id(1)).await.map(|place| place.position) == Some(3)
        })
        .await;
    assert_eq!(office.cluster.position(key(1), id(1)).await.map(|place| place.position), Some(1));
    let view = office.cluster.ask(agent_key(1), ViewAgent).await.unwrap();
    assert_eq!((view.conversations, view.present), (vec![id(2)], false));
    let _back = Socket::open(&office, 1).await;
    until_offered(&office, 1, 1).await;
    assert_eq!(office.holder(2).await, Some(id(1)), "the agent came back in time");
}

#[tokio::test(start_paused = true)]
async fn what_it_needs_decides_who_may_and_what_nobody_has_is_not_asked_for() {
    let office = Office::open(vec![offering(1..=2)], [(1, 4), (2, 4)]).await;
    let mut record = record_of(&office, 2).await;
    record.document.languages = vec![domain::Line::parse("de").unwrap()];
    store::update(&*office.store.records, record, domain::Timestamp::from_ms(2)).await.unwrap();
    let (_one, _two) = (Socket::open(&office, 1).await, Socket::open(&office, 2).await);
    let speaks =
        |tag: &str| Attributes::parse([("language".to_owned(), Attribute::Text(tag.into()))]).unwrap();
    office.start_with(1, 1, 1, speaks("de-AT")).await.unwrap();
    until_offered(&office, 1, 2).await;
    office.start_with(2, 2, 1, speaks("fr")).await.unwrap();
    until_offered(&office, 2, 1).await;
}

#[tokio::test(start_paused = true)]
async fn who_joins_the_team_behind_its_back_is_found_by_the_sweep() {
    let office = Office::open(vec![offering([1])], [(1, 4), (2, 4)]).await;
    let _two = Socket::open(&office, 2).await;
    office.start(1, 1, 1).await.unwrap();
    office.until(async |office| office.cluster.position(key(1), id(1)).await.is_some()).await;
    assert_eq!(offered_to(&office, 1).await, None);
    let (records, id_text) = (&*office.store.records, team_key(1).team.to_string());
    let join = |team: &mut Team| {
        team.agents.push(id(2));
        true
    };
    let now = domain::Timestamp::from_ms(2);
    assert_eq!(store::change(records, id(1), &id_text, now, join).await.unwrap(), Some(true));
    until_offered(&office, 1, 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_ends_unless_its_visitor_is_there() {
    let idle = Team { idle_end_min: 2, ..offering([1]) };
    let office = Office::open(vec![idle], [(1, 4)]).await;
    office.start(1, 1, 1).await.unwrap();
    office.start(2, 2, 1).await.unwrap();
    for _ in 0..10 {
        office.cluster.visitor_seen(id(1), id(2));
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let (gone, there) = (office.head(1).await, office.head(2).await);
    assert_eq!((gone.state, there.state), (State::Ended, State::Queued));
    assert_eq!(gone.end_reason.unwrap().as_str(), "idle");
    let reopened = office.cluster.reopen(key(1), supervisor(1), None).await.unwrap();
    assert_eq!(reopened.head.unwrap().state, State::Queued);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_is_left_alone_for_a_moment() {
    let office = Office::open(vec![team(1, [1], AssignmentMode::Auto)], [(1, 5)]).await;
    office.start(1, 1, 1).await.unwrap();
    // As with a full disk: each write fails at once, reads go on.
    office.log.script(std::iter::repeat_n(Fault::Unavailable, 5));
    let _socket = Socket::open(&office, 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let failed = office.cluster.stats().appends_failed;
    assert!((2..=4).contains(&failed), "{failed} tries in three seconds");
    office.until(async |office| office.holder(1).await == Some(id(1))).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_overtaken_lets_go_of_everything() {
    let mut office = Office::open(vec![team(1, [1], AssignmentMode::Auto)], [(1, 4)]).await;
    let mut socket = Socket::open(&office, 1).await;
    office.start(1, 1, 1).await.unwrap();
    office.until(async |office| office.holder(1).await == Some(id(1))).await;
    let before = office.node.clone();
    office.overtake(7).await;
    while !matches!(socket.pushes.next().await, Some(Push::AgentLost)) {}
    office.until(async |_| before.living().is_empty()).await;
    let refused = office.overtaken().unwrap().ask(agent_key(1), ViewAgent).await;
    assert!(matches!(refused, Err(ExecuteError::Moved)), "{refused:?}");
    assert_eq!(office.cluster.ask(agent_key(1), ViewAgent).await.unwrap().load, 1);
}
