//! Ctrl-C: the first one ends a run with its report, the second one exits immediately.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use inrush_transport::Error;
use tokio::{runtime::Builder, signal::ctrl_c, sync::oneshot};

use super::console::print_error;

/// Runs `work` on a thread of its own. Its argument becomes true when the run is interrupted.
///
/// # Errors
/// The errors of `work`, and a second interruption.
pub(super) fn interruptible<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let (sender, result) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| cannot_start(&error))?;
    thread::Builder::new()
        .name("run".to_owned())
        .spawn(move || sender.send(work(&flag)))
        .map_err(|error| cannot_start(&error))?;
    // When this thread returns, the process exits, even if the other thread does not end.
    runtime.block_on(async {
        tokio::select! {
            result = result => result.unwrap_or_else(|_| Err(panicked())),
            () = second_interrupt(&interrupted) => Err(aborted()),
        }
    })
}

async fn second_interrupt(interrupted: &AtomicBool) {
    if ctrl_c().await.is_err() {
        return std::future::pending().await;
    }
    interrupted.store(true, Ordering::Relaxed);
    print_error("stopping; press Ctrl-C again to exit without a report");
    if ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn cannot_start(error: &io::Error) -> Error {
    Error::new(
        format!("cannot start the run: {error}"),
        "raise the limits of threads and open files of this process",
    )
}

fn panicked() -> Error {
    Error::new("the run panicked", "this is a bug in inrush-loadtest: report it")
}

fn aborted() -> Error {
    Error::new("interrupted twice: there is no report", "press Ctrl-C once to stop and see the report")
}
