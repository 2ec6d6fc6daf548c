//! The command line: commands and flags with their help, without their execution.

pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod sale;
pub(crate) mod service;
pub(crate) mod ticket;
pub(crate) mod values;

#[cfg(test)]
mod manual;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use inrush_runtime::config::Flags;

use self::{
    demo::DemoArgs,
    sale::SaleArgs,
    service::{FrontArgs, FulfilmentArgs, OrdersArgs, UpArgs},
    ticket::TicketArgs,
};

/// The variable with the path of the configuration file. It is not a setting itself.
pub(crate) const CONFIG_VARIABLE: &str = "INRUSH_CONFIG";

/// The maximum width of help: longer lines are hard to read.
const HELP_WIDTH: usize = 100;

/// A queue in front of your order system, for flash sales.
///
/// Inrush accepts all buyers of a rush, gives each a position in a queue, and sends their entries to the order
/// system as fast as it can process them.
#[derive(Debug, Parser)]
#[command(
    name = "inrush",
    version,
    max_term_width = HELP_WIDTH,
    after_help = "Start with `inrush up`, then `inrush sale create phone-x --stock 2000`.",
    after_long_help = AFTER_LONG_HELP
)]
pub(crate) struct Cli {
    /// TOML file with settings.
    ///
    /// Settings have layers; a later one overrides an earlier one: defaults, this file, INRUSH_* variables, flags.
    /// `inrush config` prints the result with the source of each value.
    #[arg(long, global = true, value_name = "FILE", env = CONFIG_VARIABLE, hide_env_values = true, help_heading = "Configuration")]
    pub(crate) config: Option<PathBuf>,

    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_LONG_HELP: &str = "\
First steps:
  inrush up                                    everything in one process, nothing to install
  inrush sale create phone-x --stock 2000      in another terminal
  inrush ticket enqueue phone-x buyer-1 --watch
  inrush sale watch phone-x

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Up(Box<UpArgs>),
    Front(FrontArgs),
    Fulfilment(FulfilmentArgs),
    Orders(OrdersArgs),
    Sale(SaleArgs),
    Ticket(TicketArgs),
    Config(Box<ConfigArgs>),
    Completions(CompletionsArgs),
}

impl Command {
    /// The settings that the command's flags change.
    pub(crate) fn settings(&self) -> Flags {
        match self {
            Self::Demo(args) => args.settings(),
            Self::Up(args) => args.flags.settings(),
            Self::Front(args) => args.settings(),
            Self::Fulfilment(args) => args.settings(),
            Self::Orders(args) => args.settings(),
            Self::Sale(args) => args.client.settings(),
            Self::Ticket(args) => args.client.settings(),
            Self::Config(args) => args.flags.settings(),
            Self::Completions(_) => Flags::new(),
        }
    }

    /// The service name in telemetry; `None` for a command that is not a service.
    pub(crate) const fn service(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => Some("inrush"),
            Self::Front(_) => Some("inrush-front"),
            Self::Fulfilment(_) => Some("inrush-fulfilment"),
            Self::Orders(_) => Some("inrush-orders"),
            Self::Demo(_) | Self::Sale(_) | Self::Ticket(_) | Self::Config(_) | Self::Completions(_) => None,
        }
    }
}

/// Print the effective configuration with the source of each value.
///
/// Accepts the flags of `inrush up` and shows their effect. Secrets are shown as "(set)". The output is a valid
/// configuration file.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush config
  inrush config > inrush.toml
  INRUSH_STORE_URL=redis://10.0.0.1 inrush config --json")]
pub(crate) struct ConfigArgs {
    /// Print JSON: a list of keys, each with its value and its origin.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) flags: service::AllFlags,
}

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush completions bash > /etc/bash_completion.d/inrush
  inrush completions zsh > ~/.zfunc/_inrush
  inrush completions fish > ~/.config/fish/completions/inrush.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
