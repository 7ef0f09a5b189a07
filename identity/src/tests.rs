//! Identity as a whole, over a real store: log-ins, refreshes, revocations, visitors.

use std::time::Duration;

use domain::{Agent, Email, Line, Name, Role, Site, SiteId, Team, TeamId, Timestamp, VisitorId, WorkspaceId};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Clock, RecordError, Store};
use tempfile::TempDir;

use crate::accounts::{AccountError, NewAgent};
use crate::caller::{AuthError, Caller, Revoked};
use crate::identity::Identity;
use crate::password::Password;
use crate::sessions::{LoggedIn, LoginError, PasswordError};
use crate::token::Token;
use crate::visitor_jwt::{self, JwtError};
use crate::visitors::{KnownVisitor, VisitorError, VisitorRequest};

mod refresh;
mod site_keys;
mod visitors;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A workspace with a team, a site, and Ann, who is in the team, over a store in a temporary folder.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) workspace: WorkspaceId,
    pub(crate) site: Site,
    pub(crate) team: Team,
    // Dropped in this order.
    _sqlite: SqliteStore,
    _dir: TempDir,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
        let store = sqlite.store();
        let clock = Clock::by_hand(Timestamp::from_ms(1_700_000_000_000));
        let workspace = WorkspaceId::from_hash([1; 16]);
        let team = Team::new(TeamId::from_hash([2; 16]), Name::parse("Support").unwrap());
        let (key, name) = (Line::parse("site-key").unwrap(), Name::parse("Shop").unwrap());
        let site = Site::new(SiteId::from_hash([3; 16]), key, name, team.id);
        let site = Site { identity_secret: Some(SECRET.into()), ..site };
        let identity = Identity::new(store.records.clone(), clock.clone());
        store::insert(store.records.as_ref(), workspace, site.clone(), clock.now()).await.unwrap();
        Self { store, clock, identity, workspace, site, team, _sqlite: sqlite, _dir: dir }
    }

    /// Another node over the same store.
    pub(crate) fn other_node(&self) -> Identity {
        Identity::new(self.store.records.clone(), self.clock.clone())
    }

    pub(crate) async fn ann(&self) -> Agent {
        let new =
            NewAgent::new(Email::parse("ann@example.org").unwrap(), Name::parse("Ann").unwrap(), Role::Agent);
        let password = Password::parse("correct horse").unwrap();
        let ann = self.identity.create_agent(self.workspace, new, password).await.unwrap().document;
        let team = Team { agents: vec![ann.id], ..self.team.clone() };
        store::insert(self.store.records.as_ref(), self.workspace, team, self.clock.now()).await.unwrap();
        ann
    }

    async fn login(&self) -> LoggedIn {
        self.identity.login("Ann@example.org", "correct horse").await.unwrap()
    }

    async fn visitor(
        &self,
        old_token: Option<&str>,
        request: VisitorRequest,
    ) -> Result<KnownVisitor, VisitorError> {
        self.identity.visitor_for(self.workspace, &self.site, old_token, &request).await
    }

    fn signed(&self, claims: &str) -> VisitorRequest {
        let payload = format!(r#"{{"exp":{},{claims}}}"#, self.clock.now().as_ms() / 1000 + 60);
        let token = visitor_jwt::sign(r#"{"alg":"HS256"}"#, &payload, SECRET.as_bytes());
        VisitorRequest { identity: Some(token), ..VisitorRequest::default() }
    }
}

/// What a request with this token comes to, as one word.
async fn outcome(identity: &Identity, token: &str) -> &'static str {
    word(identity.bearer(token).await)
}

