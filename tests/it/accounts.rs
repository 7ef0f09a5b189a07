//! Agents' log-ins: begun, renewed, ended, guessed at, and given a new password.

use std::time::Duration;

use driver::{Agent, Answer, Api, Options, Sandbox};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::house::{PASSWORD, ask, assert_invalid, assert_refused, look, new_agent, text};

/// Within this a revocation holds everywhere.
const REVOKED: Duration = Duration::from_secs(5);

async fn refresh(api: &Api, token: &str) -> Answer {
    api.post("/api/v1/auth/refresh").json(&json!({ "refresh_token": token })).send().await.unwrap()
}

async fn log_out(api: &Api, token: &str) -> Answer {
    api.post("/api/v1/auth/logout").json(&json!({ "refresh_token": token })).send().await.unwrap()
}

async fn me(api: &Api, token: &str) -> Answer {
    api.get("/api/v1/auth/me").bearer(token).send().await.unwrap()
}

async fn password(api: &Api, by: &Agent, current: &str, new: &str) -> Answer {
    ask(api.post("/api/v1/auth/password"), by, &json!({ "current": current, "new": new })).await
}

/// Both of its tokens are worth nothing, the access token at the latest when a revocation must hold.
async fn assert_ended(api: &Api, agent: &Agent) {
    assert_eq!(refresh(api, &agent.refresh_token).await.status, 401);
    let ended = async { while me(api, &agent.token).await.status != 401 {} };
    timeout(REVOKED, ended).await.unwrap();
    assert_refused(&me(api, &agent.token).await, 401, "TOKEN_REVOKED");
}

/// What an error says, without the request's own id.
fn said(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    body["error"].as_object_mut().unwrap().remove("request_id").unwrap();
    body
}

