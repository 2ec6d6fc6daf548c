//! What can happen to a sale, as values that can be made at random and made smaller.
//!
//! Tickets and leases are named by how far back they are, so that they exist whatever happened before.

use std::{fmt, time::Duration};

use inrush_core::{
    sale::{Pace, Route, SaleSettings},
    store::{Durability, MAX_BATCH},
};
use proptest::{collection::vec, option, prelude::*};

/// Few distinct buyers, so that repeats are frequent.
const REGULARS: u16 = 8;

/// All buyers.
const BUYERS: u16 = 400;

/// How often a scenario begins with a queue that reaches over a cut between two segments, in thousandths.
const LONG_LINES: u32 = 8;

/// Where a long queue ends, and how many tickets at its end stay unclaimed: on both sides of the first cut, at 4096.
const LONG_LINE: std::ops::Range<u64> = 4080..4130;

/// Most operations of a scenario.
const MAX_LENGTH: usize = 120;

/// Which scenarios are made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mix {
    /// Mostly short queues: most mistakes show there, and quickly.
    Ordinary,
    /// Only queues that are longer than a segment.
    LongLines,
    /// Only sales that have lost tickets and restored some.
    Losses,
}

/// A sale and what happens to it.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) settings: SaleSettings,
    pub(super) long_line: Option<LongLine>,
    pub(super) operations: Vec<Operation>,
}

/// What has happened before: so many tickets were issued, and all but the last few ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongLine {
    pub(super) tickets: u64,
    pub(super) left: u64,
}

/// One thing that happens.
#[derive(Clone)]
pub(super) enum Operation {
    Advance { millis: u64 },
    SetClockBack { millis: u64 },
    Admit(Vec<BuyerRequest>),
    LookUp(Vec<Back>),
    Cancel(Vec<Back>),
    Claim { max: usize },
    Extend(Vec<Lease>),
    Settle(Vec<(Lease, Answer)>),
    Recover,
    Release(Vec<Back>),
    Reconcile { orders: Vec<OrderOf>, repair: bool },
    DeadLetters { after: Back, limit: usize },
    Redrive(Vec<Back>),
    Discard(Vec<Back>),
    Change { change: Change, version: Version },
    CreateAgain,
    Close,
    Delete,
    ForgetScripts,
    Checkpoint,
    RollBack,
    Restart,
    LookAtEverything,
}

/// A request for units.
#[derive(Clone, Debug)]
pub(super) struct BuyerRequest {
    pub(super) buyer: u16,
    pub(super) units: u64,
    pub(super) supersedes: Supersedes,
    pub(super) restores: Restores,
}

/// Which ticket a request restores, if it is lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Restores {
    Nothing,
    /// The buyer's latest.
    Latest,
    /// One of any buyer, counted back from the last.
    Given(usize),
}

/// Which ticket a request may supersede.
#[derive(Clone, Copy, Debug)]
pub(super) enum Supersedes {
    Nothing,
    /// The buyer's latest.
    Latest,
    Other(Back),
}

/// A ticket, counted back from two after the last one: 0 and 1 do not exist yet. Or, for every third number, one of those
/// that were given, counted back from the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back(pub(super) u64);

/// An order that the order system has for a ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderOf {
    pub(super) ticket: Back,
    pub(super) released: bool,
    pub(super) fault: OrderFault,
}

/// What is wrong with an order.
#[derive(Clone, Copy, Debug)]
pub(super) enum OrderFault {
    Nothing,
    Buyer,
    Units,
    Id,
    /// It is the one after the last that was given.
    Ahead,
}

/// A lease, counted back among those not settled, or among those that are over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lease {
    Live(usize),
    Over(usize),
    /// A live one's ticket, with a fence so much higher or lower.
    WrongFence(usize, i8),
}

/// What a worker answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Ordered,
    Rejected,
    Retry { after_millis: u64 },
}

/// A change of one setting.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Stock(u64),
    Cap(Option<u64>),
    UnitLimit(u64),
    MaxAttempts(u32),
    Lease(Duration),
    Pace(Option<Pace>),
    HoldAdmission(bool),
    HoldFulfilment(bool),
    Bypass(bool),
    /// Opening, in milliseconds from now; negative: before.
    OpensIn(Option<i64>),
    ClosesIn(Option<i64>),
    Durability(Durability),
}

/// Which version a change expects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    Present,
    Wrong(u64),
}

