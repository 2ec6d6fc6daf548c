//! What has been told about a ticket so far, so that its buyer never sees it fall back.

use crate::status::TicketStatus;

/// Remembers the best place a ticket was told to have.
///
/// Answers can overtake each other: two front nodes may look at the store in one order and be heard in the
/// other, and a retry puts a ticket back in line. Within an epoch the better place stays true for the buyer.
#[derive(Debug, Default)]
pub(crate) struct MonotonicPosition {
    epoch: u64,
    best: Option<u64>,
}

impl MonotonicPosition {
    /// A standing that has been told already.
    pub(crate) fn starting_at(status: &TicketStatus) -> Self {
        Self { epoch: status.epoch(), best: status.position }
    }

    /// The status as the buyer may see it: its position no worse than before. `None` for a straggler of an
    /// older epoch, which only a final state survives.
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
        fn whatever_is_heard_nobody_is_told_to_have_fallen_back(
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
    fn a_new_epoch_starts_afresh_and_stragglers_of_the_old_one_are_dropped() {
        let mut position = MonotonicPosition::starting_at(&at(1, 4));
        assert_eq!(position.observe(at(2, 40)).and_then(|status| status.position), Some(40));
        assert_eq!(position.observe(at(1, 4)), None);
        assert_eq!(position.observe(at(2, 50)).and_then(|status| status.position), Some(40));
        let ordered = TicketStatus { state: TicketState::Ordered, position: None, ..at(1, 1) };
        assert_eq!(position.observe(ordered.clone()), Some(ordered));
    }

    #[test]
    fn a_turn_at_processing_does_not_lose_the_place() {
        let mut position = MonotonicPosition::starting_at(&at(1, 2));
        let processing = TicketStatus { state: TicketState::Processing, position: None, ..at(1, 1) };
        assert_eq!(position.observe(processing.clone()), Some(processing));
        assert_eq!(position.observe(at(1, 3)).and_then(|status| status.position), Some(2));
    }
}
