//! One order stream as the window sees it: whether it is up, its credit, and the queue into it.

use inrush_proto::v1::OrderRequest;
use tokio::sync::mpsc;

/// The index of an order stream of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(pub(crate) usize);

/// The entries of one claim on their way into an order stream.
pub(crate) type Batch = Vec<OrderRequest>;

/// The number of unanswered entries that the order system allows on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credit {
    /// The order system has sent no message yet. [`INITIAL_CREDIT`] applies.
    #[default]
    Unknown,
    /// It has sent messages without credit: only this worker's own limit applies.
    Unlimited,
    /// It allows this many.
    Limited(usize),
}

/// Enough to make an order system answer, few enough that one which accepts connections and never answers
/// costs next to nothing.
const INITIAL_CREDIT: usize = 32;

impl Credit {
    /// The credit after a message that advertises this much; 0 leaves it unchanged.
    pub(crate) fn after_message(self, advertised: u32) -> Self {
        match (advertised, self) {
            (0, Self::Unknown) => Self::Unlimited,
            (0, Self::Unlimited | Self::Limited(_)) => self,
            (credit, _) => Self::Limited(usize::try_from(credit).unwrap_or(usize::MAX)),
        }
    }

    const fn permits(self) -> usize {
        match self {
            Self::Unknown => INITIAL_CREDIT,
            Self::Unlimited => usize::MAX,
            Self::Limited(credit) => credit,
        }
    }
}

/// An order stream that is up.
#[derive(Debug)]
pub(crate) struct OpenLane {
    pub(crate) credit: Credit,
    /// The sender into the stream. Dropping it ends the stream from this side.
    pub(crate) outbound: mpsc::Sender<Batch>,
    /// Distinguishes this stream from earlier ones of the same lane.
    pub(crate) generation: u64,
}

/// The slot of an order stream, which is up or down.
#[derive(Debug, Default)]
pub(crate) struct OrderLane {
    pub(crate) open: Option<OpenLane>,
    /// Permits in use: reserved for a claim, or held by an unanswered entry.
    pub(crate) in_use: usize,
    /// The number of streams opened so far.
    pub(crate) generations: u64,
}

impl OrderLane {
    /// The number of unanswered entries that it allows.
    pub(crate) fn permits(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.credit.permits())
    }

    /// Permits that a claim could reserve.
    pub(crate) fn free(&self) -> usize {
        self.permits().saturating_sub(self.in_use)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_the_last_advertised_and_low_before_the_first_message() {
        let credit = Credit::default();
        assert_eq!(credit.permits(), INITIAL_CREDIT);
        assert_eq!(credit.after_message(0), Credit::Unlimited);
        let limited = credit.after_message(7);
        assert_eq!(limited, Credit::Limited(7));
        assert_eq!(limited.after_message(0), limited);
        assert_eq!(limited.after_message(9), Credit::Limited(9));
    }
}
