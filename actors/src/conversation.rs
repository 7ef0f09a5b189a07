//! One conversation that somebody talks in.

mod activate;
mod actor;
mod append;
mod confirm;
mod create;
mod draft;
mod execute;
mod listen;
mod listeners;
mod live;
mod marks;
mod notify;
mod presence;
mod read;
mod standing;
#[cfg(test)]
mod tests;
mod typing;

pub(crate) use activate::activate;
pub(crate) use create::create;
