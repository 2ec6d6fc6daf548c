//! Who calls.

/// The caller of a call, as authentication has found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Nothing is known about the caller: authentication is not configured.
    Anonymous,
}
