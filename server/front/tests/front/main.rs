//! The front over real sockets, on the memory store, with plain tonic clients.

#![cfg(test)]

mod admin;
mod bad_input;
mod batching;
mod connections;
mod drain;
mod enqueue;
mod gate;
mod harness;
mod health;
mod limits;
mod probe;
mod protocol;
mod restore;
mod settlement;
mod tickets;
mod traces;
mod unary;
mod watch;
