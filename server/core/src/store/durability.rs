//! How durable an acknowledged change is.

/// How durable an acknowledged change is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// In the store's memory.
    #[default]
    Memory,
    /// On the store's disk.
    Fsync,
    /// In the memory of a second server: a replica has acknowledged it.
    Replicated,
}
