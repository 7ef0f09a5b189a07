//! A blocked visitor may not write.

use domain::{Name, Team, TeamId, Visitor, WorkspaceId};
use identity::Caller;
use serde_json::{Value, json};

use crate::http::testing::{Answer, Server};

async fn post(server: &Server, path: &str, body: &Value) -> Answer {
    let (body, bearer) = (body.to_string(), format!("Bearer {}", server.visitor));
    let length = body.len().to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("content-length", length.as_str()),
    ];
    server.ask(&format!("POST /api/v1/chat/conversations{path}"), &headers, &body).await
}

/// Blocks the server's one visitor in the visitor's record, or lets them in again.
async fn set_blocked(server: &Server, workspace: WorkspaceId, blocked: bool) {
    let app = &server.app;
    let records = app.store.records.as_ref();
    let Ok(Caller::Visitor { visitor, .. }) = app.identity.bearer(&server.visitor).await else {
        panic!("the server has a visitor");
    };
    let id = visitor.id.to_string();
    let mut visitor = store::get::<Visitor>(records, workspace, &id).await.unwrap().unwrap();
    visitor.document.blocked = blocked;
    let kept = store::update(records, visitor, app.clock.now()).await.unwrap();
    app.identity.visitor_changed(workspace, kept.document.id);
}

#[tokio::test]
async fn a_blocked_visitor_starts_and_says_nothing_but_reads() {
    let server = Server::start(|_| {}).await;
    let workspace = WorkspaceId::from_hash([1; 16]);
    let team = Team::new(TeamId::from_hash([2; 16]), Name::parse("Support").unwrap());
    store::insert(server.app.store.records.as_ref(), workspace, team, server.app.clock.now()).await.unwrap();
    let started = post(&server, "", &json!({ "client_id": "first", "text": "hello" })).await;
    assert_eq!(started.status, 201, "{started:?}");
    let started: Value = serde_json::from_str(&started.body).unwrap();
    let id = started["conversation"]["id"].as_str().unwrap();
    let messages = format!("/{id}/messages");

    set_blocked(&server, workspace, true).await;
    for (path, body) in [
        (messages.as_str(), json!({ "client_id": "m", "text": "more" })),
        ("", json!({ "client_id": "second" })),
        ("", json!({ "client_id": "third", "text": "hello" })),
    ] {
        let refused = post(&server, path, &body).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "FORBIDDEN"), "{path} {body}");
    }
    let bearer = format!("Bearer {}", server.visitor);
    let path = format!("GET /api/v1/chat/conversations/{id}");
    let read = server.ask(&path, &[("authorization", &bearer)], "").await;
    let read: Value = serde_json::from_str(&read.body).unwrap();
    assert_eq!(read["conversation"]["last_seq"], 2, "{read}");

    set_blocked(&server, workspace, false).await;
    let said = post(&server, &messages, &json!({ "client_id": "m", "text": "more" })).await;
    assert_eq!(said.status, 201, "{said:?}");
}
