//! Ctrl-C as the normal end of a watch.

use inrush_runtime::shutdown::Shutdown;

/// Watches until the end, or until Ctrl-C.
///
/// # Errors
/// If watching fails.
pub(crate) async fn until_interrupted(
    watching: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    // Installed before the watch starts, so that no signal is lost.
    let interrupted = Shutdown::on_signals()?;
    tokio::select! {
        outcome = watching => outcome,
        () = interrupted.started() => Ok(()),
    }
}
