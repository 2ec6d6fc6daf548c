//! The ids of buyers and tickets.

/// A buyer, by number: the `n`-th to arrive.
pub type Buyer = u32;

/// The id of a buyer, 16 bytes as a real one has.
pub fn buyer_id(buyer: Buyer) -> String {
    format!("buyer-{buyer:010}")
}

/// The buyer of an id made by [`buyer_id`]; `None` for any other id.
pub fn buyer_of(id: &str) -> Option<Buyer> {
    id.strip_prefix("buyer-").and_then(|number| number.parse().ok())
}

/// Sale, epoch and number of a ticket's name, `sale/epoch/seq`.
pub fn ticket_parts(ticket_id: &str) -> Option<(&str, u64, u64)> {
    let (rest, seq) = ticket_id.rsplit_once('/')?;
    let (sale, epoch) = rest.rsplit_once('/')?;
    Some((sale, epoch.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(buyer_of(&buyer_id(4_000_000_000)), Some(4_000_000_000));
        assert_eq!(buyer_of("alice"), None);
        assert_eq!(ticket_parts("phone-x/17/42"), Some(("phone-x", 17, 42)));
        assert_eq!(ticket_parts("phone-x/42"), None);
    }
}
