//! A thread per partition that this instance holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use ::metrics::Gauge;
use anyhow::ensure;
use hashbrown::HashMap;
use parking_lot::Mutex;
use service::shutdown::WholeOrNone;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// How long a worker may take to end: a little shorter than a group waits for a member that gives partitions up (five
/// minutes). It may be waiting for several things in turn that each give up within a minute, seldom for longer.
const PATIENCE: Duration = Duration::from_secs(280);
/// Between two looks whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Tells how far a partition is dealt with, for lag to be seen from outside.
pub type Commit = Box<dyn Fn(i32, u64) + Send>;

/// Runs one partition until its token is cancelled.
pub type Job = Arc<dyn Fn(i32, &Commit, &CancellationToken) + Send + Sync>;

struct Held {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// The workers of this instance, started and stopped as partitions come and go.
pub struct Workers {
    name: &'static str,
    job: Job,
    count: Gauge,
    stop: CancellationToken,
    held: Mutex<HashMap<i32, Held>>,
    stored: Mutex<HashMap<i32, u64>>,
    has_failed: AtomicBool,
}

impl Workers {
    /// No workers yet; `count` shows how many there are, and all of them stop with `stop`.
    pub fn new(name: &'static str, job: Job, count: Gauge, stop: CancellationToken) -> Self {
        let (held, stored, has_failed) = Default::default();
        Self { name, job, count, stop, held, stored, has_failed }
    }

    /// Starts the worker of a partition.
    pub fn start(self: &Arc<Self>, partition: i32) {
        let stop = self.stop.child_token();
        let (workers, stopped) = (Arc::clone(self), stop.clone());
        let thread = std::thread::Builder::new().name(format!("{}-{partition}", self.name)).spawn(move || {
            let _whole = WholeOrNone(workers.stop.clone());
            let stored = Arc::clone(&workers);
            let commit: Commit = Box::new(move |partition, next| {
                stored.stored.lock().insert(partition, next);
            });
            (workers.job)(partition, &commit, &stopped);
        });
        match thread {
            Ok(thread) => {
                let mut held = self.held.lock();
                held.insert(partition, Held { stop, thread });
                self.count.set(held.len() as f64);
            }
            Err(error) => {
                tracing::error!(partition, %error, "cannot start a thread for a partition");
                self.has_failed.store(true, Ordering::Relaxed);
                self.stop.cancel();
            }
        }
    }

    /// Stops workers and waits until what they have under way is stored or given up. If one does not end, the processor
    /// ends without it: its partition could not move on, and nobody would deal with it.
    pub fn stop(&self, partitions: &[i32]) {
        self.stop_within(PATIENCE, partitions);
    }

    fn stop_within(&self, patience: Duration, partitions: &[i32]) {
        let mut held = self.held.lock();
        let stopping: Vec<(i32, Held)> =
            partitions.iter().filter_map(|partition| Some((*partition, held.remove(partition)?))).collect();
        self.count.set(held.len() as f64);
        drop(held);
        stopping.iter().for_each(|(_, worker)| worker.stop.cancel());
        let deadline = Instant::now() + patience;
        for (partition, Held { thread, .. }) in stopping {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
            let workers = self.name;
            if !thread.is_finished() {
                tracing::error!(workers, partition, "the worker of a partition does not end; ending without it");
                self.stop.cancel();
            } else if thread.join().is_err() {
                tracing::error!(workers, partition, "the worker of a partition panicked");
            } else {
                continue;
            }
            self.has_failed.store(true, Ordering::Relaxed);
        }
        self.stored.lock().retain(|partition, _| !partitions.contains(partition));
    }

    /// Whether every worker could be started, and ended because it was asked to; of those that were stopped.
    ///
    /// # Errors
    /// When one could not, or did not.
    pub fn outcome(&self) -> anyhow::Result<()> {
        ensure!(!self.has_failed.load(Ordering::Relaxed), "a partition of {} was left alone", self.name);
        Ok(())
    }

    /// The partitions that have a worker.
    pub fn partitions(&self) -> Vec<i32> {
        self.held.lock().keys().copied().collect()
    }

    /// How far partitions have been stored since this was last asked.
    pub fn take_stored(&self) -> HashMap<i32, u64> {
        std::mem::take(&mut *self.stored.lock())
    }
}

/// Holds all partitions of each without a group until `stop`: for the one processor of a small town. A second one would do no
/// harm, since what each of them does twice counts once, but it would be in the way.
///
/// # Errors
/// When a worker could not be started, or panicked.
pub fn hold_all<const N: usize>(
    workers: [(Workers, i32); N],
    runtime: &Handle,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let workers = workers.map(|(workers, partitions)| (Arc::new(workers), partitions));
    for (workers, partitions) in &workers {
        (0..*partitions).for_each(|partition| workers.start(partition));
    }
    runtime.block_on(stop.cancelled());
    workers.iter().for_each(|(workers, _)| workers.stop(&workers.partitions()));
    workers.iter().try_for_each(|(workers, _)| workers.outcome())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_panics_ends_them_all_and_is_told() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let stop = CancellationToken::new();
        let job: Job = Arc::new(|partition, _, stop| {
            assert_ne!(partition, 1, "on purpose");
            while !stop.is_cancelled() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let workers = Workers::new("test", job, Gauge::noop(), stop.clone());
        let ended = hold_all([(workers, 3)], runtime.handle(), &stop);
        assert!(stop.is_cancelled());
        assert_eq!(ended.expect_err("one panicked").to_string(), "a partition of test was left alone");
    }

    #[test]
    fn a_worker_that_does_not_end_ends_the_processor() {
        let stop = CancellationToken::new();
        let job: Job = Arc::new(|_, _, _| {
            loop {
                std::thread::park();
            }
        });
        let workers = Arc::new(Workers::new("test", job, Gauge::noop(), stop.clone()));
        workers.start(7);
        workers.stop_within(Duration::from_millis(20), &[7]);
        assert!(stop.is_cancelled() && workers.partitions().is_empty());
        assert_eq!(workers.outcome().expect_err("it stands still").to_string(), "a partition of test was left alone");
    }
}
