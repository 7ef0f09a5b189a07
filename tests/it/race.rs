//! Many want the same at once, and one gets it: assignments, capacities, ids, messages and tokens.

use std::sync::Arc;
use std::time::Duration;

use driver::{Answer, Options, Sandbox, Socket};
use futures_util::future::{join, join_all};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

mod ledger;
mod office;
mod storm;

use ledger::Ledger;
use office::{Came, Clerk, Office, ids};

/// How long what follows from an answer may take: the word from one actor to another.
const SETTLES: Duration = Duration::from_secs(10);

fn seeded() -> StdRng {
    StdRng::seed_from_u64(driver::seed())
}

#[tokio::test]
async fn of_all_who_accept_a_conversation_at_once_exactly_one_wins() {
    const ROUNDS: u64 = 60;
    let mut random = seeded();
    let office = Office::open(6, 100).await;
    let mut conversations = office.conversations(8).await;
    for round in 1..=ROUNDS {
        // All in one order, so that all come for the same one at the same time.
        conversations.shuffle(&mut random);
        let asks = office.clerks.iter().map(|clerk| accept_all(clerk, &conversations));
        let came: Vec<Vec<Came>> = join_all(asks).await;
        for (place, conversation) in conversations.iter().enumerate() {
            let winners: Vec<&Clerk> = office
                .clerks
                .iter()
                .zip(&came)
                .filter(|(_, came)| came[place] == Came::Won)
                .map(|(c, _)| c)
                .collect();
            let [winner] = winners.as_slice() else { panic!("{} have won {conversation}", winners.len()) };
            came.iter().for_each(|came| came[place].only(&["ALREADY_ASSIGNED"]));
            let head = office.head(conversation).await;
            assert_eq!(head["assignee"]["agent_id"], winner.who.agent_id.as_str(), "{head}");
            assert_eq!(
                (&head["state"], &head["assignment_epoch"]),
                (&json!("assigned"), &json!(round)),
                "{head}"
            );

            // Of those who give it back only the agent who has it succeeds.
            let gives = join_all(office.clerks.iter().map(|clerk| clerk.release(conversation))).await;
            for (clerk, gave) in office.clerks.iter().zip(&gives) {
                let has_it = clerk.who.agent_id == winner.who.agent_id;
                assert_eq!(*gave == Came::Won, has_it, "{gave:?}");
                gave.only(&["STALE_ASSIGNMENT", "FORBIDDEN", "CONFLICT"]);
            }
        }
    }
    let ledger = settled(&office, &conversations).await;
    assert_eq!(ledger.assignments as u64, ROUNDS * conversations.len() as u64);
    assert!(!office.sandbox.log().unwrap().contains("panicked"));
}

async fn accept_all(clerk: &Clerk, conversations: &[String]) -> Vec<Came> {
    let mut came = Vec::new();
    for conversation in conversations {
        came.push(clerk.accept(conversation).await);
    }
    came
}

#[tokio::test]
async fn nobody_gets_more_than_their_capacity_and_everybody_gets_that() {
    const CAPACITY: usize = 3;
    let mut random = seeded();
    let office = Office::open(5, CAPACITY as u32).await;
    let conversations = office.conversations(24).await;
    for _ in 0..12 {
        let orders: Vec<Vec<String>> = office
            .clerks
            .iter()
            .map(|_| {
                let mut order = conversations.clone();
                order.shuffle(&mut random);
                order
            })
            .collect();
        // By REST a clerk asks for all of them at the same time.
        let asks = office.clerks.iter().zip(&orders).map(|(clerk, order)| async move {
            join_all(order.iter().map(|conversation| clerk.accept(conversation))).await
        });
        for came in join_all(asks).await {
            came.iter().for_each(|came| came.only(&["ALREADY_ASSIGNED", "CAPACITY_EXCEEDED"]));
            assert!(came.iter().filter(|came| **came == Came::Won).count() <= CAPACITY);
        }
        // Whose place was held for what another won has it free again, and takes what is left.
        for clerk in &office.clerks {
            accept_all(clerk, &conversations).await;
        }
        let ledger = settled(&office, &conversations).await;
        for clerk in &office.clerks {
            let held = ledger.held_by(&clerk.who.agent_id);
            assert_eq!(held.len(), CAPACITY);
            join_all(
                held.iter()
                    .map(async |conversation| assert_eq!(clerk.release(conversation).await, Came::Won)),
            )
            .await;
        }
        settled(&office, &conversations).await;
    }
    let ledger = settled(&office, &conversations).await;
    for agent in office.agent_ids() {
        assert_eq!(ledger.most_held_by(agent), CAPACITY as i32);
    }
    println!("{} assignments", ledger.assignments);
}

