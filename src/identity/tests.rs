//! Identity as a whole, over a real store: log-ins, refreshes, revocations, visitors.

use std::time::Duration;

use domain::{Attribute, Attributes, Email, Line, Name, Role};
use store::Store;
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use tempfile::TempDir;

use super::*;

mod site_keys;

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
    fn other_node(&self) -> Identity {
        Identity::new(self.store.records.clone(), self.clock.clone())
    }

    async fn ann(&self) -> Agent {
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
async fn a_replayed_refresh_token_ends_the_whole_log_in() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let other = fixture.login().await;
    let refreshed = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    let mut revocations = fixture.identity.revocations();
    fixture.clock.advance_ms(60);
    assert!(matches!(fixture.identity.refresh(&login.refresh_token).await, Err(AuthError::Revoked)));
    assert_eq!(revocations.recv().await, Ok(Revoked::Session(login.session)));
    for token in [&login.access_token, &refreshed.access_token] {
        assert_eq!(outcome(&fixture.identity, token).await, "revoked");
    }
    assert!(matches!(fixture.identity.refresh(&refreshed.refresh_token).await, Err(AuthError::Revoked)));
    assert_eq!(outcome(&fixture.identity, &other.access_token).await, "agent");
}

#[tokio::test]
async fn of_parallel_refreshes_with_one_token_one_wins_and_keeps_what_it_won() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let node = fixture.other_node();
    let race = futures_util::future::join_all(
        (0..8).map(|n| if n % 2 == 0 { &fixture.identity } else { &node }.refresh(&login.refresh_token)),
    );
    let (won, lost): (Vec<_>, Vec<_>) = race.await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(lost.iter().all(|result| matches!(result, Err(AuthError::Revoked))));
    let won = won[0].as_ref().unwrap();
    assert_eq!(outcome(&fixture.identity, &won.access_token).await, "agent");
    assert!(fixture.identity.refresh(&won.refresh_token).await.is_ok());
}