fn word(result: Result<Caller, AuthError>) -> &'static str {
    match result {
        Ok(Caller::Agent { .. }) => "agent",
        Ok(Caller::Visitor { .. }) => "visitor",
        Ok(Caller::Site { .. }) => "site",
        Ok(Caller::Anonymous) => "anonymous",
        Err(AuthError::Invalid) => "invalid",
        Err(AuthError::Expired) => "expired",
        Err(AuthError::Revoked) => "revoked",
        Err(AuthError::Store(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_agent_logs_in_with_e_mail_and_password_alone() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let login = fixture.login().await;
    assert_eq!((login.agent.id, login.workspace, login.expires_in_s), (ann.id, fixture.workspace, 900));
    let Caller::Agent { agent, teams, session, .. } =
        fixture.identity.bearer(&login.access_token).await.unwrap()
    else {
        panic!("an agent's token is an agent's");
    };
    assert_eq!((agent.id, &*teams, session), (ann.id, [fixture.team.id].as_slice(), login.session));
    for (email, password) in
        [("ann@example.org", "wrong horse"), ("bob@example.org", "correct horse"), ("", ""), ("ann", "x")]
    {
        let refused = fixture.identity.login(email, password).await;
        assert!(matches!(refused, Err(LoginError::Credentials)), "{email}");
    }
    for token in [&login.refresh_token, "", "sba_", "x", &login.access_token.replace("sba_", "sbv_")] {
        assert_eq!(outcome(&fixture.identity, token).await, "invalid", "{token}");
    }
}

#[tokio::test]
async fn an_e_mail_names_one_agent_in_the_installation() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let other = WorkspaceId::from_hash([9; 16]);
    let new = NewAgent::new(Email::parse("ANN@example.org").unwrap(), ann.name, Role::Admin);
    let refused = fixture.identity.create_agent(other, new, Password::generate()).await;
    assert!(matches!(refused, Err(AccountError::Record(RecordError::Taken(_)))));
}

#[tokio::test]
async fn an_access_token_ends_after_fifteen_minutes_and_a_refresh_token_after_thirty_days() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    fixture.clock.advance_ms(15 * 60 * 1000 - 1);
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "agent");
    fixture.clock.advance_ms(1);
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "expired");
    let refreshed = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    assert_eq!(outcome(&fixture.identity, &refreshed.access_token).await, "agent");
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "expired");
    fixture.clock.advance_ms(30 * DAY_MS);
    assert!(matches!(fixture.identity.refresh(&refreshed.refresh_token).await, Err(AuthError::Expired)));
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let restarted = fixture.other_node();
    assert_eq!(outcome(&restarted, &login.access_token).await, "agent");
    assert_eq!(outcome(&restarted, &visitor.token).await, "visitor");
    assert!(restarted.refresh(&login.refresh_token).await.is_ok());
}

#[tokio::test]
async fn who_only_knows_a_session_s_id_can_neither_refresh_nor_end_it() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let forged = Token::Refresh(login.session, [7; 32]).to_string();
    assert!(matches!(fixture.identity.refresh(&forged).await, Err(AuthError::Invalid)));
    assert!(matches!(fixture.identity.logout(&forged).await, Err(AuthError::Invalid)));
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "agent");
    assert!(fixture.identity.refresh(&login.refresh_token).await.is_ok());
}

#[tokio::test]
async fn a_log_out_ends_its_log_in_here_at_once_and_elsewhere_within_five_seconds() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let (login, other) = (fixture.login().await, fixture.login().await);
    let node = fixture.other_node();
    let caller = node.bearer(&login.access_token).await.unwrap();
    fixture.identity.logout(&login.refresh_token).await.unwrap();
    fixture.identity.logout(&login.refresh_token).await.unwrap();
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "revoked");
    assert_eq!(outcome(&fixture.identity, &other.access_token).await, "agent");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    assert_eq!(outcome(&node, &login.access_token).await, "revoked");
    assert_eq!(word(node.still_valid(&caller).await), "revoked");
}

#[tokio::test]
async fn a_new_password_ends_all_log_ins_but_the_asking_one() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let (asking, other) = (fixture.login().await, fixture.login().await);
    let change = async |current: &str, new: &str| {
        fixture.identity.change_password(fixture.workspace, ann.id, asking.session, current, new).await
    };
    assert!(matches!(change("wrong horse", "battery staple").await, Err(PasswordError::Credentials)));
    assert!(matches!(change("correct horse", "short").await, Err(PasswordError::Weak(_))));
    assert_eq!(outcome(&fixture.identity, &other.access_token).await, "agent");

    let mut revocations = fixture.identity.revocations();
    change("correct horse", "battery staple").await.unwrap();
    assert_eq!(revocations.recv().await, Ok(Revoked::Agent(ann.id)));
    assert_eq!(outcome(&fixture.identity, &asking.access_token).await, "agent");
    assert_eq!(outcome(&fixture.identity, &other.access_token).await, "revoked");
    assert!(matches!(fixture.identity.refresh(&other.refresh_token).await, Err(AuthError::Revoked)));
    assert!(fixture.identity.refresh(&asking.refresh_token).await.is_ok());
    assert!(matches!(
        fixture.identity.login("ann@example.org", "correct horse").await,
        Err(LoginError::Credentials)
    ));
    let again = fixture.identity.login("ann@example.org", "battery staple").await.unwrap();
    assert_eq!(outcome(&fixture.identity, &again.access_token).await, "agent");

    fixture.identity.set_password(fixture.workspace, ann.id, Password::generate()).await.unwrap();
    for login in [asking, again] {
        assert_eq!(outcome(&fixture.identity, &login.access_token).await, "revoked");
    }
}

#[tokio::test]
async fn a_node_that_has_the_agent_as_he_was_still_takes_a_log_in_with_his_new_password() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let node = fixture.other_node();
    node.agent(fixture.workspace, ann.id).await.unwrap();
    fixture
        .identity
        .set_password(fixture.workspace, ann.id, Password::parse("battery staple").unwrap())
        .await
        .unwrap();
    let login = fixture.identity.login("ann@example.org", "battery staple").await.unwrap();
    assert_eq!(outcome(&node, &login.access_token).await, "agent");
}

