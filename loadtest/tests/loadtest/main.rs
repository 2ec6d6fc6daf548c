//! Tests of the load tool against real servers.

#![cfg(test)]

mod agents;
mod bad_input;
mod browser;
mod called;
mod compare;
mod diff_command;
mod documentation;
mod engine;
mod exit_codes;
mod ghz_command_lines;
mod ghz_report;
mod html_report;
mod machine;
mod reflection;
mod runs;
mod rush;
mod sale;
mod server;
mod truth;
