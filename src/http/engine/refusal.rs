//! An error as an answer of HTTP.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::reply::Reply;
use crate::errors::{ApiError, ErrorBody, RequestId};

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

impl ApiError {
    /// The answer to the request of this name.
    pub(crate) fn reply(&self, request_id: &RequestId) -> Reply {
        let mut reply = Reply::json(self.code().status(), &Envelope { error: self.body(request_id) });
        for (name, value) in self.headers() {
            reply = reply.with_header(name.clone(), value.clone());
        }
        if self.code().status() == StatusCode::UNAUTHORIZED {
            reply = reply.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = self.wait_ms() {
            // Whole seconds, never too early.
            reply = reply.with_header(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use identity::AuthError;

    use super::*;
    use crate::errors::Detail;

    #[test]
    fn the_client_is_told_code_and_message_and_never_the_cause() {
        let id = RequestId::given("r-1").unwrap();
        let error = ApiError::from(store::StoreError::Corrupt("secret path".into()));
        let reply = error.reply(&id);
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = reply.text();
        assert_eq!(
            text,
            r#"{"error":{"code":"INTERNAL","message":"something went wrong on our side","request_id":"r-1"}}"#
        );
    }

    #[test]
    fn a_code_with_several_causes_says_which_it_was() {
        use domain::{Absent, Rejection, Stale};
        let id = RequestId::given("r-1").unwrap();
        let gone = ApiError::from(Rejection::StaleAssignment(Stale::AgentGone)).reply(&id);
        assert!(gone.text().contains(r#""code":"STALE_ASSIGNMENT""#), "{}", gone.text());
        assert!(gone.text().contains(r#""details":{"reason":"agent_gone"}"#), "{}", gone.text());
        for (rejection, reason) in [
            (Rejection::StaleAssignment(Stale::TakenOver), "taken_over"),
            (Rejection::StaleAssignment(Stale::Transfer), "transfer"),
            (Rejection::StaleAssignment(Stale::Moved), "moved"),
            (Rejection::AgentOffline(Absent::Offline), "offline"),
            (Rejection::AgentOffline(Absent::AgentGone), "agent_gone"),
            (Rejection::AgentOffline(Absent::Disabled), "disabled"),
        ] {
            let text = ApiError::from(rejection).reply(&id).text();
            assert!(text.contains(&format!(r#""details":{{"reason":"{reason}"}}"#)), "{text}");
        }
    }

    #[test]
    fn a_message_says_the_rule_itself() {
        let two =
            vec![Detail::new("text", "must be at most 16384 bytes"), Detail::new("", "must be an object")];
        let text = ApiError::invalid(two).reply(&RequestId::given("r-1").unwrap()).text();
        assert!(
            text.contains(r#""message":"text must be at most 16384 bytes; must be an object""#),
            "{text}"
        );
    }

    #[test]
    fn what_passes_by_itself_says_when_to_try_again_and_a_401_how_to_authenticate() {
        let id = RequestId::given("r-1").unwrap();
        let busy = ApiError::overloaded("busy").retry_after_ms(1_001).reply(&id);
        assert_eq!(busy.header(&header::RETRY_AFTER).unwrap(), "2");
        assert!(busy.text().contains(r#""retry_after_ms":1001"#));
        let unknown = ApiError::from(AuthError::Invalid).reply(&id);
        assert_eq!(unknown.header(&header::WWW_AUTHENTICATE).unwrap(), "Bearer");
        let wrong = ApiError::invalid_field("text", "must not be blank").reply(&id);
        assert!(wrong.text().contains(r#""details":[{"field":"text","rule":"must not be blank"}]"#));
    }
}
