//! `diff`: compares two runs.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use inrush_transport::Error;

use super::{console, fail_if, outcome::Outcome};
use crate::{diff, threshold::Expression};

/// The arguments of `diff`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Report of the first run, written with -O json by inrush-loadtest or by ghz
    #[arg(value_name = "A.json")]
    before: PathBuf,

    /// Report of the second run
    #[arg(value_name = "B.json")]
    after: PathBuf,

    /// Exit with 1 if this is true of the change from A to B, such as 'p99>+5%' or 'rps<-3%', or of B, such as
    /// 'p99>5ms'; may be repeated. A change counts if it is significant, or if its significance is unknown
    #[arg(long = "fail-if", value_name = "CONDITION")]
    fail_if: Vec<Expression>,

    /// Confidence of the intervals, from 0.5 to 0.999
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = parse_confidence)]
    confidence: f64,

    /// Format of the comparison
    #[arg(short = 'O', long, value_enum, value_name = "FORMAT", default_value = "summary")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A text table
    Summary,
    /// The same as JSON
    Json,
}

/// Compares two runs.
pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Error> {
    let (before, after) = (diff::read(&arguments.before)?, diff::read(&arguments.after)?);
    let comparison = diff::compare(&before, &after, arguments.confidence);
    let breaches = diff::check(&arguments.fail_if, &comparison)?;
    let mut to = io::stdout().lock();
    let written = match arguments.format {
        Format::Summary => diff::write(&comparison, &mut to),
        Format::Json => {
            serde_json::to_writer(&mut to, &comparison).map_err(Into::into).and_then(|()| writeln!(to))
        }
    };
    console::written(written)?;
    Ok(fail_if::outcome(&breaches))
}

fn parse_confidence(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.5..=0.999).contains(&share) {
        Ok(share)
    } else {
        Err("expected a number from 0.5 to 0.999".to_owned())
    }
}
