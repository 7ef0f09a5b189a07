//! A socket's first answer.

use std::sync::Arc;

use cluster::AgentView;
use identity::Caller;

use super::close::Close;
use super::frames::{Frame, Hello, LimitsJson, OfferJson, PrincipalJson, Welcome, WelcomeAgent};
use super::requests::Stop;
use super::session::Session;
use crate::conversations;
use crate::conversations::people;
use crate::errors::{ApiError, ErrorCode};
use crate::json::{ConversationJson, Rfc3339};

/// A socket may name this many conversations in its hello.
const RESUMES_MAX: usize = 200;

impl Session {
    /// Answers the hello: the welcome, then each resumed conversation as by `subscribe`, and a
    /// visitor's places in queues.
    pub(super) async fn welcome(&mut self, hello: &Hello, view: Option<AgentView>) -> Result<(), Close> {
        let app = Arc::clone(&self.app);
        let (kind, id, site_id) = match &self.caller {
            Caller::Visitor { visitor, site, .. } => {
                ("visitor", visitor.id.to_string(), Some(site.to_string()))
            }
            Caller::Agent { agent, .. } => ("agent", agent.id.to_string(), None),
            Caller::Anonymous | Caller::Site { .. } => return Err(Close::Unauthenticated),
        };
        let (mut heads, mut offers) = (Vec::new(), Vec::new());
        for conversation in view.iter().flat_map(|view| &view.conversations) {
            // One that cannot be read now is told of by its next event.
            if let Ok(Some(head)) = app.store.heads.get(self.key(*conversation)).await {
                heads.push((*conversation, people::named(&app.identity, self.workspace, &head).await));
            }
        }
        for (conversation, expires_at) in view.iter().flat_map(|view| &view.offers) {
            let key = self.key(*conversation);
            if let Ok(Some(head)) = app.store.heads.get(key).await {
                let place = conversations::place(&app, key, &head).await;
                let head = people::named(&app.identity, self.workspace, &head).await;
                offers.push((*conversation, head, place, *expires_at));
            }
        }
        let audience = self.who.audience();
        let agent = view.map(|view| WelcomeAgent {
            status: view.status,
            capacity: view.capacity,
            held: heads.iter().map(|(id, head)| ConversationJson::of(*id, head, audience)).collect(),
            offers: offers
                .iter()
                .map(|(id, head, place, expires_at)| OfferJson {
                    conversation: ConversationJson::of(*id, head, audience).placed(*place, audience),
                    expires_at: Rfc3339(*expires_at),
                })
                .collect(),
        });
        let limits = &app.config.limits;
        let welcome = Welcome {
            reply_to: hello.id.as_deref(),
            session_id: self.request_id.as_str().to_owned(),
            principal: PrincipalJson { kind, id, workspace_id: self.workspace.to_string(), site_id },
            heartbeat_s: limits.ping_interval_s,
            limits: LimitsJson {
                frame_bytes_max: limits.frame_bytes_max,
                text_bytes_max: limits.text_bytes_max,
                upload_bytes_max: limits.upload_bytes_max,
                frames_burst: limits.frames_burst,
                frames_per_s: limits.frames_per_s,
                subscriptions_per_socket: limits.subscriptions_per_socket,
            },
            agent,
        };
        self.write(&Frame::Welcome(Box::new(welcome))).await?;
        if hello.resume.len() > RESUMES_MAX {
            let error = ApiError::invalid_field("resume", "must be at most 200 conversations");
            self.settle(Err(error.into()), hello.id.as_deref(), None).await?;
            return self.write_positions().await;
        }
        if !hello.resume.is_empty() && !self.charge_subscriptions(hello.resume.len()) {
            // One who comes again and again with all conversations pays for the last time first.
            return Err(Close::Overloaded);
        }
        for resume in &hello.resume {
            let resumed = self.subscribe(hello.id.as_deref(), &resume.conversation_id, resume.after).await;
            if let Err(Stop::Refuse(error)) = &resumed
                && matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Overloaded)
            {
                // It passes by itself: the client comes back, and resumes all that it wanted or nothing.
                error.log(&self.request_id);
                return Err(Close::Overloaded);
            }
            self.settle(resumed, hello.id.as_deref(), Some(&resume.conversation_id)).await?;
        }
        self.write_positions().await
    }
}
