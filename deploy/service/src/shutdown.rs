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

/// A token that is cancelled by SIGTERM or Ctrl-C; [`GRACE`] after that, or after somebody else has cancelled it, the process
/// exits, whatever it still waits for.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    on_signal_within(GRACE)
}

fn on_signal_within(grace: Duration) -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        let why = tokio::select! {
            _ = terminate.recv() => "asked to stop",
            _ = interrupt.recv() => "asked to stop",
            () = cancelled.cancelled() => "ending by itself",
        };
        tracing::info!("{why}: finishing what is under way");
        exit_after(grace);
        cancelled.cancel();
    });
    Ok(token)
}

/// A thread, not a task: it has to run when the runtime is held up.
fn exit_after(grace: Duration) {
    let spawned = std::thread::Builder::new().name("grace".to_owned()).spawn(move || {
        std::thread::sleep(grace);
        tracing::error!(grace_s = grace.as_secs(), "did not finish what was under way in time, and ends without");
        std::process::exit(CUT_SHORT);
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "the end has no time limit");
    }
}

/// Cancels its token when what holds it panics: what that did would be done by nobody, and nobody would know. The service
/// ends, and whoever supervises it starts it again.
#[derive(Debug)]
pub struct WholeOrNone(pub CancellationToken);

impl WholeOrNone {
    /// Work of a task that holds this as long as it lasts.
    pub async fn around<F: Future>(self, work: F) -> F::Output {
        let _whole = self;
        work.await
    }
}

impl Drop for WholeOrNone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Child, Command, Stdio},
    };

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    const READY: &str = "holds up what is under way";
    /// Set for a process that ends without being asked.
    const BY_ITSELF: &str = "ENDS_BY_ITSELF";

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "a process of its own, which the test below starts and ends"]
    async fn a_process_that_does_not_finish() {
        let stop = on_signal_within(Duration::from_millis(200)).expect("signals can be listened for");
        println!("{READY}");
        if std::env::var_os(BY_ITSELF).is_some() {
            stop.cancel();
        }
        std::thread::sleep(Duration::from_secs(60));
    }

    #[test]
    fn only_a_panic_ends_the_whole() {
        let whole = CancellationToken::new();
        let (quiet, loud) = (WholeOrNone(whole.clone()), WholeOrNone(whole.clone()));
        assert!(std::thread::spawn(move || drop(quiet)).join().is_ok() && !whole.is_cancelled());
        let panics = std::thread::spawn(move || {
            let _loud = loud;
            panic!("on purpose");
        });
        assert!(panics.join().is_err() && whole.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_whole() {
        let whole = CancellationToken::new();
        let around = || WholeOrNone(whole.clone());
        assert_eq!(tokio::spawn(around().around(async { 7 })).await.ok(), Some(7));
        let aborted = tokio::spawn(around().around(std::future::pending::<()>()));
        aborted.abort();
        assert!(aborted.await.is_err() && !whole.is_cancelled());
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert!(tokio::spawn(around().around(panics)).await.is_err() && whole.is_cancelled());
    }

    /// Starts the process above and waits until it holds up its end.
    fn start(by_itself: bool) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("known"));
        command.args(["--exact", "shutdown::tests::a_process_that_does_not_finish", "--ignored", "--nocapture"]);
        if by_itself {
            command.env(BY_ITSELF, "1");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains(READY))), "it did not start");
        child
    }

    #[test]
    fn what_does_not_finish_in_time_is_cut_short() {
        let mut child = start(false);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::TERM).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(CUT_SHORT));
    }

    #[test]
    fn so_is_what_ends_by_itself() {
        assert_eq!(start(true).wait().expect("it ends").code(), Some(CUT_SHORT));
    }
}
