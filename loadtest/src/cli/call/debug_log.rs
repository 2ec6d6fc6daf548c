//! The log of `--debug`: one line of JSON per event.

use std::{
    cell::RefCell,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use inrush_report::measure::Results;
use inrush_transport::Error;
use serde_json::{Value, json};

use super::settings::Settings;
use crate::cli::output_file::not_writable;

/// A log file.
pub(super) struct DebugLog {
    path: PathBuf,
    file: RefCell<BufWriter<File>>,
}

impl DebugLog {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|error| not_writable("--debug", path, &error))?;
        Ok(Self { path: path.to_path_buf(), file: RefCell::new(BufWriter::new(file)) })
    }

    /// Logs the start of the run with its settings.
    pub(super) fn log_start(&self, settings: &Settings) -> Result<(), Error> {
        let config = settings.set().map_or(Value::Null, Value::Object);
        self.write(
            SystemTime::now(),
            &json!({ "level": "debug", "message": "Start Run", "config": config }),
        )?;
        self.flush()
    }

    /// Logs the recorded calls, then the counts.
    pub(super) fn log_results(&self, results: &Results) -> Result<(), Error> {
        for call in results.details.details() {
            let event = json!({
                "level": if call.error.is_some() { "error" } else { "debug" },
                "message": "Received response",
                "status": call.code,
                "error": call.error,
                "planned": call.planned.as_nanos().to_string(),
                "sent": call.sent.as_nanos().to_string(),
                "latency": call.ended.saturating_sub(call.planned).as_nanos().to_string(),
            });
            self.write(results.started + call.ended, &event)?;
        }
        let event = json!({
            "level": "debug",
            "message": "Run finished",
            "reason": results.end_reason,
            "count": results.count(),
            "failed": results.failures(),
            "unsent": results.unsent,
            "late": results.late,
        });
        self.write(SystemTime::now(), &event)?;
        self.flush()
    }

    fn write(&self, time: SystemTime, event: &Value) -> Result<(), Error> {
        let mut event = event.clone();
        event["time"] = Value::from(humantime::format_rfc3339_nanos(time).to_string());
        writeln!(self.file.borrow_mut(), "{event}")
            .map_err(|error| not_writable("--debug", &self.path, &error))
    }

    fn flush(&self) -> Result<(), Error> {
        self.file.borrow_mut().flush().map_err(|error| not_writable("--debug", &self.path, &error))
    }
}
