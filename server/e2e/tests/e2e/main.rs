//! Whole-system tests: the real binary, real Redis, real databases, callers in other languages.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod crash;
mod dashboard;
mod demo;
mod history;
mod idle_sales;
mod languages;
mod metrics;
mod monitored_system;
mod otlp_collector;
mod outages;
mod rolling_restart;
mod system;
mod trace_collector;
mod traces;
