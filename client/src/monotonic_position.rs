//! The best position of a ticket so far, so that its buyer never sees it rise.

use crate::status::TicketStatus;

/// Keeps the best position that was shown for a ticket.
///
/// Replies can overtake each other: two front nodes may read the store in one order and answer in the other,
/// and a retry puts a ticket back into the queue. Within an epoch the better position remains valid for the
/// buyer.
#[derive(Debug, Default)]
pub(crate) struct MonotonicPosition {
    epoch: u64,
    best: Option<u64>,
}

impl MonotonicPosition {
    /// Starts with a status that was shown.
    pub(crate) fn starting_at(status: &TicketStatus) -> Self {
        Self { epoch: status.epoch(), best: status.position }
    }

    /// The status to show, with a position no worse than before. `None` for a late status of an older epoch,
    /// unless its state is final.
    pub(crate) fn observe(&mut self, mut status: TicketStatus) -> Option<TicketStatus> {
        let epoch = status.epoch();
        if epoch < self.epoch {
            return status.state.is_final().then_some(status);
        }
        if epoch > self.epoch {
            *self = Self { epoch, best: None };
        }
        if let Some(position) = status.position {
            let best = self.best.map_or(position, |best| best.min(position));
            self.best = Some(best);
            status.position = Some(best);
        }
        Some(status)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::status::TicketState;

    fn at(epoch: u64, position: u64) -> TicketStatus {
        TicketStatus {
            ticket_id: format!("shoes/{epoch}/100"),
            state: TicketState::Waiting,
            position: Some(position),
            eta: None,
            poll_after: None,
            order_id: None,
            reason: None,
        }
    }

    #[test]
    fn positions_never_rise_within_an_epoch() {
        let mut position = MonotonicPosition::default();
        let seen: Vec<_> = [9, 12, 5, 7, 1]
            .into_iter()
            .filter_map(|received| position.observe(at(1, received))?.position)
            .collect();
        assert_eq!(seen, [9, 9, 5, 5, 1]);
    }

    proptest! {
        #[test]
        fn positions_never_rise_whatever_the_order_of_replies(
            received in proptest::collection::vec((1..4_u64, 1..20_u64), 0..40),
        ) {
            let mut position = MonotonicPosition::default();
            let seen: Vec<(u64, Option<u64>)> = received
                .iter()
                .filter_map(|(epoch, received)| position.observe(at(*epoch, *received)))
                .map(|status| (status.epoch(), status.position))
                .collect();
            for pair in seen.windows(2) {
                let [(epoch_before, before), (epoch, position)] = pair else { unreachable!() };
                prop_assert!(epoch >= epoch_before);
                prop_assert!(epoch > epoch_before || position <= before);
            }
            prop_assert_eq!(seen.last().map(|(epoch, _)| *epoch), received.iter().map(|(epoch, _)| *epoch).max());
        }
    }

    #[test]
    fn a_new_epoch_resets_the_position_and_late_replies_of_the_old_one_are_dropped() {
        let mut position = MonotonicPosition::starting_at(&at(1, 4));
        assert_eq!(position.observe(at(2, 40)).and_then(|status| status.position), Some(40));
        assert_eq!(position.observe(at(1, 4)), None);
        assert_eq!(position.observe(at(2, 50)).and_then(|status| status.position), Some(40));
        let ordered = TicketStatus { state: TicketState::Ordered, position: None, ..at(1, 1) };
        assert_eq!(position.observe(ordered.clone()), Some(ordered));
    }

    #[test]
    fn the_position_survives_a_processing_state() {
        let mut position = MonotonicPosition::starting_at(&at(1, 2));
        let processing = TicketStatus { state: TicketState::Processing, position: None, ..at(1, 1) };
        assert_eq!(position.observe(processing.clone()), Some(processing));
        assert_eq!(position.observe(at(1, 3)).and_then(|status| status.position), Some(2));
    }
}
