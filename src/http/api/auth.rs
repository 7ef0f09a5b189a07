//! Agents' log-ins: begun, renewed, ended, and given a new password.

use std::net::IpAddr;
use std::time::Duration;

use domain::{Agent, Email};
use http::Method;
use identity::{Caller, LoggedIn, LoginError, PasswordError, SessionId};
use serde::{Deserialize, Serialize};
use store::Versioned;
use utoipa::ToSchema;

use super::admin::agents::AgentJson;
use super::fields::{GivenPassword, NewPassword};
use super::once::overloaded;
use super::versioned::{agent_of, found, no_query, workspace_of};
use crate::app::App;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::rates::{Key, Limit};
use crate::schema;
use crate::telemetry::OFTEN;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/auth/login",
            target: Target::Open,
            who: Who::LogIn,
            rates: &[Rate::LogIns],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Log in; wrong log-ins are counted by account and address together, by address, and by account, beyond \
                      which only addresses that logged in within 30 days may try",
                tag: "auth",
                request: Some(SchemaOf::of::<LoginJson>()),
                answers: TOKENS_ANSWERS,
                errors: &[ErrorCode::InvalidCredentials, ErrorCode::Overloaded],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(login(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/auth/refresh",
            target: Target::Open,
            who: Who::LogIn,
            rates: &[Rate::Changes],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Exchange a refresh token; it may be used again for 30 s after its first use, and later ends the whole \
                      log-in",
                tag: "auth",
                request: Some(SchemaOf::of::<RefreshJson>()),
                answers: TOKENS_ANSWERS,
                errors: TOKEN_ERRORS,
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(refresh(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/auth/logout",
            target: Target::Open,
            who: Who::LogIn,
            rates: &[Rate::Changes],
            body: BodyKind::Json,
            doc: Doc {
                summary: "End a log-in: its refresh token, access tokens and sockets",
                tag: "auth",
                request: Some(SchemaOf::of::<RefreshJson>()),
                answers: &[AnswerDoc { status: 204, description: "It has ended.", body: None }],
                errors: TOKEN_ERRORS,
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(logout(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/auth/password",
            target: Target::Open,
            who: Who::AGENT,
            rates: &[Rate::LogIns],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Set a new password; all other log-ins end",
                tag: "auth",
                request: Some(SchemaOf::of::<PasswordJson>()),
                answers: &[AnswerDoc { status: 204, description: "It holds.", body: None }],
                errors: &[ErrorCode::InvalidCredentials, ErrorCode::Overloaded],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(password(call)),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/auth/me",
            target: Target::Open,
            who: Who::AGENT,
            rates: &[Rate::Reads],
            body: BodyKind::None,
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
        handler: |call| Box::pin(me(call)),
    },
];

const TOKENS_ANSWERS: &[AnswerDoc] = &[AnswerDoc {
    status: 200,
    description: "The tokens, and whose they are.",
    body: Some(SchemaOf::of::<TokensJson>()),
}];

const TOKEN_ERRORS: &[ErrorCode] =
    &[ErrorCode::InvalidToken, ErrorCode::TokenExpired, ErrorCode::TokenRevoked];

/// The agent who logs in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ann@example.org", "password": "correct horse"}))]
#[serde(deny_unknown_fields)]
pub struct LoginJson {
    /// In any case.
    #[schema(value_type = schema::GivenEmail)]
    email: String,
    /// As it was set.
    #[schema(value_type = GivenPassword)]
    password: String,
}

/// A log-in, by its newest refresh token.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"refresh_token": "as the log-in gave it"}))]
#[serde(deny_unknown_fields)]
pub struct RefreshJson {
    #[schema(value_type = schema::Token)]
    refresh_token: String,
}

/// A new password, by its owner.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"current": "correct horse", "new": "battery staple"}))]
#[serde(deny_unknown_fields)]
pub struct PasswordJson {
    /// The present one.
    #[schema(value_type = GivenPassword)]
    current: String,
    /// 8 to 1024 bytes.
    #[schema(value_type = NewPassword)]
    new: String,
}

/// The tokens of a log-in; they are shown once.
#[derive(Serialize, ToSchema)]
pub struct TokensJson {
    /// For the `Authorization` header.
    #[schema(value_type = schema::Token)]
    access_token: String,
    /// For the next pair, within 30 days. It may be used again for 30 s after its first use, for when the answer was lost.
    #[schema(value_type = schema::Token)]
    refresh_token: String,
    /// How long the access token is good.
    #[schema(value_type = schema::Count)]
    expires_in_s: u64,
    /// The agent who logged in.
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
    let client = call.peer;
    let guess = Guess::take(app, client, Email::parse(&email).ok().as_ref()).await.inspect_err(|_| {
        tracing::info!(target: OFTEN, %client, "log-ins are locked for a while: too many wrong ones");
    })?;
    match app.identity.login(&email, &password).await {
        Ok(logged_in) => {
            guess.give_back(app);
            remember(app, &logged_in, client).await;
            TokensJson::reply(app, logged_in).await
        }
        Err(LoginError::Credentials) => {
            tracing::info!(target: OFTEN, %client, "a log-in was refused: wrong e-mail or password, or a disabled agent");
            Err(wrong_credentials("the e-mail or the password is wrong"))
        }
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
    let key = SessionId::named_by(&refresh_token).map(Key::of_log_in);
    let verdict = key.and_then(|key| call.app.rates.take(Limit::RefreshesOfLogIn, key));
    if let Some(wait) = verdict.and_then(|verdict| verdict.retry_after) {
        return Err(ApiError::too_often(wait));
    }
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
    // A holder of an access token alone must not come to the password by trying.
    let guess = Guess::take(app, call.peer, Some(&agent.email)).await?;
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

/// From this address the account may be tried even while it is guessed at from everywhere.
async fn remember(app: &App, logged_in: &LoggedIn, address: IpAddr) {
    let address = Key::of_address(address);
    let (workspace, agent) = (logged_in.workspace, logged_in.agent.id);
    let noted = app.identity.remember_address(&app.keys, workspace, agent, address.as_bytes()).await;
    if let Err(error) = noted {
        tracing::warn!(%agent, %error, "the address of a log-in was not noted");
    }
}

/// A password that is about to be tried, counted beforehand: of many that are tried at once no more pass than of those
/// that come one after the other.
struct Guess {
    taken: Vec<(Limit, Key)>,
}

impl Guess {
    /// Takes one of the address, one of the account from there, and one of the account from everywhere, whether or not there
    /// is such an account. What is no e-mail address is nobody's account.
    async fn take(app: &App, address: IpAddr, account: Option<&Email>) -> Result<Self, ApiError> {
        let address = Key::of_address(address);
        let mut guess = Self { taken: Vec::new() };
        let Some(account) = account else {
            guess.take_one(app, Limit::LoginsOfAddress, address).map_err(ApiError::too_often)?;
            return Ok(guess);
        };
        let here = Key::of_account_from(account, address);
        let taken = guess
            .take_one(app, Limit::LoginsOfAddress, address)
            .and_then(|()| guess.take_one(app, Limit::LoginsOfAccount, here));
        let Err(wait) = taken
            .and_then(|()| guess.take_one(app, Limit::LoginsOfAccountEverywhere, Key::of_account(account)))
        else {
            return Ok(guess);
        };
        let known = match taken {
            Ok(()) => app.identity.knows_address(&app.keys, account, address.as_bytes()).await,
            Err(_) => Ok(false),
        };
        match known {
            Ok(true) => Ok(guess),
            // Nothing was tried, so it is no guess at all.
            Ok(false) => {
                guess.give_back(app);
                Err(ApiError::too_often(wait))
            }
            Err(error) => {
                guess.give_back(app);
                Err(error.into())
            }
        }
    }

    /// Or says how long until there is one.
    fn take_one(&mut self, app: &App, limit: Limit, key: Key) -> Result<(), Duration> {
        match app.rates.take(limit, key).and_then(|verdict| verdict.retry_after) {
            Some(wait) => Err(wait),
            None => {
                self.taken.push((limit, key));
                Ok(())
            }
        }
    }

    /// It was right, or was not looked at.
    fn give_back(self, app: &App) {
        for (limit, key) in self.taken {
            app.rates.give_back(limit, key);
        }
    }
}