#[tokio::test]
async fn who_came_before_the_winner_was_answered_loses_and_ends_nothing() {
    let fixture = Fixture::start().await;
    fixture.ann().await;
    let login = fixture.login().await;
    let won = fixture.identity.refresh(&login.refresh_token).await.unwrap();
    fixture.clock.advance_ms(59);
    // However slowly its node reads, and when that heard of the exchange.
    for node in [&fixture.identity, &fixture.other_node()] {
        assert!(matches!(node.refresh(&login.refresh_token).await, Err(AuthError::Revoked)));
    }
    assert_eq!(outcome(&fixture.identity, &won.access_token).await, "agent");
    assert!(fixture.identity.refresh(&won.refresh_token).await.is_ok());
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

#[tokio::test]
async fn a_visitor_s_token_is_renewed_for_thirty_days_after_its_end_and_then_says_expired() {
    let fixture = Fixture::start().await;
    let first = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    assert!(first.created && !first.visitor.verified());
    assert_eq!(first.expires_at, fixture.clock.now().plus_ms(DAY_MS));
    fixture.clock.advance_ms(DAY_MS);
    assert_eq!(outcome(&fixture.identity, &first.token).await, "expired");
    let renewed = fixture.visitor(Some(&first.token), VisitorRequest::default()).await.unwrap();
    assert!(!renewed.created);
    assert_eq!(renewed.visitor.id, first.visitor.id);
    assert_eq!(outcome(&fixture.identity, &renewed.token).await, "visitor");
    fixture.clock.advance_ms(30 * DAY_MS);
    assert!(fixture.visitor(Some(&first.token), VisitorRequest::default()).await.is_ok());
    fixture.clock.advance_ms(1);
    let late = fixture.visitor(Some(&first.token), VisitorRequest::default()).await;
    assert!(matches!(late, Err(VisitorError::Token(AuthError::Expired))));
}

#[tokio::test]
async fn an_old_token_of_another_site_or_a_forged_one_makes_no_visitor() {
    let fixture = Fixture::start().await;
    let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let elsewhere = Site { id: SiteId::from_hash([8; 16]), ..fixture.site.clone() };
    let foreign = fixture
        .identity
        .visitor_for(fixture.workspace, &elsewhere, Some(&visitor.token), &VisitorRequest::default())
        .await;
    assert!(matches!(foreign, Err(VisitorError::Token(AuthError::Invalid))));
    let mut forged = visitor.token.clone().into_bytes();
    forged[50] = if forged[50] == b'A' { b'B' } else { b'A' };
    for token in ["", "sbv_", std::str::from_utf8(&forged).unwrap()] {
        let refused = fixture.visitor(Some(token), VisitorRequest::default()).await;
        assert!(matches!(refused, Err(VisitorError::Token(AuthError::Invalid))), "{token}");
    }
}

#[tokio::test]
async fn the_same_subject_is_the_same_visitor_and_another_site_s_is_not() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1","name":"Ann""#)).await.unwrap();
    assert!(ann.created && ann.visitor.verified());
    let again = fixture.visitor(None, fixture.signed(r#""sub":"u1","email":"ann@x.org""#)).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.visitor.id, ann.visitor.id);
    assert_eq!(again.visitor.name.as_ref().unwrap().as_str(), "Ann");
    assert_eq!(again.visitor.email.as_ref().unwrap().as_str(), "ann@x.org");

    let elsewhere = Site { id: SiteId::from_hash([8; 16]), ..fixture.site.clone() };
    let request = fixture.signed(r#""sub":"u1""#);
    let other = fixture.identity.visitor_for(fixture.workspace, &elsewhere, None, &request).await.unwrap();
    assert_ne!(other.visitor.id, ann.visitor.id);
}

#[tokio::test]
async fn an_anonymous_visitor_who_proves_himself_keeps_his_id_when_the_identity_is_new() {
    let fixture = Fixture::start().await;
    let told = VisitorRequest {
        name: Some(Name::parse("The CEO").unwrap()),
        email: Some(Email::parse("ceo@x.org").unwrap()),
        ..VisitorRequest::default()
    };
    let anonymous = fixture.visitor(None, told.clone()).await.unwrap();
    assert_eq!(anonymous.visitor.name, told.name);
    let request = VisitorRequest { ..fixture.signed(r#""sub":"u1""#) };
    let proven = fixture.visitor(Some(&anonymous.token), request).await.unwrap();
    assert_eq!((proven.visitor.id, proven.created, proven.was), (anonymous.visitor.id, false, None));
    assert_eq!(
        (&proven.visitor.name, &proven.visitor.email),
        (&None, &None),
        "unsigned words do not look signed"
    );

    // Neither later.
    let later = fixture.visitor(Some(&proven.token), told).await.unwrap();
    assert_eq!(later.visitor.email, None);
    let Caller::Visitor { visitor, .. } = fixture.identity.bearer(&anonymous.token).await.unwrap() else {
        panic!("his old token is still his");
    };
    assert!(visitor.verified());
}

#[tokio::test]
async fn an_anonymous_visitor_becomes_the_one_who_has_his_identity_already() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let proven = fixture.visitor(Some(&anonymous.token), fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert_eq!(proven.visitor.id, ann.visitor.id);
    assert_eq!((proven.created, proven.was), (false, Some(anonymous.visitor.id)));
}

#[tokio::test]
async fn two_verified_visitors_never_merge() {
    let fixture = Fixture::start().await;
    let ann = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    let bob = fixture.visitor(Some(&ann.token), fixture.signed(r#""sub":"u2""#)).await.unwrap();
    assert_ne!(bob.visitor.id, ann.visitor.id);
    assert_eq!((bob.created, bob.was), (true, None));
    let again = fixture.visitor(Some(&bob.token), fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert_eq!((again.visitor.id, again.was), (ann.visitor.id, None));
}

#[tokio::test]
async fn of_many_who_bring_a_new_identity_at_once_all_are_one_visitor() {
    let fixture = Fixture::start().await;
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let all = (0..8).map(|n| {
        let old_token = (n % 2 == 0).then_some(anonymous.token.as_str());
        fixture.visitor(old_token, fixture.signed(r#""sub":"u1""#))
    });
    let all = futures_util::future::join_all(all).await;
    let ids: Vec<VisitorId> = all.into_iter().map(|one| one.unwrap().visitor.id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_site_that_requires_identities_takes_no_anonymous_visitor() {
    let mut fixture = Fixture::start().await;
    let anonymous = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    fixture.site.identity_required = true;
    for old_token in [None, Some(anonymous.token.as_str())] {
        let refused = fixture.visitor(old_token, VisitorRequest::default()).await;
        assert!(matches!(refused, Err(VisitorError::IdentityRequired)));
    }
    let proven = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await.unwrap();
    assert!(fixture.visitor(Some(&proven.token), VisitorRequest::default()).await.is_ok());
    fixture.site.identity_secret = None;
    let unprovable = fixture.visitor(None, fixture.signed(r#""sub":"u1""#)).await;
    assert!(matches!(unprovable, Err(VisitorError::Identity(JwtError::NoSecret))));
}

#[tokio::test]
async fn attributes_are_set_key_by_key_and_stay_within_their_bounds() {
    let fixture = Fixture::start().await;
    let attributes = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), Attribute::Text((*value).into())));
        VisitorRequest { attributes: Attributes::parse(pairs).unwrap(), ..VisitorRequest::default() }
    };
    let first = fixture.visitor(None, attributes(&[("plan", "free"), ("page", "a")])).await.unwrap();
    let second = fixture.visitor(Some(&first.token), attributes(&[("plan", "pro")])).await.unwrap();
    assert_eq!(second.visitor.attributes, attributes(&[("page", "a"), ("plan", "pro")]).attributes);
    let many: Vec<(String, &str)> = (0..32).map(|n| (format!("k{n}"), "v")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let refused = fixture.visitor(Some(&first.token), attributes(&many)).await;
    assert!(matches!(refused, Err(VisitorError::Attributes(_))));
}

#[tokio::test]
async fn a_visitor_who_was_removed_is_revoked() {
    let fixture = Fixture::start().await;
    let visitor = fixture.visitor(None, VisitorRequest::default()).await.unwrap();
    let caller = fixture.identity.bearer(&visitor.token).await.unwrap();
    let id = visitor.visitor.id;
    let records = fixture.store.records.as_ref();
    records.delete(fixture.workspace, store::RecordKind::Visitor, &id.to_string(), None).await.unwrap();
    fixture.identity.visitor_changed(fixture.workspace, id);
    assert_eq!(outcome(&fixture.identity, &visitor.token).await, "revoked");
    assert_eq!(word(fixture.identity.still_valid(&caller).await), "revoked");
}
