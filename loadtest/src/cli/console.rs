//! Standard output and standard error. A reader such as `head` may close either of them early.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write as _},
};

use inrush_transport::Error;

/// Prints a line to standard output.
pub(super) fn print(line: impl Display) -> Result<(), Error> {
    let mut to = io::stdout().lock();
    written(writeln!(to, "{line}").and_then(|()| to.flush()))
}

/// Prints a line to standard error. If it is closed the command goes on.
pub(super) fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The result of writing to standard output. A closed pipe is no error.
pub(super) fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let wrong = format!("cannot write to standard output: {error}");
            Err(Error::new(wrong, "redirect it to a writable file"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_is_no_error_and_a_full_disk_is() {
        assert_eq!(written(Err(ErrorKind::BrokenPipe.into())), Ok(()));
        let error = written(Err(ErrorKind::StorageFull.into())).unwrap_err().to_string();
        assert!(error.contains("standard output"), "{error}");
    }
}
