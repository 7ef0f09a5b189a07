//! One team's router.

mod actor;
mod declined;
mod members;
mod offering;
mod positions;
mod questions;
mod queue;
mod recall;
mod reconcile;
mod router;

pub(crate) use actor::start;
