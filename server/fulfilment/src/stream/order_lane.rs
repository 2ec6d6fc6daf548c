//! One order stream's side of the window: whether it is up, how much credit it has, and the queue into it.

use inrush_proto::v1::OrderRequest;
use tokio::sync::mpsc;

/// Which of the worker's order streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(pub(crate) usize);

/// Entries of one claim on their way into an order stream.
pub(crate) type Batch = Vec<OrderRequest>;

/// Most entries that may be unanswered on a stream, as far as the order system decides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credit {
    /// The order system has said nothing yet. It gets [`INITIAL_CREDIT`].
    #[default]
    Unknown,
    /// It has spoken, but not of credit: our own limit is all there is.
    Unlimited,
    /// This many.
    Limited(usize),
}

/// Enough to make an order system speak, few enough that one which takes connections and never answers costs next to
/// nothing.
const INITIAL_CREDIT: usize = 32;

impl Credit {
    /// The credit after a message that advertises this much, where 0 leaves it as it was.
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
pub(crate) struct OpenOrderLane {
    pub(crate) credit: Credit,
    /// The way in. Dropping it ends the stream from our side.
    pub(crate) outbound: mpsc::Sender<Batch>,
    /// Tells this stream from earlier ones of the same lane.
    pub(crate) generation: u64,
}

/// A place for an order stream, up or down.
#[derive(Debug, Default)]
pub(crate) struct OrderLane {
    pub(crate) open: Option<OpenOrderLane>,
    /// Places taken: reserved for a claim, or filled with an unanswered entry.
    pub(crate) in_use: usize,
    /// Streams it has had.
    pub(crate) generations: u64,
}

impl OrderLane {
    /// Most entries that may be unanswered on it.
    pub(crate) fn permits(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.credit.permits())
    }

    /// Places that a claim could fill.
    pub(crate) fn free(&self) -> usize {
        self.permits().saturating_sub(self.in_use)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_what_was_said_last_and_nothing_said_is_little() {
        let credit = Credit::default();
        assert_eq!(credit.permits(), INITIAL_CREDIT);
        assert_eq!(credit.after_message(0), Credit::Unlimited);
        let limited = credit.after_message(7);
        assert_eq!(limited, Credit::Limited(7));
        assert_eq!(limited.after_message(0), limited);
        assert_eq!(limited.after_message(9), Credit::Limited(9));
    }
}
