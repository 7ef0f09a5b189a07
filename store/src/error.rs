//! What every contract may fail with.

/// Why the store did not do what was asked; nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is away, too busy, or stopped after a failed write. Try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The disk is full. Reads go on; a write may pass once there is room.
    #[error("the disk is full")]
    StorageFull,
    /// The bytes that were read are not those that were written. A person must act.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}
