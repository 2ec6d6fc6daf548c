//! What the benchmarks run Inrush beside, and the drivers they need: one binary, which `bench/suite` starts.
//!
//! A server prints one line, `{"listen":"HOST:PORT"}`, once it takes connections, and runs until it is killed. A driver
//! prints its figures as one line of JSON and ends.

mod announce;
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
    /// Driver: creates a sale and fills its line.
    Fill(fill::Arguments),
    /// Driver: runs a script that only reads its arguments.
    Floor(floor::Arguments),
    /// Driver: has an order system that does nothing order a whole line.
    Fulfil(fulfil::Arguments),
    /// Driver: has an order system of a known capacity order a line, and tells how busy it was.
    OrderStream(order_stream::Arguments),
    /// Driver: buyers who wait in a line and ask when they were told to.
    Pollers(pollers::Arguments),
    /// How often a line of buyers asks, reckoned.
    PollModel(poll_model::Arguments),
    /// Driver: many watchers of one front.
    Watchers(watchers::Arguments),
    /// Driver: publishes to a capped JetStream stream and waits for the acknowledgements.
    Nats(nats::Arguments),
    /// Driver: sends batches to a script by one connection for all, or by connections from a pool.
    Pool(pool::Arguments),
    /// Server: an OpenTelemetry collector that counts what it gets and forgets it.
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