/// One line for each operation, so that a scenario can be read.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advance { millis } => write!(f, "Advance {millis} ms"),
            Self::SetClockBack { millis } => write!(f, "SetClockBack {millis} ms"),
            Self::Admit(requests) => write!(f, "Admit {requests:?}"),
            Self::LookUp(tickets) => write!(f, "LookUp {tickets:?}"),
            Self::Cancel(tickets) => write!(f, "Cancel {tickets:?}"),
            Self::Claim { max } => write!(f, "Claim {max}"),
            Self::Extend(leases) => write!(f, "Extend {leases:?}"),
            Self::Settle(answers) => write!(f, "Settle {answers:?}"),
            Self::Recover => f.write_str("Recover"),
            Self::Release(tickets) => write!(f, "Release {tickets:?}"),
            Self::Reconcile { orders, repair } => write!(f, "Reconcile {orders:?}, repair: {repair}"),
            Self::DeadLetters { after, limit } => write!(f, "DeadLetters after {after:?}, at most {limit}"),
            Self::Redrive(tickets) => write!(f, "Redrive {tickets:?}"),
            Self::Discard(tickets) => write!(f, "Discard {tickets:?}"),
            Self::Change { change, version } => write!(f, "Change {change:?}, expecting version {version:?}"),
            Self::CreateAgain => f.write_str("CreateAgain"),
            Self::Close => f.write_str("Close"),
            Self::Delete => f.write_str("Delete"),
            Self::ForgetScripts => f.write_str("ForgetScripts"),
            Self::Checkpoint => f.write_str("Checkpoint"),
            Self::RollBack => f.write_str("RollBack"),
            Self::Restart => f.write_str("Restart"),
            Self::LookAtEverything => f.write_str("LookAtEverything"),
        }
    }
}

/// Random scenarios.
pub(super) fn scenarios(mix: Mix) -> impl Strategy<Value = Scenario> {
    (settings(), long_line(mix), vec(operation(), 1..=MAX_LENGTH)).prop_map(
        move |(mut settings, long_line, mut operations)| {
            if let Some(LongLine { tickets, .. }) = long_line {
                settings.stock = settings.stock.map(|stock| stock + tickets);
                settings.cap = settings.cap.map(|cap| cap + tickets);
            }
            if matches!(mix, Mix::Losses) {
                operations.splice(0..0, loss());
            }
            Scenario { settings, long_line, operations }
        },
    )
}

fn long_line(mix: Mix) -> impl Strategy<Value = Option<LongLine>> {
    let long = (LONG_LINE, 0_u64..60).prop_map(|(tickets, left)| LongLine { tickets, left });
    match mix {
        Mix::Losses => Just(None).boxed(),
        Mix::Ordinary => {
            prop_oneof![1000 - LONG_LINES => Just(None), LONG_LINES => long.prop_map(Some)].boxed()
        }
        Mix::LongLines => long.prop_map(Some).boxed(),
    }
}

/// Four tickets are lost; some of them are restored, and some have orders. Of the five before them one is rejected, one is
/// to be tried again and two are cancelled, and the order system has orders for these.
fn loss() -> Vec<Operation> {
    let request =
        |buyer, units, restores| BuyerRequest { buyer, units, supersedes: Supersedes::Nothing, restores };
    let order = |back, fault| OrderOf { ticket: Back(back), released: false, fault };
    let known = [4, 5, 6, 7, 8].map(|buyer| request(buyer, 1 + u64::from(buyer == 6), Restores::Nothing));
    let given = (0..4).map(|buyer| request(buyer, 1, Restores::Nothing)).collect();
    let restored = [0, 2].map(|buyer| request(buyer, 1, Restores::Latest)).to_vec();
    let repair = |orders| Operation::Reconcile { orders, repair: true };
    // Eleven tickets were given if none was refused, so a number modulo eleven counts back from the last.
    let (rejected, retried, two_units, one_unit) = (21, 9, 30, 18);
    vec![
        Operation::Admit(known.to_vec()),
        Operation::Checkpoint,
        Operation::Admit(given),
        Operation::RollBack,
        repair(vec![order(3, OrderFault::Nothing)]),
        Operation::Admit(restored),
        repair(vec![order(0, OrderFault::Nothing), order(6, OrderFault::Nothing)]),
        Operation::Advance { millis: 10_000 },
        Operation::Claim { max: 2 },
        Operation::Settle(vec![
            (Lease::Live(1), Answer::Rejected),
            (Lease::Live(0), Answer::Retry { after_millis: 0 }),
        ]),
        repair(vec![order(retried, OrderFault::Nothing)]),
        Operation::Advance { millis: 1 },
        Operation::Claim { max: 1 },
        Operation::Cancel(vec![Back(two_units), Back(one_unit)]),
        repair(vec![order(rejected, OrderFault::Buyer), order(one_unit, OrderFault::Buyer)]),
        repair(vec![order(one_unit, OrderFault::Units), order(two_units, OrderFault::Nothing)]),
    ]
}

