//! How much one person, one address or one workspace may ask of this node: how often ([`Rates`]), how much to read and how
//! many reads at once ([`reads`]), how many places at once ([`seats`]), how
//! much memory for bodies ([`memory`]), and one at a time ([`turns`]). HTTP and sockets take
//! from the same buckets.

mod buckets;
pub mod memory;
pub mod reads;
pub mod seats;
pub mod turns;

pub use buckets::{Bucket, Key, Limit, Quota, Rates, Verdict};
pub(crate) use buckets::{RATELIMIT, RATELIMIT_POLICY, headers_of_taken};
