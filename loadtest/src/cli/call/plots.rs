//! The folder that `--plots` asks for: each plot is a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    problem::Problem,
    report::{self, Report},
};

/// A folder for plots, which is made before the run: a long run is not made for nothing.
pub(super) struct PlotFolder(PathBuf);

impl PlotFolder {
    /// Makes it, if it is not there.
    pub(super) fn make(path: &Path) -> Result<Self, Problem> {
        fs::create_dir_all(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self(path.to_path_buf()))
    }

    /// Writes the plots of a run.
    pub(super) fn write(&self, report: &Report) -> Result<(), Problem> {
        for (name, drawing) in report::draw_plots(report) {
            let path = self.0.join(name).with_extension("svg");
            fs::write(&path, drawing.file()).map_err(|error| unwritable(&path, &error))?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        format!("--plots {} cannot be written: {error}", path.display()),
        "name a folder that can be written to",
    )
}
