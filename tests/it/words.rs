//! What people send that is meant well: empty fields, spaces around, other spellings of the same.

use http::Method;
use serde_json::{Value, json};

use crate::house::{House, ask, assert_invalid, assert_refused, look, new_agent, text, upload};

const VISITORS: &str = "/api/v1/chat/visitors";
const CONVERSATIONS: &str = "/api/v1/chat/conversations";

#[tokio::test]
async fn what_is_left_empty_is_as_if_absent_and_other_spellings_are_the_same() {
    let house = House::start().await;
    empty_texts_are_as_if_absent(&house).await;
    attributes_come_back_as_they_were_sent(&house).await;
    tags_have_one_spelling(&house).await;
    e_mails_are_trimmed(&house).await;
    hours_pass_midnight(&house).await;
    origins_are_those_that_browsers_send(&house).await;
}

async fn empty_texts_are_as_if_absent(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    let visitor = &ours.visitor;
    let post = async |token: &str, path: String, body: Value| {
        api.post(path).bearer(token).json(&body).send().await.unwrap()
    };
    // A visitor without a name, and a conversation without a subject and a message.
    let body = json!({ "name": "", "email": " \u{200b}\n", "attributes": {} });
    let blank =
        api.post(VISITORS).site(&ours.site_key).json(&body).send().await.unwrap().expect(201).unwrap();
    let token = text(&blank["token"]);
    let body = json!({ "client_id": "blank", "text": "", "subject": "", "team_id": "" });
    let started = post(token, CONVERSATIONS.into(), body).await.expect(201).unwrap();
    assert!(started.get("message").is_none(), "{started}");
    let conversation = &started["conversation"];
    assert!(conversation.get("subject").is_none(), "{started}");
    assert_eq!(conversation["team_id"], ours.team.as_str());
    assert_eq!(conversation["visitor"], json!({ "visitor_id": blank["visitor_id"], "verified": false }));
    // It is the same request as one that leaves them out.
    let again = post(token, CONVERSATIONS.into(), json!({ "client_id": "blank" })).await;
    assert_eq!(again.expect(200).unwrap()["conversation"]["id"], conversation["id"]);

    let path = |verb: &str| format!("{CONVERSATIONS}/{}/{verb}", ours.conversation);
    let file = upload(api, &visitor.token, &ours.conversation, "a.txt", b"words").await.expect(201).unwrap();
    let body = json!({ "client_id": "file", "text": "", "file_ids": [file["file_id"]] });
    post(&visitor.token, path("messages"), body).await.expect(201).unwrap();
    let body = json!({ "client_id": "null", "text": "words", "file_ids": null, "note": null });
    post(&visitor.token, path("messages"), body).await.expect(201).unwrap();
    let nothing = json!({ "client_id": "nothing", "text": "" });
    assert_invalid(&post(&visitor.token, path("messages"), nothing).await, "text");
    let unseen = json!({ "client_id": "unseen", "text": "\u{200b}\u{3164}" });
    assert_invalid(&post(&visitor.token, path("messages"), unseen).await, "text");
    let agents = format!("/api/v1/chat/agent/conversations/{}/", ours.conversation);
    let body = json!({ "to": { "agent_id": ours.agent.agent_id, "team_id": "" }, "note": "" });
    post(&ours.supervisor.token, format!("{agents}transfer"), body).await.expect(200).unwrap();
    let log = api.events(&ours.supervisor.token, &ours.conversation, "").await.unwrap().expect(200).unwrap();
    let notes = log["data"].as_array().unwrap().iter().filter(|event| event["kind"] == "note").count();
    assert_eq!(notes, 0, "{log}");
    for list in ["view=team&tag=", "view=team"] {
        let page = look(api.get(format!("/api/v1/chat/agent/conversations?{list}")), &ours.agent).await;
        assert!(!page.expect(200).unwrap()["data"].as_array().unwrap().is_empty());
    }
    let ended = post(&visitor.token, path("end"), json!({ "reason": "" })).await.expect(200).unwrap();
    assert!(ended["conversation"].get("end_reason").is_none(), "{ended}");
    let rated = post(&visitor.token, path("rating"), json!({ "score": 5, "comment": "" })).await;
    assert_eq!(rated.expect(200).unwrap()["conversation"]["rating"], json!({ "score": 5 }));
    // Blank is not empty: it was typed.
    for (verb, body, field) in [
        ("messages", json!({ "client_id": "b", "text": " " }), "text"),
        ("end", json!({ "reason": "\t" }), "reason"),
        ("rating", json!({ "score": 5, "comment": " \n" }), "comment"),
    ] {
        assert_invalid(&post(&visitor.token, path(verb), body).await, field);
    }

    // What is made by admins and agents: what is needed must be there, the rest may be empty.
    let body = json!({ "name": "Empty", "team_id": ours.team, "locale": "", "identity_secret": "",
        "theme": { "color": "", "greeting": "" } });
    let site = ask(api.post("/api/v1/admin/sites"), &ours.admin, &body).await.expect(201).unwrap();
    assert_eq!((&site["locale"], &site["identity_secret_set"]), (&json!("en"), &json!(false)));
    assert_eq!(site["theme"], json!({ "color": null, "greeting": null }));
    let body = json!({ "shortcut": "empty", "title": "Empty", "text": "x", "team_id": "" });
    ask(api.post("/api/v1/chat/canned-responses"), &ours.agent, &body).await.expect(201).unwrap();
    let admin = json!({ "email": "admin@empty.example", "name": "A", "password": crate::house::PASSWORD });
    let body = json!({ "name": "Empty", "time_zone": "", "admin": admin });
    let made = ask(api.post("/api/v1/admin/workspaces"), &house.operator, &body).await.expect(201).unwrap();
    assert_eq!(made["time_zone"], "UTC");
    assert_invalid(&ask(api.post("/api/v1/admin/teams"), &ours.admin, &json!({ "name": "" })).await, "name");
}

