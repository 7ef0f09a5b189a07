//! Workspaces: who makes them, sees them and removes them, and what keeps one.

use super::*;

#[tokio::test]
async fn an_operator_makes_workspaces_and_others_see_only_their_own() {
    let house = House::start().await;
    let (api, operator) = (&house.api, &house.operator);
    let list = "/api/v1/admin/workspaces";
    let first = json!({ "email": "boss@third.example", "name": "Boss", "password": SECRET });
    let body = json!({ "name": "Third", "time_zone": "Europe/Berlin", "admin": first });
    let send = async |body: &Value| ask(api.post(list).header("idempotency-key", "w"), operator, body).await;
    let made = send(&body).await.expect(201).unwrap();
    assert_eq!(send(&body).await.expect(200).unwrap(), made);
    let other = with(&body, "name", json!("Fourth"));
    assert_refused(&send(&other).await, 409, "IDEMPOTENCY_CONFLICT");
    assert_eq!((&made["time_zone"], &made["version"]), (&json!("Europe/Berlin"), &json!(1)));
    assert!(!made.to_string().contains(SECRET));
    let boss = api.login("boss@third.example", SECRET).await.unwrap();
    let me = look(api.get("/api/v1/auth/me"), &boss).await.expect(200).unwrap();
    assert_eq!((&me["role"], &me["operator"]), (&json!("admin"), &Value::Null));
    assert_eq!(ids(&house, "/api/v1/admin/agents", &boss).await, [boss.agent_id.as_str()]);
    assert_eq!(ids(&house, "/api/v1/admin/teams", &boss).await, Vec::<String>::new());
    assert_refused(&look(api.get(list), &boss).await, 403, "FORBIDDEN");

    let path = format!("{list}/{}", text(&made["id"]));
    let version = look(api.get(&path), operator).await.header("etag").to_owned();
    let change = json!({ "time_zone": "UTC" });
    let patch = async || ask(api.patch(&path).header("if-match", &version), operator, &change).await;
    assert_eq!(patch().await.expect(200).unwrap()["time_zone"], "UTC");
    assert_refused(&patch().await, 412, "PRECONDITION_FAILED");
    for (field, value) in [("time_zone", json!("Mars")), ("name", json!("")), ("admin", json!({}))] {
        assert_invalid(&ask(api.patch(&path), operator, &json!({ field: value })).await, field);
    }
}

#[tokio::test]
async fn a_workspace_goes_with_its_last_admin_when_nothing_else_is_in_it() {
    let house = House::start().await;
    let (api, operator) = (&house.api, &house.operator);
    let first = json!({ "email": "boss@third.example", "name": "Boss", "password": PASSWORD });
    let body = json!({ "name": "Third", "admin": first });
    let list = "/api/v1/admin/workspaces";
    let made = ask(api.post(list), operator, &body).await.expect(201).unwrap();
    let path = format!("{list}/{}", text(&made["id"]));
    let boss = api.login("boss@third.example", PASSWORD).await.unwrap();
    let team =
        ask(api.post("/api/v1/admin/teams"), &boss, &json!({ "name": "T" })).await.expect(201).unwrap();
    let body = json!({ "name": "S", "team_id": team["id"] });
    let site = ask(api.post("/api/v1/admin/sites"), &boss, &body).await.expect(201).unwrap();
    let second = new_agent(api, &boss, "second@third.example", json!({})).await;
    let rests = [
        format!("/api/v1/admin/sites/{}", text(&site["id"])),
        format!("/api/v1/admin/teams/{}", text(&team["id"])),
        format!("/api/v1/admin/agents/{}", second.agent_id),
    ];
    for rest in rests {
        assert_refused(&look(api.delete(&path), operator).await, 409, "CONFLICT");
        look(api.delete(rest), &boss).await.expect(204).unwrap();
    }
    let stale = api.delete(&path).header("if-match", "\"2\"");
    assert_refused(&look(stale, operator).await, 412, "PRECONDITION_FAILED");
    look(api.get("/api/v1/auth/me"), &boss).await.expect(200).unwrap();

    look(api.delete(&path).header("if-match", "\"1\""), operator).await.expect(204).unwrap();
    assert_refused(&look(api.delete(&path), operator).await, 404, "NOT_FOUND");
    assert_eq!(ids(&house, list, operator).await.len(), 2);
    let left = async { while look(api.get("/api/v1/auth/me"), &boss).await.status != 401 {} };
    timeout(Duration::from_secs(5), left).await.unwrap();
    // Their e-mail is free again.
    new_agent(api, &house.theirs.admin, "boss@third.example", json!({})).await;
    let own = format!("{list}/{}", house.ours.workspace);
    assert_refused(&look(api.delete(own), operator).await, 409, "CONFLICT");
}
