//! The real binary from the outside: what it prints, and the code it leaves with.

mod configuration;
mod demo;
mod help;
mod processes;
mod redis;
mod sales;
mod support;
