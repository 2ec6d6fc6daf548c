//! What only the Redis store has to show: that it recovers from outages of its server, and reports what is wrong with it.
#![cfg(test)]

use inrush_testkit::redis_server;

mod cluster;
mod history;
mod outages;
mod proxy;
mod sentinel;
mod server_check;
mod support;
