//! The layers that every call passes, one in each file. `stack.rs` has them in order.

mod authentication;
mod checked;
mod deadline;
mod error_response;
mod grpc_request;
mod load_shed;
mod metrics;
mod observed;
mod rate_limit;
mod trace;

pub(crate) use self::{
    authentication::AuthenticationLayer, deadline::DeadlineLayer, error_response::ErrorResponseLayer,
    grpc_request::GrpcRequestLayer, load_shed::LoadShedLayer, metrics::MetricsLayer,
    rate_limit::RateLimitLayer, trace::TraceLayer,
};