#[tokio::test]
async fn a_log_in_answers_tokens_and_the_agent_and_a_wrong_one_nothing() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let body = api.try_login(&login.email.to_uppercase(), &login.password).await.unwrap();
    let body = body.expect(200).unwrap();
    assert_eq!(body["expires_in_s"], 900);
    let agent = &body["agent"];
    assert_eq!((&agent["id"], &agent["email"]), (&json!(login.agent_id), &json!(login.email)));
    assert_eq!((&agent["role"], &agent["disabled"]), (&json!("agent"), &json!(false)));
    assert_eq!(agent["team_ids"], json!([sandbox.ready().team_id]));
    let myself = me(&api, text(&body["access_token"])).await.expect(200).unwrap();
    assert_eq!(&myself, agent);
    assert!(!body.to_string().contains("password"), "{body}");

    let wrong = api.try_login(&login.email, "not their password").await.unwrap();
    let unknown = api.try_login("nobody@example.org", "not their password").await.unwrap();
    assert_refused(&wrong, 401, "INVALID_CREDENTIALS");
    assert_eq!((unknown.status, said(&unknown)), (wrong.status, said(&wrong)));
    assert_eq!(wrong.header("www-authenticate"), "Bearer");

    let call = || api.post("/api/v1/auth/login");
    let more = json!({ "email": login.email, "password": login.password, "role": "admin" });
    assert_invalid(&call().json(&more).send().await.unwrap(), "role");
    assert_invalid(&call().json(&json!({ "email": login.email })).send().await.unwrap(), "password");
    let cut = call().body("application/json", "{").send().await.unwrap();
    assert_refused(&cut, 400, "INVALID_JSON");
    let form = call().body("application/x-www-form-urlencoded", "email=a").send().await.unwrap();
    assert_refused(&form, 415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn past_the_limit_of_wrong_passwords_the_right_one_is_refused_too() {
    let limits = |account, address| {
        let options = Options::default().limit("logins_per_15min_per_account", account);
        options.limit("logins_per_15min_per_address", address)
    };
    let sandbox = Sandbox::start(limits(3, 100)).await.unwrap();
    let (api, logins) = (sandbox.api(), &sandbox.ready().agents);
    // The right password counts for nothing.
    for _ in 0..4 {
        api.login(&logins[0].email, &logins[0].password).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(api.try_login(&logins[0].email, "wrong wrong").await.unwrap().status, 401);
    }
    for given in ["wrong wrong", &logins[0].password] {
        let answer = api.try_login(&logins[0].email.to_uppercase(), given).await.unwrap();
        assert_refused(&answer, 429, "RATE_LIMITED");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
    }
    // An account that nobody has is counted in the same way.
    for expected in [401, 401, 401, 429] {
        assert_eq!(api.try_login("nobody@example.org", "wrong wrong").await.unwrap().status, expected);
    }
    api.login(&logins[1].email, &logins[1].password).await.unwrap();

    let sandbox = Sandbox::start(limits(100, 3)).await.unwrap();
    let (api, logins) = (sandbox.api(), &sandbox.ready().agents);
    for number in 0..3 {
        let email = format!("nobody{number}@example.org");
        assert_eq!(api.try_login(&email, "wrong wrong").await.unwrap().status, 401);
    }
    let answer = api.try_login(&logins[1].email, &logins[1].password).await.unwrap();
    assert_refused(&answer, 429, "RATE_LIMITED");
    assert!(!answer.header("ratelimit-policy").is_empty() && !answer.header("ratelimit").is_empty());
}

#[tokio::test]
async fn many_guesses_at_once_pass_no_more_often_than_one_after_the_other() {
    let sandbox = Sandbox::start(Options::default().limit("logins_per_15min_per_account", 3)).await.unwrap();
    let email = sandbox.ready().agents[0].email.clone();
    let guesses: Vec<_> = (0..12)
        .map(|_| {
            let (api, email) = (sandbox.api(), email.clone());
            tokio::spawn(async move { api.try_login(&email, "wrong wrong").await.unwrap().status })
        })
        .collect();
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(guess.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 9, "{statuses:?}");
}

#[tokio::test]
async fn a_storm_of_refreshes_forgets_no_token_that_was_given() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let first = api.login(&login.email, &login.password).await.unwrap();
    let other = api.login(&login.email, &login.password).await.unwrap();
    let (mut given, mut refused) = (Vec::new(), 0);
    for _ in 0..100 {
        let answer = refresh(&api, &first.refresh_token).await;
        if answer.status == 429 {
            assert_refused(&answer, 429, "RATE_LIMITED");
            assert!(!answer.header("retry-after").is_empty(), "{answer}");
            refused += 1;
        } else {
            given.push(Agent::from_body(&answer.expect(200).unwrap()).unwrap());
        }
    }
    assert!(given.len() >= 20 && refused > 0, "{} {refused}", given.len());
    for agent in given.iter().chain([&first]) {
        assert_eq!(me(&api, &agent.token).await.status, 200);
    }
    // Another log-in has nothing to do with it, and a text that only looks like a token counts for nobody.
    refresh(&api, &other.refresh_token).await.expect(200).unwrap();
    assert_refused(&refresh(&api, "sbr_x").await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_refresh_token_whose_answer_was_lost_may_be_used_again_and_every_answer_goes_on() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let first = api.login(&login.email, &login.password).await.unwrap();
    let exchanged =
        async |token: &str| Agent::from_body(&refresh(&api, token).await.expect(200).unwrap()).unwrap();
    let second = exchanged(&first.refresh_token).await;
    assert_ne!((&second.token, &second.refresh_token), (&first.token, &first.refresh_token));
    // One after the other, and many at once.
    let mut pairs = vec![second, exchanged(&first.refresh_token).await];
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (api, token) = (sandbox.api(), first.refresh_token.clone());
            tokio::spawn(async move { refresh(&api, &token).await.expect(200).unwrap() })
        })
        .collect();
    for asked in asked {
        pairs.push(Agent::from_body(&asked.await.unwrap()).unwrap());
    }
    for pair in &pairs {
        me(&api, &pair.token).await.expect(200).unwrap();
        let next = exchanged(&pair.refresh_token).await;
        me(&api, &next.token).await.expect(200).unwrap();
    }
    me(&api, &first.token).await.expect(200).unwrap();
    for wrong in ["garbage", &first.token, &sandbox.ready().site_key] {
        assert_refused(&refresh(&api, wrong).await, 401, "INVALID_TOKEN");
    }
    // All of them are one log-in.
    log_out(&api, &pairs[0].refresh_token).await.expect(204).unwrap();
    for pair in [&first, &pairs[0], &pairs[5]] {
        assert_ended(&api, pair).await;
    }
}