/// Settings of a sale that works from the start; what stops it comes as a change.
fn settings() -> impl Strategy<Value = SaleSettings> {
    let stock = option::weighted(0.7, units_of_a_sale());
    (stock, option::of(units_of_a_sale()), 1_u64..=4, option::weighted(0.3, pace()), attempts(), lease())
        .prop_map(|(stock, cap, unit_limit, pace, max_attempts, lease)| {
            let cap = if stock.is_none() { cap.or(Some(9)) } else { cap };
            SaleSettings { stock, cap, unit_limit, pace, max_attempts, lease, ..SaleSettings::of_stock(1) }
        })
}

fn units_of_a_sale() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1_u64..=12, 2 => 10_u64..=60, 1 => 300_u64..=2000]
}

fn pace() -> impl Strategy<Value = Pace> {
    let rate = prop_oneof![1_u64..5000, 5000_u64..100_000];
    (rate, 1_u64..=8).prop_map(|(millitickets_per_second, burst)| Pace { millitickets_per_second, burst })
}

/// Round times: leases, retries and openings then often end at the very moment that is reached.
fn round() -> impl Strategy<Value = u64> {
    prop_oneof![Just(100), Just(200), Just(500), Just(1000)]
}

fn lease() -> impl Strategy<Value = Duration> {
    prop_oneof![3 => round(), 1 => 100_u64..3000].prop_map(Duration::from_millis)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        24 => vec(admit_request(), 0..7).prop_map(Operation::Admit),
        1 => vec(admit_request(), MAX_BATCH - 40..=MAX_BATCH).prop_map(Operation::Admit),
        18 => claim().prop_map(|max| Operation::Claim { max }),
        16 => vec((lease_of_a_worker(), answer()), 0..5).prop_map(Operation::Settle),
        14 => advance().prop_map(|millis| Operation::Advance { millis }),
        1 => clock_step().prop_map(|millis| Operation::SetClockBack { millis }),
        9 => tickets().prop_map(Operation::Cancel),
        1 => (0_u64..40, 1_u64..120).prop_map(|(from, count)| Operation::Cancel((from..from + count).map(Back).collect())),
        6 => Just(Operation::Recover),
        5 => tickets().prop_map(Operation::LookUp),
        5 => vec(lease_of_a_worker(), 0..5).prop_map(Operation::Extend),
        5 => tickets().prop_map(Operation::Release),
        6 => (vec(order_of(), 0..6), prop_oneof![3 => Just(true), 1 => Just(false)])
            .prop_map(|(orders, repair)| Operation::Reconcile { orders, repair }),
        4 => tickets().prop_map(Operation::Redrive),
        3 => tickets().prop_map(Operation::Discard),
        6 => (back(), 0_usize..6).prop_map(|(after, limit)| Operation::DeadLetters { after, limit }),
        7 => (change(), version()).prop_map(|(change, version)| Operation::Change { change, version }),
        1 => Just(Operation::CreateAgain),
        1 => prop_oneof![2 => Just(Operation::Close), 1 => Just(Operation::Delete)],
        1 => Just(Operation::ForgetScripts),
        5 => prop_oneof![Just(Operation::Checkpoint), Just(Operation::RollBack), Just(Operation::Restart)],
        2 => Just(Operation::LookAtEverything),
    ]
}

fn admit_request() -> impl Strategy<Value = BuyerRequest> {
    let buyer = prop_oneof![1 => 0..REGULARS, 2 => 0..BUYERS];
    let units = prop_oneof![5 => Just(1_u64), 2 => 1_u64..=5];
    let supersedes = prop_oneof![
        6 => Just(Supersedes::Nothing),
        3 => Just(Supersedes::Latest),
        1 => back().prop_map(Supersedes::Other),
    ];
    let restores = prop_oneof![
        12 => Just(Restores::Nothing),
        8 => Just(Restores::Latest),
        3 => (0_usize..6).prop_map(Restores::Given),
    ];
    (buyer, units, supersedes, restores).prop_map(|(buyer, units, supersedes, restores)| BuyerRequest {
        buyer,
        units,
        supersedes,
        restores,
    })
}

fn claim() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0_usize..6, 2 => 6_usize..60, 1 => Just(MAX_BATCH)]
}

fn back() -> impl Strategy<Value = Back> {
    prop_oneof![5 => 0_u64..12, 2 => 12_u64..80].prop_map(Back)
}

