//! The signed ticket.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use bytes::Bytes;

/// The length of a ticket's `Debug` form: enough to distinguish two, too little to use one.
const MAX_DEBUG_CHARS: usize = 8;

/// The signed ticket of a buyer, opaque to callers.
///
/// A ticket is enough to poll and cancel it, so treat it like a password: its `Debug` form is shortened and
/// there is no `Display`. Cloning copies two pointers.
///
/// A ticket of [`Client::enqueue`](crate::Client::enqueue) remembers what was requested, so that it is restored without
/// further code if the server's store loses it while it is followed or watched; its text does not contain that.
#[derive(Clone)]
pub struct Ticket {
    signed: Arc<str>,
    request: Option<Arc<TicketRequest>>,
}

/// What a ticket was requested with.
#[derive(Debug)]
pub(crate) struct TicketRequest {
    pub(crate) sale: String,
    pub(crate) buyer: String,
    pub(crate) units: u64,
    pub(crate) payload: Bytes,
}

impl Ticket {
    /// A ticket from [`Client::enqueue`](crate::Client::enqueue), perhaps of another process. It is not
    /// checked here: the server checks the signature at every call.
    pub fn new(signed: impl Into<Arc<str>>) -> Self {
        Self { signed: signed.into(), request: None }
    }

    /// The same ticket with what it was requested with, so that it can be restored.
    #[must_use]
    pub fn requested_with(
        self,
        sale: impl Into<String>,
        buyer: impl Into<String>,
        units: u64,
        payload: impl Into<Bytes>,
    ) -> Self {
        self.with_request(TicketRequest {
            sale: sale.into(),
            buyer: buyer.into(),
            units,
            payload: payload.into(),
        })
    }

    pub(crate) fn with_request(self, request: TicketRequest) -> Self {
        Self { request: Some(Arc::new(request)), ..self }
    }

    pub(crate) fn request(&self) -> Option<&Arc<TicketRequest>> {
        self.request.as_ref()
    }

    /// The signed text, for the buyer.
    pub fn as_str(&self) -> &str {
        &self.signed
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.signed == other.signed
    }
}

impl Eq for Ticket {}

impl Hash for Ticket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signed.hash(state);
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
        let shown: String = self.signed.chars().take(MAX_DEBUG_CHARS).collect();
        write!(formatter, "Ticket({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;

    #[test]
    fn the_debug_form_does_not_reveal_the_ticket() {
        let ticket = Ticket::from("abcdefghijklmnop").requested_with("shoes", "ann", 1, "payload");
        assert_eq!(format!("{ticket:?}"), "Ticket(abcdefgh…)");
        assert_eq!(ticket.as_str(), "abcdefghijklmnop");
        assert_eq!(ticket, Ticket::from("abcdefghijklmnop"), "the text alone identifies it");
    }
}
