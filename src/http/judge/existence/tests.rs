//! What a stranger is told of a conversation: nothing, whatever they send.

use domain::{Name, Team, TeamId, WorkspaceId};
use serde_json::{Value, json};

use crate::http::table::{BodyKind, Target, Who, table};
use crate::http::testing::{Answer, Server};

async fn ask(server: &Server, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let (bearer, length) = (format!("Bearer {token}"), body.len().to_string());
    let mut headers = vec![("authorization", bearer.as_str())];
    if method != "GET" {
        headers.extend([("content-type", "application/json"), ("content-length", length.as_str())]);
    }
    server.ask(&format!("{method} {path}"), &headers, body).await
}

/// The server with a team, and the path of a conversation that its visitor has begun.
async fn with_conversation() -> (Server, String) {
    let server = Server::start(|limits| {
        (limits.visitor_send_burst, limits.agent_send_burst, limits.changes_burst) = (1000, 1000, 1000);
    })
    .await;
    let (app, workspace) = (&server.app, WorkspaceId::from_hash([1; 16]));
    let team = Team::new(TeamId::from_hash([2; 16]), Name::parse("Support").unwrap());
    store::insert(app.store.records.as_ref(), workspace, team, app.clock.now()).await.unwrap();
    let body = json!({ "client_id": "first", "text": "hello" }).to_string();
    let started = ask(&server, "POST", "/api/v1/chat/conversations", &server.visitor, &body).await;
    let started: Value = serde_json::from_str(&started.body).unwrap();
    let id = started["conversation"]["id"].as_str().unwrap().to_owned();
    (server, id)
}

#[tokio::test]
async fn no_row_tells_a_stranger_what_is_wrong_with_their_request() {
    let (server, _) = with_conversation().await;
    let nobodys = domain::ConversationId::from_hash([9; 16]).to_string();
    let mut asked = 0;
    for row in table().map(|route| &route.row).filter(|row| row.target == Target::Conversation) {
        let path = row.path.replace("{id}", &nobodys);
        let token = if matches!(row.who, Who::Bearer { visitor: true, .. }) {
            &server.visitor
        } else {
            &server.agent
        };
        let bodies: &[&str] = match row.body {
            BodyKind::None => &[""],
            BodyKind::Json | BodyKind::OptionalJson | BodyKind::Multipart => &["{", "[]", r#"{"unknown":1}"#],
        };
        for body in bodies {
            for query in ["", "?unknown=1"] {
                let told = ask(&server, row.method.as_str(), &format!("{path}{query}"), token, body).await;
                assert_eq!(told.status, 404, "{} {path}{query} {body} {told:?}", row.method);
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "{asked}");
}

#[tokio::test]
async fn a_rule_that_only_the_handler_knows_is_told_to_those_who_see_the_conversation_alone() {
    let (server, id) = with_conversation().await;
    let nobodys = domain::ConversationId::from_hash([9; 16]).to_string();
    for (verb, body) in [
        ("end", json!({ "reason": "x".repeat(501) })),
        ("rating", json!({ "score": 6 })),
        ("rating", json!({ "score": 5, "comment": "x".repeat(2001) })),
        ("messages", json!({ "client_id": "", "text": "hello" })),
        ("typing", json!({ "typing": true, "preview": "x".repeat(501) })),
    ] {
        for (id, status) in [(&id, 422), (&nobodys, 404)] {
            let path = format!("/api/v1/chat/conversations/{id}/{verb}");
            let told = ask(&server, "POST", &path, &server.visitor, &body.to_string()).await;
            assert_eq!(told.status, status, "{path} {body} {told:?}");
        }
    }
}
