//! The signed ticket.

use std::{fmt, sync::Arc};

/// The length of a ticket's `Debug` form: enough to distinguish two, too little to use one.
const MAX_DEBUG_CHARS: usize = 8;

/// The signed ticket of a buyer, opaque to callers.
///
/// A ticket is enough to poll and cancel it, so treat it like a password: its `Debug` form is shortened and
/// there is no `Display`. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ticket(Arc<str>);

impl Ticket {
    /// A ticket from [`Client::enqueue`](crate::Client::enqueue), perhaps of another process. It is not
    /// checked here: the server checks the signature at every call.
    pub fn new(signed: impl Into<Arc<str>>) -> Self {
        Self(signed.into())
    }

    /// The signed text, for the buyer.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Ticket {
    fn from(signed: String) -> Self {
        Self::new(signed)
    }
}

impl From<&str> for Ticket {
    fn from(signed: &str) -> Self {
        Self::new(signed)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(MAX_DEBUG_CHARS).collect();
        write!(formatter, "Ticket({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;

    #[test]
    fn the_debug_form_does_not_reveal_the_ticket() {
        let ticket = Ticket::from("abcdefghijklmnop");
        assert_eq!(format!("{ticket:?}"), "Ticket(abcdefgh…)");
        assert_eq!(ticket.as_str(), "abcdefghijklmnop");
    }
}
