//! Who makes a request: credentials in, [`Caller`]s out. What a caller may do is not decided here (`http/judge.rs` and
//! [`domain::may`]); HTTP is not known here.
//!
//! What was read is kept for a moment, so a revocation holds on the node where it was made at once and on every other
//! node within five seconds. Code that changes a record which [`Identity`] keeps calls the record's `..._changed` function
//! afterwards.

mod accounts;
mod bearer;
mod boot;
mod cache;
mod caller;
mod grace;
mod identity;
mod keys;
mod known_addresses;
mod password;
mod sessions;
mod site_key;
#[cfg(test)]
mod tests;
mod token;
mod visitor_jwt;
mod visitors;

pub use accounts::{AccountError, NewAgent};
pub use caller::{AuthError, Caller, Revoked};
pub use identity::Identity;
pub use keys::{Key, Keys};
pub use password::{Overloaded, Password, Passwords, WeakPassword};
pub use sessions::{LoggedIn, LoginError, PasswordError};
pub use site_key::{fresh_seed, fresh_site_key, site_key_of};
pub use token::{REFRESHES_MAX, SessionId};
pub use visitor_jwt::JwtError;
pub use visitors::{KnownVisitor, VisitorError, VisitorRequest};
