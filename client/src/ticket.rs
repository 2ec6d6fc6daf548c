//! The signed ticket.

use std::{fmt, sync::Arc};

/// How much of a ticket its `Debug` form shows: enough to tell two apart, too little to use one.
const MAX_DEBUG_CHARS: usize = 8;

/// A buyer's place in a sale's line, signed by Inrush and opaque to everybody else.
///
/// Whoever holds a ticket can ask about it and cancel it, so treat it like a password: its `Debug` form is
/// shortened and there is no `Display`. Cloning one copies a pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ticket(Arc<str>);

impl Ticket {
    /// A ticket as it came from [`Client::enqueue`](crate::Client::enqueue), perhaps in another process.
    /// Nothing is checked here: the server checks the signature at every call.
    pub fn new(signed: impl Into<Arc<str>>) -> Self {
        Self(signed.into())
    }

    /// The signed text, to be handed to the buyer.
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
    fn debug_form_does_not_give_the_ticket_away() {
        let ticket = Ticket::from("abcdefghijklmnop");
        assert_eq!(format!("{ticket:?}"), "Ticket(abcdefgh…)");
        assert_eq!(ticket.as_str(), "abcdefghijklmnop");
    }
}
