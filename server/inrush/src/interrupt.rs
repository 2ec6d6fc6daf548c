//! Ctrl-C as the ordinary end of a command that watches something.

use inrush_runtime::shutdown::Shutdown;

/// Watches until there is nothing more to see, or until Ctrl-C.
///
/// # Errors
/// What watching ended with.
pub(crate) async fn until_interrupted(
    watching: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    // Listens all the time: a signal that came between two waits would otherwise be lost.
    let interrupted = Shutdown::on_signals()?;
    tokio::select! {
        outcome = watching => outcome,
        () = interrupted.started() => Ok(()),
    }
}