#[tokio::test]
async fn an_account_is_guessed_at_from_everywhere_and_not_locked_where_its_owner_logs_in() {
    let options = Options::default()
        .setting("trusted_proxies", "[\"127.0.0.1\"]")
        .limit("logins_per_15min_per_account", 2)
        .limit("logins_per_15min_per_account_everywhere", 6)
        .limit("logins_per_15min_per_address", 0);
    let mut sandbox = Sandbox::start(options).await.unwrap();
    let login = sandbox.ready().agents[0].clone();
    let tried = async |sandbox: &Sandbox, from: &str, email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        let api = sandbox.api();
        let call = api.post("/api/v1/auth/login").header("x-forwarded-for", from).json(&body);
        call.send().await.unwrap()
    };
    let right =
        async |sandbox: &Sandbox, from: &str| tried(sandbox, from, &login.email, &login.password).await;
    right(&sandbox, "203.0.113.1").await.expect(200).unwrap();

    // Two wrong ones from one address: from there the right one is refused too, from elsewhere it is not.
    for expected in [401, 401, 429] {
        let answer = tried(&sandbox, "198.51.100.1", &login.email, "wrong wrong").await;
        assert_eq!(answer.status, expected, "{answer}");
    }
    assert_refused(&right(&sandbox, "198.51.100.1").await, 429, "RATE_LIMITED");
    right(&sandbox, "203.0.113.2").await.expect(200).unwrap();
    // The log-ins are remembered over a restart; the guesses are counted anew.
    assert_eq!(sandbox.terminate().await.unwrap(), 0);
    sandbox.restart().await.unwrap();

    for email in [login.email.as_str(), "nobody@example.org"] {
        for host in 1..=3 {
            for _ in 0..2 {
                let from = format!("198.51.100.{host}");
                assert_eq!(tried(&sandbox, &from, email, "wrong wrong").await.status, 401);
            }
        }
        // Whether or not there is such an account.
        let answer = tried(&sandbox, "198.51.100.9", email, "wrong wrong").await;
        assert_refused(&answer, 429, "RATE_LIMITED");
    }
    assert_refused(&right(&sandbox, "192.0.2.1").await, 429, "RATE_LIMITED");
    for known in ["203.0.113.1", "203.0.113.2"] {
        right(&sandbox, known).await.expect(200).unwrap();
        assert_eq!(tried(&sandbox, known, &login.email, "wrong wrong").await.status, 401);
    }
    // Another account is not concerned.
    let other = &sandbox.ready().agents[1];
    tried(&sandbox, "192.0.2.1", &other.email, &other.password).await.expect(200).unwrap();
}

#[tokio::test]
async fn a_log_out_ends_its_own_log_in_with_the_refresh_token_alone() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let ended = api.login(&login.email, &login.password).await.unwrap();
    let other = api.login(&login.email, &login.password).await.unwrap();
    me(&api, &ended.token).await.expect(200).unwrap();
    log_out(&api, &ended.refresh_token).await.expect(204).unwrap();
    assert_ended(&api, &ended).await;
    me(&api, &other.token).await.expect(200).unwrap();
    assert_eq!(log_out(&api, "garbage").await.status, 401);
}

#[tokio::test]
async fn a_new_password_ends_all_log_ins_but_the_one_that_set_it() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, login) = (sandbox.api(), &sandbox.ready().agents[0]);
    let own = api.login(&login.email, &login.password).await.unwrap();
    let other = api.login(&login.email, &login.password).await.unwrap();
    assert_refused(&password(&api, &own, "not it at all", "12345678").await, 401, "INVALID_CREDENTIALS");
    assert_invalid(&password(&api, &own, &login.password, "1234567").await, "new");
    assert_invalid(&password(&api, &own, &login.password, &"x".repeat(1025)).await, "new");
    me(&api, &other.token).await.expect(200).unwrap();

    // 8 bytes, not characters.
    password(&api, &own, &login.password, "üüüü").await.expect(204).unwrap();
    assert_ended(&api, &other).await;
    me(&api, &own.token).await.expect(200).unwrap();
    refresh(&api, &own.refresh_token).await.expect(200).unwrap();
    assert_eq!(api.try_login(&login.email, &login.password).await.unwrap().status, 401);
    api.login(&login.email, "üüüü").await.unwrap();
}

#[tokio::test]
async fn a_disabled_agent_is_out_and_cannot_log_in() {
    let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
    let (api, admin) = (sandbox.api(), &sandbox.ready().admin);
    let admin = api.login(&admin.email, &admin.password).await.unwrap();
    let agent = new_agent(&api, &admin, "gone@example.org", json!({})).await;
    me(&api, &agent.token).await.expect(200).unwrap();
    let path = format!("/api/v1/admin/agents/{}", agent.agent_id);
    ask(api.patch(&path), &admin, &json!({ "disabled": true })).await.expect(200).unwrap();
    let out = async { while me(&api, &agent.token).await.status != 401 {} };
    timeout(REVOKED, out).await.unwrap();
    assert_eq!(refresh(&api, &agent.refresh_token).await.status, 401);
    let wrong = api.try_login("gone@example.org", "not their password").await.unwrap();
    let right = api.try_login("gone@example.org", PASSWORD).await.unwrap();
    assert_eq!((right.status, said(&right)), (401, said(&wrong)));

    ask(api.patch(&path), &admin, &json!({ "disabled": false })).await.expect(200).unwrap();
    // What ended then has ended for good.
    assert_refused(&me(&api, &agent.token).await, 401, "TOKEN_REVOKED");
    assert_refused(&refresh(&api, &agent.refresh_token).await, 401, "TOKEN_REVOKED");
    let back = api.login("gone@example.org", PASSWORD).await.unwrap();
    look(api.get("/api/v1/auth/me"), &back).await.expect(200).unwrap();
}
