//! The calls that nearly every test makes, each a line over [`Api::call`].

use anyhow::Context;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::api::Api;

/// A visitor with their token.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Their id.
    pub visitor_id: String,
    /// Their bearer token.
    pub token: String,
}

/// An agent who has logged in.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Their id.
    pub agent_id: String,
    /// Their bearer token.
    pub token: String,
    /// For the next token.
    pub refresh_token: String,
}

impl Visitor {
    /// From the answer of `POST /chat/visitors`.
    pub fn from_body(body: &Value) -> anyhow::Result<Self> {
        Ok(Self { visitor_id: text(&body["visitor_id"])?, token: text(&body["token"])? })
    }
}

impl Agent {
    /// From the answer of `POST /auth/login`.
    pub fn from_body(body: &Value) -> anyhow::Result<Self> {
        let (agent_id, token) = (text(&body["agent"]["id"])?, text(&body["access_token"])?);
        Ok(Self { agent_id, token, refresh_token: text(&body["refresh_token"])? })
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} where a text should be"))
}

impl Api {
    /// Makes a new visitor.
    pub async fn visitor(&self, site_key: &str) -> anyhow::Result<Visitor> {
        Visitor::from_body(&self.try_visitor(site_key).await?.expect(201)?)
    }

    /// Asks for a new visitor, and gives the answer whatever it is.
    pub async fn try_visitor(&self, site_key: &str) -> anyhow::Result<Answer> {
        self.post("/api/v1/chat/visitors").site(site_key).json(&json!({})).send().await
    }

    /// Logs an agent in.
    pub async fn login(&self, email: &str, password: &str) -> anyhow::Result<Agent> {
        Agent::from_body(&self.try_login(email, password).await?.expect(200)?)
    }

    /// Asks to log an agent in, and gives the answer whatever it is.
    pub async fn try_login(&self, email: &str, password: &str) -> anyhow::Result<Answer> {
        let body = json!({ "email": email, "password": password });
        self.post("/api/v1/auth/login").json(&body).send().await
    }

    /// Starts a conversation, with its first message if there is a text.
    pub async fn start_conversation(
        &self,
        token: &str,
        client_id: &str,
        text: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut body = json!({ "client_id": client_id });
        if let Some(text) = text {
            body["text"] = text.into();
        }
        self.post("/api/v1/chat/conversations").bearer(token).json(&body).send().await
    }

    /// Sends a message.
    pub async fn post_message(
        &self,
        token: &str,
        conversation_id: &str,
        client_id: &str,
        text: &str,
    ) -> anyhow::Result<Answer> {
        let body = json!({ "client_id": client_id, "text": text });
        let path = format!("/api/v1/chat/conversations/{conversation_id}/messages");
        self.post(path).bearer(token).json(&body).send().await
    }

    /// Reads a conversation and its last events.
    pub async fn conversation(&self, token: &str, conversation_id: &str) -> anyhow::Result<Answer> {
        self.get(format!("/api/v1/chat/conversations/{conversation_id}")).bearer(token).send().await
    }

    /// Pages a log; `query` as in `after=0&limit=200`.
    pub async fn events(&self, token: &str, conversation_id: &str, query: &str) -> anyhow::Result<Answer> {
        let path = format!("/api/v1/chat/conversations/{conversation_id}/events?{query}");
        // A long poll may take 25 s.
        self.get(path).bearer(token).patience(std::time::Duration::from_secs(35)).send().await
    }

    /// Ends a conversation.
    pub async fn end(&self, token: &str, conversation_id: &str) -> anyhow::Result<Answer> {
        self.post(format!("/api/v1/chat/conversations/{conversation_id}/end")).bearer(token).send().await
    }

    /// Takes a conversation.
    pub async fn accept(&self, token: &str, conversation_id: &str) -> anyhow::Result<Answer> {
        self.post(format!("/api/v1/chat/agent/conversations/{conversation_id}/accept"))
            .bearer(token)
            .send()
            .await
    }

    /// Sets an agent's will: `online`, `away` or `offline`.
    pub async fn set_status(&self, token: &str, status: &str) -> anyhow::Result<Answer> {
        self.put("/api/v1/chat/agent/status").bearer(token).json(&json!({ "status": status })).send().await
    }
}