#[tokio::test]
async fn accepts_transfers_releases_and_absences_at_once_leave_one_owner_and_no_one_overloaded() {
    const CAPACITY: usize = 2;
    const DEEDS: usize = 150;
    let mut random = seeded();
    let office = Arc::new(Office::open(6, CAPACITY as u32).await);
    let conversations: Arc<[String]> = office.conversations(16).await.into();
    let busy = (0..office.clerks.len()).map(|place| {
        let (office, conversations) = (Arc::clone(&office), Arc::clone(&conversations));
        let mut random = StdRng::from_rng(&mut random);
        async move {
            let mut won = [0_usize; 4];
            for _ in 0..DEEDS {
                let (deed, came) = do_something(&office, place, &conversations, &mut random).await;
                won[deed] += usize::from(came == Came::Won);
                let status = office.clerks[place].status().await;
                let held = status["conversation_ids"].as_array().unwrap().len();
                let load = status["load"].as_u64().unwrap() as usize;
                assert!(held <= CAPACITY && load <= CAPACITY, "{status}");
            }
            won
        }
    });
    let won = join_all(busy).await.into_iter().fold([0; 4], |sum: [usize; 4], won| {
        [sum[0] + won[0], sum[1] + won[1], sum[2] + won[2], sum[3] + won[3]]
    });
    let [accepts, transfers, releases, absences] = won;
    println!(
        "{accepts} accepts, {transfers} transfers, {releases} releases and {absences} absences came to pass"
    );
    assert!(won.iter().all(|count| *count > 0), "some never had a chance");

    let ledger = settled(&office, &conversations).await;
    println!("{} assignments", ledger.assignments);
    for agent in office.agent_ids() {
        let most = ledger.most_held_by(agent);
        assert!(most <= CAPACITY as i32, "{agent} held {most}");
    }
    assert!(!office.sandbox.log().unwrap().contains("panicked"));
}

