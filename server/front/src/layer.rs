//! The layers that every call passes. `stack.rs` has them in order.

mod check;
mod deadline;
mod error_response;
mod load_shed;
mod telemetry;

pub(crate) use self::{
    check::{Authentication, CheckLayer, GrpcOnly, RateLimit},
    deadline::DeadlineLayer,
    error_response::ErrorResponseLayer,
    load_shed::LoadShedLayer,
    telemetry::{CallTelemetry, TelemetryLayer},
};
