//! An orderly end: SIGTERM or Ctrl-C become a token that every part watches.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long an orderly end may take: a little less than the 30 s after which Kubernetes kills.
///
/// With Kafka and ClickHouse out of reach each wait for them ends by itself, but there may be several in a row. What is
/// then cut short is what `kill -9` may cut short at any time: nothing that was acknowledged is lost.
pub const GRACE: Duration = Duration::from_secs(25);

/// Exit status of a service that did not end within [`GRACE`].
pub const CUT_SHORT: i32 = 75;

/// A token that is cancelled by SIGTERM or Ctrl-C; [`GRACE`] after that the process exits, whatever it still waits for.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: finishing what is under way");
        exit_after_grace();
        cancelled.cancel();
    });
    Ok(token)
}

/// A thread, not a task: it has to run when the runtime is held up.
fn exit_after_grace() {
    let spawned = std::thread::Builder::new().name("grace".to_owned()).spawn(|| {
        std::thread::sleep(GRACE);
        tracing::error!(grace_s = GRACE.as_secs(), "did not finish what was under way in time, and ends without");
        std::process::exit(CUT_SHORT);
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "the end has no time limit");
    }
}
