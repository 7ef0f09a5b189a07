//! Tokens: their form, what is stored of them, and that it is read for ever.

use store::golden::Golden;

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

fn session() -> (Session, TokenPair) {
    let agent = Agent {
        id: AgentId::from_hash([2; 16]),
        email: domain::Email::parse("ann@example.org").unwrap(),
        name: domain::Name::parse("Ann").unwrap(),
        role: domain::Role::Agent,
        capacity: Agent::CAPACITY,
        skills: Vec::new(),
        languages: Vec::new(),
        disabled: false,
        operator: false,
        password_hash: "$phc".into(),
        status: domain::Status::Online,
        generation: 0,
    };
    Session::begin(WorkspaceId::from_hash([1; 16]), &agent, NOW)
}

fn secret(token: &str) -> Secret {
    match Token::parse(token).unwrap() {
        Token::Visitor(_, secret) | Token::Access(_, secret) | Token::Refresh(_, secret) => secret,
    }
}

#[test]
fn a_token_reads_back_what_it_writes_and_nothing_else() {
    let (_, pair) = session();
    assert_eq!(pair.access.len(), 68);
    assert!(Token::parse(&pair.access).is_some_and(|token| token.to_string() == pair.access));
    let changed = [
        String::new(),
        "sba".into(),
        "sbä_".repeat(17),
        pair.access.replace("sba_", "sbx_"),
        format!("{}A", pair.access),
        format!("{}=", &pair.access[..67]),
        pair.access[..67].into(),
    ];
    for text in changed {
        assert!(Token::parse(&text).is_none(), "{text}");
    }
}

#[test]
fn what_is_stored_does_not_hold_what_the_client_got() {
    let (session, pair) = session();
    let stored = serde_json::to_string(&session).unwrap();
    for token in [&pair.access, &pair.refresh] {
        assert!(!stored.contains(&URL_SAFE_NO_PAD.encode(secret(token))));
    }
}

#[test]
fn a_spent_refresh_token_is_known_and_a_made_up_one_is_nobody_s() {
    let (mut session, first) = session();
    let first = secret(&first.refresh);
    let (end, later) = (NOW.plus_ms(REFRESH_TOKEN_MS), NOW.plus_ms(5));
    assert_eq!(session.standing(&first), Some(Standing::Current(end)));
    let second = secret(&session.rotate(&first, NOW).refresh);
    assert_eq!(session.standing(&first), Some(Standing::Spent));
    assert_eq!(session.standing(&second), Some(Standing::Current(end)));
    // Once more with the same: both of the new ones go on, each until its own end.
    let third = secret(&session.rotate(&first, later).refresh);
    assert_eq!(session.standing(&second), Some(Standing::Current(end)));
    assert_eq!(session.standing(&third), Some(Standing::Current(end.plus_ms(5))));
    session.rotate(&second, later);
    assert_eq!(session.standing(&second), Some(Standing::Spent));
    assert_eq!(session.standing(&third), Some(Standing::Current(end.plus_ms(5))));
    let mut forged = second;
    forged[0] ^= 1;
    assert_eq!(session.standing(&forged), None);
}

#[test]
fn a_session_remembers_its_last_tokens_and_stays_bounded() {
    let (mut session, pair) = session();
    let oldest = secret(&pair.access);
    let mut refresh = secret(&pair.refresh);
    for _ in 1..TOKENS_MAX {
        refresh = secret(&session.rotate(&refresh, NOW).refresh);
    }
    assert_eq!(session.access_expires_at(&oldest), Some(NOW.plus_ms(ACCESS_TOKEN_MS)));
    session.rotate(&refresh, NOW);
    assert_eq!(session.access_expires_at(&oldest), None);

    // The same token again and again.
    let given: Vec<Secret> =
        (0..TOKENS_MAX + 3).map(|_| secret(&session.rotate(&refresh, NOW).refresh)).collect();
    let current = |one: &&Secret| matches!(session.standing(one), Some(Standing::Current(_)));
    assert_eq!(given.iter().filter(current).count(), TOKENS_MAX);
    assert!(given.iter().rev().take(TOKENS_MAX).all(|one| current(&one)));
    assert!(session.access.len() <= TOKENS_MAX && session.refresh_before.len() < TOKENS_MAX);
}

#[test]
fn what_is_stored_of_tokens_is_read_for_ever() {
    let hash = |secret: &[u8]| SecretHash::of(secret);
    let workspace = WorkspaceId::from_hash([1; 16]);
    let visitor = VisitorToken {
        id: TokenId(Uuid::from_bytes([3; 16])),
        workspace,
        site: SiteId::from_hash([4; 16]),
        visitor: VisitorId::from_hash([5; 16]),
        hash: hash(b"secret"),
        expires_at: NOW,
        generation: 0,
    };
    let mut golden = Golden::new(include_str!("golden.txt"));
    golden.check("visitor_token", &visitor);
    let access = |secret| Expiring { hash: hash(secret), expires_at: NOW };
    let session = Session {
        id: SessionId(Uuid::from_bytes([6; 16])),
        workspace,
        agent: AgentId::from_hash([2; 16]),
        family: hash(b"family"),
        refresh: hash(b"refresh"),
        refresh_expires_at: NOW.plus_ms(REFRESH_TOKEN_MS),
        refresh_before: Vec::new(),
        access: vec![access(b"first"), access(b"second")],
        passwords: vec![hash(b"old"), hash(b"new")],
        ended: false,
        generation: 0,
    };
    golden.check("session", &session);
    golden.check("session.ended", &Session { access: Vec::new(), ended: true, ..session.clone() });
    let before = Expiring { hash: hash(b"before"), expires_at: NOW };
    golden.check("session.before", &Session { refresh_before: vec![before], generation: 2, ..session });
    golden.finish();
}
