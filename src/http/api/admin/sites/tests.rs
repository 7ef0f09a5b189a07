//! Sites: what a change changes, what is refused, what is never shown.

use super::*;

fn site() -> Site {
    Site {
        id: SiteId::from_hash([1; 16]),
        key: Line::parse("pk_1").unwrap(),
        previous_key: None,
        name: Name::parse("Shop").unwrap(),
        origins: vec![Origin::parse("https://shop.example").unwrap()],
        locale: Line::parse("en").unwrap(),
        theme: Theme { color: Some(Line::parse("#112233").unwrap()), greeting: None },
        team: TeamId::from_hash([2; 16]),
        hours: Some(domain::Hours::default()),
        prechat: Vec::new(),
        tracking: Tracking::Always,
        identity_secret: Some("0123456789abcdef0123456789abcdef".into()),
        identity_required: true,
    }
}

fn change(text: &str) -> Result<Change, ApiError> {
    Change::parse(strict_json::parse(text.as_bytes())?)
}

fn wrong(text: &str) -> String {
    let refused = change(text).and_then(|change| change.apply(&mut site())).unwrap_err();
    refused.details()[0].field.clone()
}

#[test]
fn only_what_is_given_changes_and_null_clears_what_may_be_none() {
    let mut changed = site();
    change("{}").unwrap().apply(&mut changed).unwrap();
    assert_eq!(changed, site());
    let text = r##"{"name":"Café","hours":null,"theme":{"greeting":"Hi"},"identity_required":false,
        "identity_secret":null,"tracking":"off","prechat":[{"field":"email","label":"E-mail","required":true}]}"##;
    change(text).unwrap().apply(&mut changed).unwrap();
    let expected = Site {
        name: Name::parse("Café").unwrap(),
        hours: None,
        theme: Theme { color: None, greeting: Some(Line::parse("Hi").unwrap()) },
        identity_required: false,
        identity_secret: None,
        tracking: Tracking::Off,
        prechat: vec![PrechatField {
            field: Line::parse("email").unwrap(),
            label: Line::parse("E-mail").unwrap(),
            required: true,
        }],
        ..site()
    };
    assert_eq!(changed, expected);
}

#[test]
fn what_breaks_a_rule_names_its_field() {
    for (text, field) in [
        (r#"{"name":null}"#, "name"),
        (r#"{"name":" "}"#, "name"),
        (r#"{"key":"pk_mine"}"#, "key"),
        (r#"{"origins":["https://a.example","https://a.example/help"]}"#, "origins[1]"),
        (r#"{"origins":["https://a.example","HTTPS://a.example:443/"]}"#, "origins"),
        (r#"{"locale":"en US"}"#, "locale"),
        (r#"{"theme":{"color":"red"}}"#, "theme.color"),
        (r#"{"team_id":"agt_1"}"#, "team_id"),
        (r#"{"tracking":"sometimes"}"#, "tracking"),
        (r#"{"identity_secret":"short"}"#, "identity_secret"),
        (r#"{"identity_secret":null}"#, "identity_required"),
        (r#"{"version":3}"#, "version"),
    ] {
        assert_eq!(wrong(text), field, "{text}");
    }
}

#[test]
fn the_identity_secret_is_never_shown() {
    let now = domain::Timestamp::from_ms(0);
    let record = Versioned {
        workspace: WorkspaceId::from_hash([1; 16]),
        version: 1,
        created_at: now,
        updated_at: now,
        document: site(),
    };
    let shown = serde_json::to_string(&SiteJson::of(&record)).unwrap();
    assert!(!shown.contains("0123456789abcdef") && shown.contains(r#""identity_secret_set":true"#));
    assert!(shown.contains(r#""version":1,"created_at":"1970-01-01T00:00:00.000Z""#), "{shown}");
}