async fn attributes_come_back_as_they_were_sent(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    let visitor = api.visitor(&ours.site_key).await.unwrap();
    let start = async |client_id: &str, attributes: &str| {
        let body = format!(r#"{{"client_id":"{client_id}","attributes":{attributes}}}"#);
        let call = api.post(CONVERSATIONS).bearer(&visitor.token).body("application/json", body);
        call.send().await.unwrap()
    };
    let kept =
        r#"{"a":null,"b":"two\nlines","c":9007199254740991,"d":0.1,"e":-0.0,"f":false,"skills":["a, b"]}"#;
    let started = start("kept", kept).await.expect(201).unwrap();
    let id = text(&started["conversation"]["id"]);
    let seen = api.conversation(&ours.supervisor.token, id).await.unwrap().expect(200).unwrap();
    let mut expected: Value = serde_json::from_str(kept).unwrap();
    expected.as_object_mut().unwrap().remove("a");
    assert_eq!(seen["conversation"]["attributes"], expected);
    for (attributes, field) in [
        (r#"{"a":9007199254740993}"#, "attributes.a"),
        (r#"{"a":1e400}"#, "attributes.a"),
        (r#"{"a":123456789012345678901234567890}"#, "attributes.a"),
        (r#"{"a":["x"]}"#, "attributes.a"),
        (r#"{"a":1,"b":{"c":1}}"#, "attributes.b"),
        (r#"{"b":"\u0007"}"#, "attributes.b"),
        (r#"{"skills":["x",null]}"#, "attributes.skills"),
        ("[]", "attributes"),
    ] {
        assert_invalid(&start("refused", attributes).await, field);
        let body = format!(r#"{{"attributes":{attributes}}}"#);
        let entering = api.post(VISITORS).site(&ours.site_key).body("application/json", body);
        assert_invalid(&entering.send().await.unwrap(), field);
    }
    // Null makes room for another.
    let full: Vec<String> = (0..32).map(|n| format!(r#""k{n}":1"#)).collect();
    let renew = async |attributes: &str| {
        let body = format!(r#"{{"attributes":{attributes}}}"#);
        let call = api.post(VISITORS).site(&ours.site_key).bearer(&visitor.token);
        call.body("application/json", body).send().await.unwrap()
    };
    renew(&format!("{{{}}}", full.join(","))).await.expect(200).unwrap();
    assert_invalid(&renew(r#"{"another":1}"#).await, "attributes");
    renew(r#"{"another":1,"k7":null,"unknown":null}"#).await.expect(200).unwrap();
}

async fn tags_have_one_spelling(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    let visitor = api.visitor(&ours.site_key).await.unwrap();
    let started =
        api.start_conversation(&visitor.token, "tags", Some("hi")).await.unwrap().expect(201).unwrap();
    let id = text(&started["conversation"]["id"]);
    let tag = async |add: Value, remove: Value| {
        let path = format!("/api/v1/chat/agent/conversations/{id}/tags");
        ask(api.post(path), &ours.supervisor, &json!({ "add": add, "remove": remove })).await
    };
    let spellings = json!([" VIP ", "vip", "v\u{200b}ip", "Caf\u{e9}", "cafe\u{301}\u{a0}", "\u{130}", "i"]);
    let tagged = tag(spellings, json!([])).await.expect(200).unwrap();
    assert_eq!(tagged["conversation"]["tags"], json!(["café", "i", "vip"]));
    let list = |tag: &str| format!("/api/v1/chat/agent/conversations?view=all&tag={tag}");
    for spelled in ["cafe%CC%81", "%20CAF%C3%89", "v%E2%80%8Bip"] {
        let page = look(api.get(list(spelled)), &ours.supervisor).await.expect(200).unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1, "{spelled}");
    }
    let tagged = tag(json!([]), json!(["I\u{307}", "CAFE\u{301}"])).await.expect(200).unwrap();
    assert_eq!(tagged["conversation"]["tags"], json!(["vip"]));
    // Twenty spellings of one are one; twenty-one tags are too many, at once or one after the other.
    let many: Vec<String> =
        (0..19).map(|n| format!("tag-{n}")).chain(["TAG-0".into(), " tag-1".into()]).collect();
    tag(json!(many), json!([])).await.expect(200).unwrap();
    assert_invalid(&tag(json!(["one more"]), json!([])).await, "add");
    assert_invalid(&tag(json!(["\u{200b}"]), json!([])).await, "add[0]");
}

async fn e_mails_are_trimmed(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    new_agent(api, &ours.admin, " Spaces@Ours.Example\u{200b} ", json!({})).await;
    for email in ["spaces@ours.example", "\tspaces@ours.example\n", "\u{feff}SPACES@ours.example "] {
        let body = json!({ "email": email, "password": crate::house::PASSWORD });
        let answer = api.post("/api/v1/auth/login").json(&body).send().await.unwrap();
        assert_eq!(answer.expect(200).unwrap()["agent"]["email"], "spaces@ours.example");
    }
    let body = json!({ "email": " ann@example.org " });
    let entered = api.post(VISITORS).site(&ours.site_key).json(&body).send().await.unwrap();
    let token = text(&entered.expect(201).unwrap()["token"]).to_owned();
    let started = api.start_conversation(&token, "email", None).await.unwrap().expect(201).unwrap();
    assert_eq!(started["conversation"]["visitor"]["email"], "ann@example.org");
}

async fn hours_pass_midnight(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    let nights = json!([{ "day": "friday", "from": "22:00", "to": "06:00" },
        { "day": "sunday", "from": "18:30", "to": "00:00" }]);
    for path in [format!("sites/{}", ours.site), format!("teams/{}", ours.team)] {
        let path = format!("/api/v1/admin/{path}");
        let changed =
            ask(api.patch(&path), &ours.admin, &json!({ "hours": nights })).await.expect(200).unwrap();
        assert_eq!(changed["hours"], nights);
        assert_eq!(look(api.get(&path), &ours.admin).await.expect(200).unwrap()["hours"], nights);
        let never = json!({ "hours": [{ "day": "friday", "from": "22:00", "to": "22:00" }] });
        assert_invalid(&ask(api.patch(&path), &ours.admin, &never).await, "hours[0]");
        ask(api.patch(&path), &ours.admin, &json!({ "hours": null })).await.expect(200).unwrap();
    }
}

async fn origins_are_those_that_browsers_send(house: &House) {
    let (api, ours) = (&house.api, &house.ours);
    let given = [
        "https://Shop.example:443/",
        "http://m\u{fc}ller.example:0080",
        "https://my_shop.example:8443",
        "https://*.shop.example",
        "capacitor://localhost",
    ];
    let body = json!({ "name": "Listed", "team_id": ours.team, "origins": given });
    let site = ask(api.post("/api/v1/admin/sites"), &ours.admin, &body).await.expect(201).unwrap();
    let kept = [
        "https://shop.example",
        "http://xn--mller-kva.example",
        "https://my_shop.example:8443",
        "https://*.shop.example",
        "capacitor://localhost",
    ];
    assert_eq!(site["origins"], json!(kept));
    let config = "/api/v1/chat/widget/config";
    let asked = async |origin: &str| {
        let preflight = api.call(Method::OPTIONS, config).header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "GET").send().await.unwrap();
        let call = api.get(config).site(text(&site["key"])).header("origin", origin);
        (preflight, call.send().await.unwrap())
    };
    for origin in [kept[0], kept[1], kept[2], kept[4], "https://a.shop.example", "https://a.b.shop.example"] {
        let (preflight, answer) = asked(origin).await;
        assert_eq!((preflight.status, answer.status), (204, 200), "{origin}: {preflight} {answer}");
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
    for origin in [
        "null",
        "https://evilshop.example",
        "https://a.shop.example:444",
        "http://a.shop.example",
        "https://a.shop.example.evil.example",
        "https://*.shop.example",
        "ionic://localhost",
        "https://localhost",
    ] {
        let (preflight, answer) = asked(origin).await;
        assert_refused(&preflight, 403, "ORIGIN_NOT_ALLOWED");
        assert_refused(&answer, 403, "ORIGIN_NOT_ALLOWED");
    }
    let path = format!("/api/v1/admin/sites/{}", text(&site["id"]));
    for origin in ["null", "https://a:b:c", "https://x..y", "https://x:99999", "https://x/help", "https://*"]
    {
        assert_invalid(
            &ask(api.patch(&path), &ours.admin, &json!({ "origins": [origin] })).await,
            "origins[0]",
        );
    }
}
