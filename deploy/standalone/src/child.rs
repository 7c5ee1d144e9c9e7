//! Child processes of this same executable: started, restarted when they end unexpectedly, stopped in order.
//!
//! Every child has its own process group, so that Ctrl-C in a terminal reaches the parent alone, and a pipe on standard
//! input as its lifeline (`lifeline.rs`), so that no child outlives the parent. Not a general process manager.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::data_dir::DataDir;
use crate::lifeline::LIFELINE_VARIABLE;

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A child that ran this long was healthy: its next restart does not wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
const PROBE_PERIOD: Duration = Duration::from_millis(50);
/// A log file larger than this is set aside (`NAME.log.1`) when its child starts.
const LOG_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 15;

/// What to start: `venuecode ARGUMENTS…`.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Names the log and the process id file.
    pub name: &'static str,
    /// Arguments of our own executable; no secrets, as every user of the machine can read them.
    pub arguments: Vec<OsString>,
    /// Added to the environment of the parent.
    pub environment: Vec<(&'static str, OsString)>,
    /// What makes it end in order.
    pub stop_by: StopBy,
    /// How long a stop may take before SIGKILL.
    pub grace: Duration,
}

/// What makes a child end in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopBy {
    /// The end of its lifeline, then SIGTERM.
    Lifeline,
    /// SIGTERM: it does not read its lifeline, and the kernel ends it with its parent.
    Signal,
}

/// A supervised child. Dropping it stops it too, but without waiting.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    log: PathBuf,
    pid_file: PathBuf,
    ends: watch::Receiver<Option<String>>,
    stop: oneshot::Sender<Ending>,
    supervisor: JoinHandle<()>,
}

/// How a child is to end.
#[derive(Debug, Clone, Copy)]
enum Ending {
    InOrder,
    Killed,
}

impl Child {
    /// Starts the child and its supervision.
    ///
    /// # Errors
    /// The process or its log file could not be made.
    pub fn start(spec: ChildSpec, data: &DataDir) -> anyhow::Result<Self> {
        let name = spec.name;
        let (log, pid_file) = (data.log_file(name), data.pid_file(name));
        let (ended, ends) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let supervision = Supervision { spec, log: log.clone(), pid_file: pid_file.clone(), ended };
        let first = supervision.spawn()?;
        let supervisor = tokio::spawn(supervision.run(first, stopped));
        Ok(Self { name, log, pid_file, ends, stop, supervisor })
    }

    /// Probes until the child is ready.
    ///
    /// # Errors
    /// It ended first, or was not ready in time; the error has the end of its log.
    pub async fn until_ready(&self, patience: Duration, probe: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while !probe().await {
            let end = self.ends.borrow().clone();
            if let Some(how) = end {
                bail!("{} ended before it was ready ({how}){}", self.name, tail(&self.log));
            }
            if started.elapsed() > patience {
                bail!("{} was not ready after {} s{}", self.name, patience.as_secs(), tail(&self.log));
            }
            sleep(PROBE_PERIOD).await;
        }
        Ok(())
    }

    /// The process that runs now, as in its process id file; another one after each restart.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok().and_then(Pid::from_raw)
    }

    /// Stops the child and waits until it is gone: in order first, then SIGTERM, then SIGKILL.
    pub async fn stop(self) {
        self.end(Ending::InOrder).await;
    }

    /// Kills the child with SIGKILL and does not start it again; returns when it is gone.
    pub async fn kill(self) {
        self.end(Ending::Killed).await;
    }

    async fn end(self, ending: Ending) {
        // Fails only when the supervisor is gone already, and its child with it.
        let _ = self.stop.send(ending);
        let _ = self.supervisor.await;
    }
}

struct Supervision {
    spec: ChildSpec,
    log: PathBuf,
    pid_file: PathBuf,
    ended: watch::Sender<Option<String>>,
}

struct Running {
    process: tokio::process::Child,
    /// Held apart, as `Child::wait` would close it.
    lifeline: Option<ChildStdin>,
    started: Instant,
}

impl Supervision {
    fn spawn(&self) -> anyhow::Result<Running> {
        let log = open_log(&self.log).with_context(|| format!("cannot open {}", self.log.display()))?;
        let mut process = Command::new(own_executable()?)
            .arg0("venuecode")
            .args(&self.spec.arguments)
            .envs(self.spec.environment.iter().map(|(name, value)| (name, value)))
            .env(LIFELINE_VARIABLE, "stdin")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.spec.name))?;
        let pid = process.id().unwrap_or_default();
        // Never half a number: whoever reads it meets the old process or the new one.
        let staging = self.pid_file.with_extension("pid.new");
        fs::write(&staging, format!("{pid}\n"))
            .and_then(|()| fs::rename(&staging, &self.pid_file))
            .with_context(|| format!("cannot write {}", self.pid_file.display()))?;
        Ok(Running { lifeline: process.stdin.take(), process, started: Instant::now() })
    }

    async fn run(self, first: Running, mut stop: oneshot::Receiver<Ending>) {
        let mut running = Some(first);
        let mut backoff = FIRST_BACKOFF;
        loop {
            if let Some(mut child) = running.take() {
                let status = tokio::select! {
                    status = child.process.wait() => status,
                    ending = &mut stop => {
                        end(child, ending.unwrap_or(Ending::InOrder), &self.spec).await;
                        break;
                    }
                };
                let how = status.map_or_else(|error| error.to_string(), describe);
                if child.started.elapsed() > HEALTHY_AFTER {
                    backoff = FIRST_BACKOFF;
                }
                say(format_args!("{} ended ({how}), starting it again in {backoff:?}", self.spec.name));
                let _ = self.ended.send(Some(how));
            }
            tokio::select! {
                () = sleep(backoff) => {}
                _ = &mut stop => break,
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            match self.spawn() {
                Ok(child) => running = Some(child),
                Err(error) => say(format_args!("{error:#}")),
            }
        }
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// To standard error, if it is still there: whoever read it may be gone, and children are looked after all the same.
fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "venuecode: {what}");
}

async fn end(mut child: Running, ending: Ending, spec: &ChildSpec) {
    let group = child.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let send = |signal| group.map(|group| kill_process_group(group, signal));
    let (first, second) = (spec.grace * 2 / 3, spec.grace / 3);
    if matches!(ending, Ending::InOrder) {
        drop(child.lifeline.take());
        if spec.stop_by == StopBy::Signal {
            send(Signal::TERM);
        }
        if timeout(first, child.process.wait()).await.is_ok() {
            return;
        }
        send(Signal::TERM);
        if timeout(second, child.process.wait()).await.is_ok() {
            return;
        }
    }
    send(Signal::KILL);
    let _ = child.process.wait().await;
}

/// This executable, even when a new build has replaced it since.
fn own_executable() -> anyhow::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("cannot find our own executable")
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

fn open_log(path: &Path) -> io::Result<fs::File> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_LIMIT_BYTES) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

fn tail(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return format!("; its log {} is empty", path.display());
    }
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
    format!("; the end of {}:\n  {last}", path.display())
}
