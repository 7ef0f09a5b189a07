//! The public keys of sites.

use domain::Line;
use uuid::Uuid;

/// A key for a new site. The key is public, so it need not be secret; but nobody can guess it from the key of another site.
pub fn fresh_site_key() -> Line<64> {
    site_key_of(fresh_seed())
}

/// A random seed for a site's key.
pub fn fresh_seed() -> Uuid {
    Uuid::from_bytes(rand::random())
}

/// The key that is made of this seed: the same seed makes the same key, so a request that is repeated makes one key.
pub fn site_key_of(seed: Uuid) -> Line<64> {
    Line::parse(&format!("pk_{}", seed.simple())).expect("it is 35 visible characters")
}
