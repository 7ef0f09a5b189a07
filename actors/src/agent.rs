//! One agent who is there.

mod actor;
mod announced;
mod live;
mod offering;
mod offers;
mod reconcile;
mod sessions;
mod status;

#[cfg(test)]
mod tests;

pub(crate) use actor::activate;
pub(crate) use status::write_status;
