//! Agents' log-ins: begun, renewed, ended, and given a new password.

use std::net::IpAddr;

use domain::{Agent, Email};
use http::Method;
use serde::{Deserialize, Serialize};
use store::Versioned;
use utoipa::ToSchema;

use super::admin::agents::AgentJson;
use super::once::overloaded;
use super::versioned::{agent_of, found, no_query, workspace_of};
use crate::http::App;
use crate::http::call::Call;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::judge::rate_limited;
use crate::http::rate::{Key, Limit};
use crate::http::reply::Reply;
use crate::http::routes::{AnswerDoc, BodyKind, Doc, Rate, Route, SchemaOf, Who};
use crate::identity::{Caller, LoggedIn, LoginError, PasswordError};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/api/v1/auth/login",
        who: Who::LogIn,
        rates: &[Rate::LogIns],
        body: BodyKind::Json,
        handler: |call| Box::pin(login(call)),
        doc: Doc {
            summary: "Log in; wrong log-ins are counted by account and by address",
            tag: "auth",
            request: Some(SchemaOf::of::<LoginJson>()),
            answers: TOKENS_ANSWERS,
            errors: &[ErrorCode::InvalidCredentials, ErrorCode::Overloaded],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/auth/refresh",
        who: Who::LogIn,
        rates: &[],
        body: BodyKind::Json,
        handler: |call| Box::pin(refresh(call)),
        doc: Doc {
            summary: "Exchange a refresh token; one that was exchanged before ends the whole log-in",
            tag: "auth",
            request: Some(SchemaOf::of::<RefreshJson>()),
            answers: TOKENS_ANSWERS,
            errors: TOKEN_ERRORS,
            ..Doc::NONE
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/auth/logout",
        who: Who::LogIn,
        rates: &[],
        body: BodyKind::Json,
        handler: |call| Box::pin(logout(call)),
        doc: Doc {
            summary: "End a log-in: its refresh token, access tokens and sockets",
            tag: "auth",
            request: Some(SchemaOf::of::<RefreshJson>()),
            answers: &[AnswerDoc { status: 204, description: "It has ended.", body: None }],
            errors: TOKEN_ERRORS,
            ..Doc::NONE
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/auth/password",
        who: Who::AGENT,
        rates: &[Rate::LogIns],
        body: BodyKind::Json,
        handler: |call| Box::pin(password(call)),
        doc: Doc {
            summary: "Set a new password; all other log-ins end",
            tag: "auth",
            request: Some(SchemaOf::of::<PasswordJson>()),
            answers: &[AnswerDoc { status: 204, description: "It holds.", body: None }],
            errors: &[ErrorCode::InvalidCredentials, ErrorCode::Overloaded],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/auth/me",
        who: Who::AGENT,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(me(call)),
        doc: Doc {
            summary: "Read oneself",
            tag: "auth",
            answers: &[AnswerDoc {
                status: 200,
                description: "The agent who asks.",
                body: Some(SchemaOf::of::<AgentJson>()),
            }],
            ..Doc::NONE
        },
    },
];

const TOKENS_ANSWERS: &[AnswerDoc] = &[AnswerDoc {
    status: 200,
    description: "The tokens, and whose they are.",
    body: Some(SchemaOf::of::<TokensJson>()),
}];

const TOKEN_ERRORS: &[ErrorCode] =
    &[ErrorCode::InvalidToken, ErrorCode::TokenExpired, ErrorCode::TokenRevoked];

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginJson {
    /// In any case.
    email: String,
    /// As it was set.
    password: String,
}

/// A log-in, by its newest refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshJson {
    refresh_token: String,
}

/// A new password, by its owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordJson {
    /// The present one.
    current: String,
    /// 8 to 1024 bytes.
    new: String,
}

/// The tokens of a log-in; they are shown once.
#[derive(Serialize, ToSchema)]
pub struct TokensJson {
    /// For the `Authorization` header.
    access_token: String,
    /// For the next pair; good for one exchange, within 30 days.
    refresh_token: String,
    /// How long the access token is good.
    expires_in_s: u64,
    /// Who logged in.
    agent: AgentJson,
}

