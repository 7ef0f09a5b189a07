//! Origins of pages: their one spelling ([`spelling`]), and which of them this server and its sites list.

mod known;
pub(crate) mod spelling;

pub use known::Origins;
