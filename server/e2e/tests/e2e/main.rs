//! Whole-system tests: the real binary, real Redis, real databases, callers in other languages.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bad_days;
mod collector;
mod crash;
mod dashboard;
mod demo;
mod idle_sales;
mod languages;
mod metrics;
mod receiver;
mod rolling;
mod system;
mod traces;
mod watched;
