//! Canned responses: who sees and writes them, what is found, what is refused.

use super::*;

const ANN: AgentId = AgentId::from_uuid(uuid::Uuid::from_u128(1));
const BEN: AgentId = AgentId::from_uuid(uuid::Uuid::from_u128(2));
const SALES: TeamId = TeamId::from_uuid(uuid::Uuid::from_u128(3));
const OTHER: TeamId = TeamId::from_uuid(uuid::Uuid::from_u128(4));

fn change(text: &str) -> Result<Change, ApiError> {
    Change::parse(strict_json::parse(text.as_bytes())?, 100)
}

fn canned(scope: CannedScope) -> Canned {
    Canned {
        id: CannedId::from_hash([1; 16]),
        shortcut: Shortcut::parse("thanks").unwrap(),
        title: Line::parse("Thank YOU").unwrap(),
        text: MessageText::parse("Danke schön", 100).unwrap(),
        scope,
    }
}

#[test]
fn each_agent_sees_and_writes_by_their_role() {
    let ann = Reader { agent: ANN, teams: vec![SALES], supervises: false };
    let boss = Reader { agent: BEN, teams: Vec::new(), supervises: true };
    for (scope, ann_sees, ann_writes, boss_sees, boss_writes) in [
        (CannedScope::Workspace, true, false, true, true),
        (CannedScope::Team(SALES), true, false, true, true),
        (CannedScope::Team(OTHER), false, false, true, true),
        (CannedScope::Own(ANN), true, true, false, false),
        (CannedScope::Own(BEN), false, false, true, true),
    ] {
        assert_eq!((ann.sees(scope), ann.may_write(scope).is_ok()), (ann_sees, ann_writes), "{scope:?}");
        assert_eq!((boss.sees(scope), boss.may_write(scope).is_ok()), (boss_sees, boss_writes), "{scope:?}");
    }
}

#[test]
fn a_scope_and_its_team_go_together() {
    let own = CannedScope::Own(ANN);
    let team = |id: TeamId| format!(r#"{{"scope":"team","team_id":"{id}"}}"#);
    assert_eq!(change("{}").unwrap().scope(own, BEN).unwrap(), own);
    assert_eq!(change(&team(SALES)).unwrap().scope(own, ANN).unwrap(), CannedScope::Team(SALES));
    let other = format!(r#"{{"team_id":"{OTHER}"}}"#);
    assert_eq!(
        change(&other).unwrap().scope(CannedScope::Team(SALES), ANN).unwrap(),
        CannedScope::Team(OTHER)
    );
    let mine = change(r#"{"scope":"own","team_id":null}"#).unwrap();
    assert_eq!(mine.scope(CannedScope::Team(SALES), BEN).unwrap(), CannedScope::Own(BEN));
    let everybody = change(r#"{"scope":"workspace"}"#).unwrap();
    assert_eq!(everybody.scope(CannedScope::Team(SALES), ANN).unwrap(), CannedScope::Workspace);
    for (text, now) in [
        (r#"{"scope":"team"}"#, own),
        (other.as_str(), own),
        (r#"{"team_id":null}"#, CannedScope::Team(SALES)),
    ] {
        let refused = change(text).unwrap().scope(now, ANN).unwrap_err();
        assert_eq!(refused.details()[0].field, "team_id", "{text}");
    }
}

#[test]
fn q_looks_at_the_beginning_of_the_shortcut_and_anywhere_else() {
    let found =
        |q: &str| Wanted { q: Some(words::folded(q)), team: None }.matches(&canned(CannedScope::Workspace));
    assert!(found("tha") && found("k you") && found("schön"));
    assert!(found("SCHO\u{308}N ") && found("schon") && found(" tha") && found("\u{ff34}hank"));
    assert!(!found("hanks") && !found("x"));
    let of_team = Wanted { q: None, team: Some(SALES) };
    assert!(of_team.matches(&canned(CannedScope::Team(SALES))));
    assert!(!of_team.matches(&canned(CannedScope::Team(OTHER))));
    assert!(!of_team.matches(&canned(CannedScope::Workspace)));
}

#[test]
fn what_breaks_a_rule_names_its_field() {
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(101));
    for (text, field) in [
        (r#"{"shortcut":"Thanks"}"#, "shortcut"),
        (r#"{"title":" "}"#, "title"),
        (r#"{"text":null}"#, "text"),
        (&long, "text"),
        (r#"{"text":"{{no.such}}"}"#, "text"),
        (r#"{"text":"Hi {{visitor.name"}"#, "text"),
        (r#"{"text":"{{visitor.name|{{agent.name}}}}"}"#, "text"),
        (r#"{"scope":"all"}"#, "scope"),
        (r#"{"team_id":"x"}"#, "team_id"),
        (r#"{"owner":"agt_1"}"#, "owner"),
    ] {
        assert_eq!(change(text).unwrap_err().details()[0].field, field, "{text}");
    }
    let id = CannedId::from_hash([1; 16]);
    assert_eq!(change("{}").unwrap().new_canned(id, ANN).unwrap_err().details()[0].field, "shortcut");
}