/// Mostly accepts, of any conversation, also of one that another agent has; returns which deed, and what came of it.
async fn do_something(office: &Office, place: usize, all: &[String], random: &mut StdRng) -> (usize, Came) {
    let clerk = &office.clerks[place];
    let conversation = &all[random.random_range(0..all.len())];
    let status = clerk.status().await;
    let held: Vec<&str> =
        status["conversation_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    // Mostly what the clerk has, as far as they know.
    let given = if held.is_empty() || random.random_ratio(1, 5) {
        conversation
    } else {
        held[random.random_range(0..held.len())]
    };
    match random.random_range(0..20) {
        0..10 => {
            let came = clerk.accept(conversation).await;
            came.only(&["ALREADY_ASSIGNED", "CAPACITY_EXCEEDED", "AGENT_OFFLINE"]);
            (0, came)
        }
        10..14 => {
            let colleague = &office.clerks[random.random_range(0..office.clerks.len())].who.agent_id;
            let to = if random.random_ratio(1, 4) {
                json!({ "team_id": office.sandbox.ready().team_id })
            } else {
                json!({ "agent_id": colleague })
            };
            let came = clerk.transfer(given, &to).await;
            let refused = ["STALE_ASSIGNMENT", "FORBIDDEN", "CONFLICT", "CAPACITY_EXCEEDED", "AGENT_OFFLINE"];
            came.only(&refused);
            (1, came)
        }
        14..18 => {
            let came = clerk.release(given).await;
            came.only(&["STALE_ASSIGNMENT", "FORBIDDEN", "CONFLICT"]);
            (2, came)
        }
        _ => {
            clerk.set_status("offline").await;
            clerk.set_status("online").await;
            (3, Came::Won)
        }
    }
}

#[tokio::test]
async fn who_goes_offline_in_the_middle_gives_everything_back_and_gets_nothing() {
    let office = Office::open(3, 10).await;
    let conversations = office.conversations(10).await;
    let [leaver, others @ ..] = office.clerks.as_slice() else { panic!("there are three") };
    for conversation in &conversations[..5] {
        assert_eq!(leaver.accept(conversation).await, Came::Won);
    }
    let leaves = async {
        join(leaver.set_status("offline"), join_all(conversations.iter().map(|id| leaver.accept(id)))).await
    };
    let (_, theirs) =
        join(leaves, join_all(others.iter().map(|other| accept_all(other, &conversations)))).await;
    for came in theirs.iter().flatten() {
        came.only(&["ALREADY_ASSIGNED", "CAPACITY_EXCEEDED"]);
    }
    let ledger = settled(&office, &conversations).await;
    let status = leaver.status().await;
    assert_eq!((&status["status"], &status["load"]), (&json!("offline"), &json!(0)), "{status}");
    assert_eq!(ledger.held_by(&leaver.who.agent_id), Vec::<String>::new());
    for conversation in &conversations[..5] {
        let log = office.log(conversation).await;
        let gone = |event: &&Value| event["kind"] == "released" && event["reason"] == "offline";
        assert!(log.iter().any(|event| gone(&event)), "{log:?}");
    }
    assert_eq!(leaver.accept(&office.conversation().await).await, Came::Refused("AGENT_OFFLINE".into()));
}

/// Waits until actors, lists and logs say the same of who has what, and gives what they say.
async fn settled(office: &Office, conversations: &[String]) -> Ledger {
    let until = Instant::now() + SETTLES;
    loop {
        let mut ledger = Ledger::default();
        for conversation in conversations {
            ledger.enter(conversation, &office.log(conversation).await);
        }
        let mut apart = Vec::new();
        for clerk in &office.clerks {
            let status = clerk.status().await;
            let held = ids(status["conversation_ids"].as_array().unwrap().iter());
            let (mine, logged) = (clerk.mine().await, ledger.held_by(&clerk.who.agent_id));
            if held != logged || mine != logged || status["load"] != logged.len() {
                apart.push(format!("actor {status}, lists {mine:?}, logs {logged:?}"));
            }
        }
        if apart.is_empty() {
            return ledger;
        }
        assert!(Instant::now() < until, "after {SETTLES:?} they still do not agree: {apart:#?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How many do the same at once.
const TWINS: usize = 12;

#[tokio::test]
async fn of_equal_creates_at_once_one_makes_the_conversation_and_all_get_it() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    for round in 0..50 {
        let client_id = format!("c{round}");
        let create = || api.start_conversation(&visitor.token, &client_id, Some("the first words"));
        let answers = all_of(join_all((0..TWINS).map(|_| create())).await);
        let body = one_made_and_the_rest_repeated(&answers);
        let conversation = body["conversation"]["id"].as_str().unwrap();
        for answer in &answers {
            assert_eq!(answer.body["conversation"]["id"], conversation);
            assert_eq!(answer.body["message"], body["message"]);
        }
        let log = api.events(&visitor.token, conversation, "").await.unwrap().expect(200).unwrap();
        let kinds: Vec<&Value> = log["data"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
        assert_eq!(kinds, ["started", "message"], "{log}");
    }
}

#[tokio::test]
async fn of_equal_messages_at_once_one_is_written_and_all_get_its_place() {
    const ROUNDS: usize = 60;
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "c", None).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap();
    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&visitor.token, &[]).await.unwrap();
    for round in 0..ROUNDS {
        let client_id = format!("m{round}");
        let post = || api.post_message(&visitor.token, conversation, &client_id, "the same words");
        let frame = json!({
            "type": "send", "conversation_id": conversation, "client_id": client_id, "text": "the same words",
        });
        let (answers, sent) = join(join_all((0..TWINS).map(|_| post())), socket.request(frame)).await;
        let (answers, sent) = (all_of(answers), sent.unwrap());
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(made <= 1, "{answers:?}");
        for answer in &answers {
            assert!(matches!(answer.status, 200 | 201), "{answer}");
            for field in ["message_id", "seq", "at"] {
                assert_eq!(answer.body[field], sent[field], "{answer} and {sent}");
            }
        }
    }
    let log = api.events(&visitor.token, conversation, "limit=200").await.unwrap().expect(200).unwrap();
    assert_eq!(log["data"].as_array().unwrap().len(), 1 + ROUNDS);

    // Of one name with two contents one is written, and the other is told.
    let post = |text| api.post_message(&visitor.token, conversation, "twice", text);
    let (one, other) = join(post("one"), post("other")).await;
    let mut codes = [one.unwrap(), other.unwrap()].map(|answer| (answer.status, answer.code().to_owned()));
    codes.sort();
    assert_eq!(codes, [(201, String::new()), (409, "IDEMPOTENCY_CONFLICT".into())]);
}

#[tokio::test]
async fn of_parallel_refreshes_with_one_token_each_gets_a_pair_of_one_log_in() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let refresh = async |token: &Value| {
        let body = json!({ "refresh_token": token });
        api.post("/api/v1/auth/refresh").json(&body).send().await.unwrap().expect(200).unwrap()
    };
    let agent = api.login(&login.email, &login.password).await.unwrap();
    let token = json!(agent.refresh_token);
    let pairs = join_all((0..TWINS).map(|_| refresh(&token))).await;
    // Each of them goes on, all at once.
    let next = join_all(pairs.iter().map(|pair| refresh(&pair["refresh_token"]))).await;
    for pair in pairs.iter().chain(&next) {
        let token = pair["access_token"].as_str().unwrap();
        api.get("/api/v1/auth/me").bearer(token).send().await.unwrap().expect(200).unwrap();
    }
}

fn all_of(answers: Vec<anyhow::Result<Answer>>) -> Vec<Answer> {
    answers.into_iter().map(Result::unwrap).collect()
}

/// The body of the one that was made.
fn one_made_and_the_rest_repeated(answers: &[Answer]) -> &Value {
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    let [made] = made.as_slice() else { panic!("{} were made: {answers:?}", made.len()) };
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:?}");
    &made.body
}