#[tokio::test]
async fn a_disabled_agent_is_revoked_and_cannot_log_in() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let login = fixture.login().await;
    let caller = fixture.identity.bearer(&login.access_token).await.unwrap();
    fixture
        .identity
        .change_agent(fixture.workspace, ann.id, |agent| {
            agent.disabled = true;
            true
        })
        .await
        .unwrap();
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "revoked");
    assert_eq!(word(fixture.identity.still_valid(&caller).await), "revoked");
    assert!(matches!(fixture.identity.refresh(&login.refresh_token).await, Err(AuthError::Revoked)));
    assert!(matches!(
        fixture.identity.login("ann@example.org", "correct horse").await,
        Err(LoginError::Credentials)
    ));
}

#[tokio::test]
async fn the_log_ins_of_an_agent_who_was_disabled_stay_dead_when_the_agent_is_enabled_again() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let node = fixture.other_node();
    let change = async |change: fn(&mut Agent)| {
        let change = |agent: &mut Agent| {
            change(agent);
            true
        };
        fixture.identity.change_agent(fixture.workspace, ann.id, change).await.unwrap();
    };
    type Change = fn(&mut Agent);
    let ways: [(Change, Change); 2] = [
        (|agent| agent.set_disabled(true), |agent| agent.set_disabled(false)),
        // However it is done.
        (|agent| agent.disabled = true, |agent| agent.disabled = false),
    ];
    for (disable, enable) in ways {
        let (login, unused) = (fixture.login().await, fixture.login().await);
        let refreshed = fixture.identity.refresh(&login.refresh_token).await.unwrap();
        assert_eq!(outcome(&node, &login.access_token).await, "agent");
        change(disable).await;
        change(enable).await;
        for access in [&login.access_token, &refreshed.access_token, &unused.access_token] {
            assert_eq!(outcome(&fixture.identity, access).await, "revoked");
            assert_eq!(outcome(&fixture.other_node(), access).await, "revoked");
        }
        for refresh in [&login.refresh_token, &refreshed.refresh_token, &unused.refresh_token] {
            assert!(matches!(fixture.identity.refresh(refresh).await, Err(AuthError::Revoked)));
        }
        let back = fixture.login().await;
        // Also on a node that has the agent as it was.
        assert_eq!(outcome(&node, &back.access_token).await, "agent");
    }
    // A change that disables nobody ends nothing.
    let login = fixture.login().await;
    change(|agent| agent.capacity = 9).await;
    assert_eq!(outcome(&fixture.identity, &login.access_token).await, "agent");
}

#[tokio::test]
async fn a_clock_that_jumps_for_a_minute_expires_nobody() {
    for by_days in [400, -400] {
        let fixture = Fixture::start().await;
        fixture.ann().await;
        let login = fixture.login().await;
        let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
        fixture.clock.jump_ms(by_days * DAY_MS as i64);
        fixture.clock.advance_ms(60_000);
        assert_eq!(fixture.store.records.expire(fixture.clock.now(), 100).await.unwrap(), 0);
        assert_eq!(outcome(&fixture.identity, &login.access_token).await, "agent");
        assert_eq!(outcome(&fixture.other_node(), &visitor.token).await, "visitor");
        let renewed = fixture.visitor(Some(&visitor.token), VisitorRequest::default()).await.unwrap();
        let refreshed = fixture.identity.refresh(&login.refresh_token).await.unwrap();
        fixture.clock.jump_ms(-by_days * DAY_MS as i64);
        // What was given meanwhile ends when it should.
        assert_eq!(renewed.expires_at, fixture.clock.now().plus_ms(DAY_MS));
        fixture.clock.advance_ms(15 * 60 * 1000 - 1);
        assert_eq!(outcome(&fixture.identity, &refreshed.access_token).await, "agent");
        fixture.clock.advance_ms(1);
        assert_eq!(outcome(&fixture.identity, &refreshed.access_token).await, "expired");
        assert_eq!(outcome(&fixture.identity, &renewed.token).await, "visitor");
    }
}

#[tokio::test]
async fn leaving_a_team_is_seen_within_a_second_and_here_at_once() {
    let fixture = Fixture::start().await;
    let ann = fixture.ann().await;
    let node = fixture.other_node();
    let records = fixture.store.records.as_ref();
    assert_eq!(node.teams_of(fixture.workspace, ann.id).await.unwrap().len(), 1);
    let id = fixture.team.id.to_string();
    let mut team = store::get::<Team>(records, fixture.workspace, &id).await.unwrap().unwrap();
    team.document.agents.clear();
    store::update(records, team, fixture.clock.now()).await.unwrap();
    fixture.identity.teams_changed(fixture.workspace);
    assert_eq!(fixture.identity.teams_of(fixture.workspace, ann.id).await.unwrap().len(), 0);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(node.teams_of(fixture.workspace, ann.id).await.unwrap().len(), 0);
}
