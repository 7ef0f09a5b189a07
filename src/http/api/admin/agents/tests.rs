//! Agents: what a change changes, what is refused, what is shown.

use super::*;

fn parse(text: &str) -> Result<(Change, Beside), ApiError> {
    Change::parse(strict_json::parse(text.as_bytes())?)
}

fn ann() -> Agent {
    Agent {
        id: AgentId::from_hash([1; 16]),
        email: Email::parse("ann@example.org").unwrap(),
        name: Name::parse("Ann").unwrap(),
        role: Role::Admin,
        capacity: 5,
        skills: vec![Line::parse("billing").unwrap()],
        languages: Vec::new(),
        disabled: false,
        operator: true,
        password_hash: "$argon2id$secret".into(),
        status: domain::Status::Away,
        generation: 0,
    }
}

#[test]
fn only_what_is_given_changes() {
    let mut changed = ann();
    parse("{}").unwrap().0.apply(&mut changed);
    assert_eq!(changed, ann());
    let text = r#"{"email":"Ann@Example.com","role":"agent","capacity":0,"languages":["pt-BR"],"skills":[]}"#;
    parse(text).unwrap().0.apply(&mut changed);
    let expected = Agent {
        email: Email::parse("ann@example.com").unwrap(),
        role: Role::Agent,
        capacity: 0,
        languages: vec![Line::parse("pt-BR").unwrap()],
        skills: Vec::new(),
        ..ann()
    };
    assert_eq!(changed, expected);
}

#[test]
fn what_breaks_a_rule_names_its_field_and_nobody_makes_themselves_an_operator() {
    for (text, field) in [
        (r#"{"email":"ann"}"#, "email"),
        (r#"{"role":"operator"}"#, "role"),
        (r#"{"operator":true}"#, "operator"),
        (r#"{"password":"short"}"#, "password"),
        (r#"{"password_hash":"x"}"#, "password_hash"),
        (r#"{"capacity":1001}"#, "capacity"),
        (r#"{"languages":["de","de"]}"#, "languages"),
        (r#"{"languages":["e n"]}"#, "languages[0]"),
        (r#"{"team_ids":["site_1"]}"#, "team_ids[0]"),
        (r#"{"disabled":null}"#, "disabled"),
    ] {
        assert_eq!(parse(text).unwrap_err().details()[0].field, field, "{text}");
    }
    assert_eq!(parse("{}").unwrap().0.new_agent().unwrap_err().details()[0].field, "email");
}

#[test]
fn a_password_is_never_shown_and_an_agents_teams_are_those_that_name_them() {
    let now = domain::Timestamp::from_ms(0);
    let record = Versioned {
        workspace: WorkspaceId::from_hash([1; 16]),
        version: 3,
        created_at: now,
        updated_at: now,
        document: ann(),
    };
    let team = |n: u8, agents: Vec<AgentId>| Team {
        agents,
        ..Team::new(TeamId::from_hash([n; 16]), Name::parse("Team").unwrap())
    };
    let teams = [team(1, vec![ann().id]), team(2, vec![AgentId::from_hash([9; 16])])];
    let shown = AgentJson::of(&record, &teams);
    assert_eq!(shown.team_ids, [teams[0].id.to_string()]);
    assert!(!serde_json::to_string(&shown).unwrap().contains("argon2id"));
}
