//! Control-C: the first one ends a run and shows its result, the second one leaves at once.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::{runtime::Builder, signal::ctrl_c, sync::oneshot};

use crate::problem::Problem;

/// Does some work on a thread of its own, which learns by its argument that it is to end early.
///
/// # Errors
/// Those of the work, and when it is interrupted for a second time.
pub fn interruptible<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let (tell, told) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| unable(&error))?;
    thread::Builder::new()
        .name("run".to_owned())
        .spawn(move || tell.send(work(&seen)))
        .map_err(|error| unable(&error))?;
    // This thread only waits: when it returns, the process ends, whatever the other one does.
    runtime.block_on(async {
        tokio::select! {
            result = told => result.unwrap_or_else(|_| Err(failed())),
            () = second_interrupt(&interrupted) => Err(left()),
        }
    })
}

async fn second_interrupt(interrupted: &AtomicBool) {
    if ctrl_c().await.is_err() {
        return std::future::pending().await;
    }
    interrupted.store(true, Ordering::Relaxed);
    eprintln!("stopping; press Ctrl-C again to leave without a report");
    if ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn unable(error: &io::Error) -> Problem {
    Problem::new(format!("the run cannot start: {error}"), "allow this process more threads and open files")
}

fn failed() -> Problem {
    Problem::new("the run failed", "this is a fault of the load tool")
}

fn left() -> Problem {
    Problem::new("interrupted twice: there is no report", "press Ctrl-C once to stop and see the report")
}