/// Some tickets, the first of them sometimes twice.
fn tickets() -> impl Strategy<Value = Vec<Back>> {
    (vec(back(), 0..6), mostly_off()).prop_map(|(mut tickets, twice)| {
        if twice {
            tickets.extend(tickets.first().copied());
        }
        tickets
    })
}

/// Mostly few, so that many tickets die.
fn attempts() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(1), 1 => 1_u32..=4]
}

fn order_of() -> impl Strategy<Value = OrderOf> {
    let fault = prop_oneof![
        12 => Just(OrderFault::Nothing),
        1 => Just(OrderFault::Buyer),
        1 => Just(OrderFault::Units),
        1 => Just(OrderFault::Id),
        1 => Just(OrderFault::Ahead),
    ];
    (back(), mostly_off(), fault).prop_map(|(ticket, released, fault)| OrderOf { ticket, released, fault })
}

fn lease_of_a_worker() -> impl Strategy<Value = Lease> {
    prop_oneof![
        8 => (0_usize..6).prop_map(Lease::Live),
        1 => (0_usize..6).prop_map(Lease::Over),
        1 => ((0_usize..6), -2_i8..=2).prop_map(|(index, by)| Lease::WrongFence(index, by)),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Ordered),
        2 => Just(Answer::Rejected),
        4 => prop_oneof![Just(0), round(), 0_u64..2500].prop_map(|after_millis| Answer::Retry { after_millis }),
    ]
}

fn advance() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        6 => round(),
        2 => 1_u64..200,
        2 => 200_u64..1500,
        1 => 1500_u64..15_000,
        1 => Just(3_700_000),
    ]
}

fn clock_step() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..200, Just(20_000), Just(3_600_000)]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![9 => Just(Version::Present), 1 => (0_u64..9).prop_map(Version::Wrong)]
}

fn mostly_off() -> impl Strategy<Value = bool> {
    prop_oneof![3 => Just(false), 1 => Just(true)]
}

fn moment() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![3 => Just(None), 1 => (-20_i64..20).prop_map(|tenths| Some(tenths * 100))]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => units_of_a_sale().prop_map(Change::Stock),
        2 => option::of(units_of_a_sale()).prop_map(Change::Cap),
        1 => (1_u64..=4).prop_map(Change::UnitLimit),
        1 => attempts().prop_map(Change::MaxAttempts),
        1 => lease().prop_map(Change::Lease),
        2 => option::of(pace()).prop_map(Change::Pace),
        1 => mostly_off().prop_map(Change::HoldAdmission),
        1 => mostly_off().prop_map(Change::HoldFulfilment),
        1 => mostly_off().prop_map(Change::Bypass),
        1 => moment().prop_map(Change::OpensIn),
        1 => moment().prop_map(Change::ClosesIn),
        1 => prop_oneof![Just(Durability::Memory), Just(Durability::Fsync), Just(Durability::Replicated)].prop_map(Change::Durability),
    ]
}

impl Operation {
    /// Whether the sale may be another one after it.
    pub(super) const fn may_write(&self) -> bool {
        !matches!(
            self,
            Self::Advance { .. }
                | Self::SetClockBack { .. }
                | Self::LookUp(_)
                | Self::DeadLetters { .. }
                | Self::ForgetScripts
                | Self::Checkpoint
                | Self::RollBack
                | Self::Restart
                | Self::LookAtEverything
        )
    }
}

impl Change {
    /// The settings with this change, made at `now`. A sale never gets or loses a stock, or its only bound.
    pub(super) fn apply(&self, settings: &mut SaleSettings, now: u64) {
        let moment = |millis: i64| inrush_core::Timestamp(now.saturating_add_signed(millis));
        match self {
            Self::Stock(stock) => settings.stock = settings.stock.map(|_| *stock),
            Self::Cap(cap) => settings.cap = cap.or(if settings.has_stock() { None } else { settings.cap }),
            Self::UnitLimit(limit) => settings.unit_limit = *limit,
            Self::MaxAttempts(attempts) => settings.max_attempts = *attempts,
            Self::Lease(lease) => settings.lease = *lease,
            Self::Pace(pace) => settings.pace = *pace,
            Self::HoldAdmission(held) => settings.admission_held = *held,
            Self::HoldFulfilment(held) => settings.fulfilment_held = *held,
            Self::Bypass(bypass) => settings.route = if *bypass { Route::Bypass } else { Route::Queue },
            Self::OpensIn(millis) => settings.opens_at = millis.map(moment),
            Self::ClosesIn(millis) => settings.closes_at = millis.map(moment),
            Self::Durability(durability) => settings.durability = *durability,
        }
    }
}