impl TokensJson {
    async fn reply(app: &App, logged_in: LoggedIn) -> Result<Reply, ApiError> {
        let (workspace, id) = (logged_in.workspace, logged_in.agent.id);
        let agent: Versioned<Agent> = found(app, workspace, &id.to_string()).await?;
        let teams = app.identity.teams(workspace).await?;
        Ok(Reply::ok(&Self {
            access_token: logged_in.access_token,
            refresh_token: logged_in.refresh_token,
            expires_in_s: logged_in.expires_in_s,
            agent: AgentJson::of(&agent, &teams),
        }))
    }
}

async fn login(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let LoginJson { email, password } = call.json().await?;
    let app = &call.app;
    let guess = Guess::take(app, call.peer, Email::parse(&email).ok().as_ref())?;
    match app.identity.login(&email, &password).await {
        Ok(logged_in) => {
            guess.give_back(app);
            TokensJson::reply(app, logged_in).await
        }
        Err(LoginError::Credentials) => Err(wrong_credentials("the e-mail or the password is wrong")),
        Err(LoginError::Overloaded(error)) => {
            guess.give_back(app);
            Err(overloaded(error))
        }
        Err(LoginError::Store(error)) => {
            guess.give_back(app);
            Err(error.into())
        }
    }
}

async fn refresh(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let RefreshJson { refresh_token } = call.json().await?;
    let logged_in = call.app.identity.refresh(&refresh_token).await?;
    TokensJson::reply(&call.app, logged_in).await
}

async fn logout(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let RefreshJson { refresh_token } = call.json().await?;
    call.app.identity.logout(&refresh_token).await?;
    Ok(Reply::no_content())
}

async fn password(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let PasswordJson { current, new } = call.json().await?;
    let Caller::Agent { workspace, agent, session, .. } = &call.caller else {
        return Err(ApiError::not_found());
    };
    let app = &call.app;
    // Who holds an access token alone must not come to the password by trying.
    let guess = Guess::take(app, call.peer, Some(&agent.email))?;
    let error = match app.identity.change_password(*workspace, agent.id, *session, &current, &new).await {
        Ok(()) => {
            guess.give_back(app);
            return Ok(Reply::no_content());
        }
        Err(PasswordError::Credentials) => return Err(wrong_credentials("the current password is wrong")),
        Err(PasswordError::Weak(rule)) => ApiError::invalid_field("new", rule.to_string()),
        Err(PasswordError::Overloaded(error)) => overloaded(error),
        Err(PasswordError::Auth(error)) => error.into(),
        Err(PasswordError::Store(error)) => error.into(),
    };
    guess.give_back(app);
    Err(error)
}

fn wrong_credentials(message: &'static str) -> ApiError {
    ApiError::new(ErrorCode::InvalidCredentials, message)
}

async fn me(call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let workspace = workspace_of(&call)?;
    let agent: Versioned<Agent> = found(&call.app, workspace, &agent_of(&call)?.id.to_string()).await?;
    let teams = call.app.identity.teams(workspace).await?;
    Ok(Reply::ok(&AgentJson::of(&agent, &teams)))
}

/// A password that is about to be tried, counted beforehand: of many that are tried at once no more pass than of those
/// that come one after the other.
struct Guess {
    address: Key,
    account: Option<Key>,
}

impl Guess {
    /// Takes one of the address and one of the account, whether or not there is such an account. What is no e-mail
    /// address is nobody's account.
    fn take(app: &App, address: IpAddr, account: Option<&Email>) -> Result<Self, ApiError> {
        let (address, account) = (Key::of_address(address), account.map(Key::of_account));
        let over = |limit, key| app.rates.take(limit, key).and_then(|verdict| verdict.retry_after);
        if let Some(wait) = over(Limit::LoginsOfAddress, address) {
            return Err(rate_limited(wait));
        }
        if let Some(wait) = account.and_then(|account| over(Limit::LoginsOfAccount, account)) {
            // Nothing was tried, so it is no guess of the address either.
            app.rates.give_back(Limit::LoginsOfAddress, address);
            return Err(rate_limited(wait));
        }
        Ok(Self { address, account })
    }

    /// It was right, or was not looked at.
    fn give_back(self, app: &App) {
        app.rates.give_back(Limit::LoginsOfAddress, self.address);
        if let Some(account) = self.account {
            app.rates.give_back(Limit::LoginsOfAccount, account);
        }
    }
}
