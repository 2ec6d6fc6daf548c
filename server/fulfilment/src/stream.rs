//! Entries with the order system: its streams, the window of entries in flight, and the leases of these.

pub(crate) mod attempt_span;
pub(crate) mod in_flight_table;
pub(crate) mod in_flight_window;
pub(crate) mod lease_keeper;
pub(crate) mod order_lane;
pub(crate) mod order_stream;
pub(crate) mod request_stream;
