//! Baseline servers and drivers of the benchmarks: one binary, which `bench/suite` starts.
//!
//! A server prints one line, `{"listen":"HOST:PORT"}`, once it accepts connections, and runs until it is killed. A driver
//! prints its results as one line of JSON and exits.

mod echo;
mod fill;
mod floor;
mod fulfil;
mod nats;
mod one_script;
mod order_stream;
mod order_system;
mod poll_model;
mod pollers;
mod pool;
mod sink;
mod startup;
mod store_cost;
mod tickets;
mod watchers;

use clap::{Parser, Subcommand};

/// Baselines and drivers of the benchmarks.
#[derive(Debug, Parser)]
#[command(name = "inrush-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Server: an empty unary call on stock tonic.
    Echo(echo::Arguments),
    /// Server: a front that runs one Redis script for each Enqueue.
    OneScript(one_script::Arguments),
    /// Driver: creates a sale with waiting tickets.
    Fill(fill::Arguments),
    /// Driver: runs a script that only reads its arguments.
    Floor(floor::Arguments),
    /// Driver: fulfils a whole queue with an order system that does nothing.
    Fulfil(fulfil::Arguments),
    /// Driver: fulfils a queue with an order system of a known capacity, and measures how busy it is.
    OrderStream(order_stream::Arguments),
    /// Driver: waiting buyers who poll after `poll_after`.
    Pollers(pollers::Arguments),
    /// Simulates how often the buyers of a queue poll.
    PollModel(poll_model::Arguments),
    /// Driver: many watchers of one front.
    Watchers(watchers::Arguments),
    /// Driver: publishes to a capped JetStream stream and waits for the acknowledgements.
    Nats(nats::Arguments),
    /// Driver: sends batches to a script over one shared connection or over connections from a pool.
    Pool(pool::Arguments),
    /// Server: an OpenTelemetry collector that counts what it receives and discards it.
    Sink(sink::Arguments),
    /// Driver: measures what each operation of the store costs Redis.
    StoreCost(store_cost::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Echo(arguments) => echo::run(&arguments),
        Command::OneScript(arguments) => one_script::run(&arguments),
        Command::Fill(arguments) => fill::run(&arguments),
        Command::Floor(arguments) => floor::run(&arguments),
        Command::Fulfil(arguments) => fulfil::run(&arguments),
        Command::OrderStream(arguments) => order_stream::run(&arguments),
        Command::Pollers(arguments) => pollers::run(&arguments),
        Command::PollModel(arguments) => poll_model::run(&arguments),
        Command::Watchers(arguments) => watchers::run(&arguments),
        Command::Nats(arguments) => nats::run(&arguments),
        Command::Pool(arguments) => pool::run(&arguments),
        Command::Sink(arguments) => sink::run(&arguments),
        Command::StoreCost(arguments) => store_cost::run(&arguments),
    }
}
