//! Why a buyer gets no ticket.

use inrush_core::store::Refusal;

/// Why a buyer gets no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateDecision {
    /// Refused.
    Refused(Refusal),
    /// Use the normal purchase flow.
    Bypass,
}

impl GateDecision {
    /// All reasons, by their names in telemetry.
    pub(crate) const REASONS: [&str; 7] =
        ["sold_out", "not_open", "closed", "held", "unit_limit", "restoring", "bypass"];

    /// The index of its reason in [`GateDecision::REASONS`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Refused(Refusal::SoldOut) => 0,
            Self::Refused(Refusal::NotOpen { .. }) => 1,
            Self::Refused(Refusal::Closed) => 2,
            Self::Refused(Refusal::Held) => 3,
            Self::Refused(Refusal::UnitLimit { .. }) => 4,
            Self::Refused(Refusal::Restoring { .. }) => 5,
            Self::Bypass => 6,
        }
    }

    /// Its reason.
    pub(crate) fn reason(self) -> &'static str {
        Self::REASONS.get(self.index()).copied().unwrap_or_default()
    }
}
