//! A thread per partition that this instance holds.

use std::{sync::Arc, thread::JoinHandle};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{metrics, worker};

struct Held {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// The workers of this instance, started and stopped as partitions come and go.
pub struct Workers {
    shared: Arc<worker::Shared>,
    stop: CancellationToken,
    held: Mutex<HashMap<i32, Held>>,
    stored: Mutex<HashMap<i32, u64>>,
}

impl Workers {
    /// No workers yet; all of them stop with `stop`.
    pub fn new(shared: Arc<worker::Shared>, stop: CancellationToken) -> Self {
        Self { shared, stop, held: Mutex::default(), stored: Mutex::default() }
    }

    /// What the workers share.
    pub fn shared(&self) -> &worker::Shared {
        &self.shared
    }

    /// Starts the worker of a partition.
    pub fn start(self: &Arc<Self>, partition: i32) {
        let stop = self.stop.child_token();
        let (workers, stopped) = (Arc::clone(self), stop.clone());
        let thread = std::thread::Builder::new().name(format!("scans-{partition}")).spawn(move || {
            let stored = Arc::clone(&workers);
            let commit: worker::Commit = Box::new(move |partition, next| {
                stored.stored.lock().insert(partition, next);
            });
            worker::run(&workers.shared, partition, &commit, &stopped);
        });
        match thread {
            Ok(thread) => {
                let mut held = self.held.lock();
                held.insert(partition, Held { stop, thread });
                ::metrics::gauge!(metrics::PARTITIONS).set(held.len() as f64);
            }
            Err(error) => tracing::error!(partition, %error, "cannot start a thread for a partition"),
        }
    }

    /// Stops workers and waits until what they have under way is stored or given up.
    pub fn stop(&self, partitions: &[i32]) {
        let mut held = self.held.lock();
        let stopping: Vec<Held> = partitions.iter().filter_map(|partition| held.remove(partition)).collect();
        ::metrics::gauge!(metrics::PARTITIONS).set(held.len() as f64);
        drop(held);
        stopping.iter().for_each(|worker| worker.stop.cancel());
        for worker in stopping {
            if worker.thread.join().is_err() {
                tracing::error!("the worker of a partition panicked");
            }
        }
        self.stored.lock().retain(|partition, _| !partitions.contains(partition));
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

/// Holds all partitions without a group until `stop`: for the one processor of a small town. A second one would do no
/// harm, since the ledger lets only one of them win each range, but it would be in the way.
pub fn hold_all(shared: Arc<worker::Shared>, partitions: i32, stop: &CancellationToken) {
    let workers = Arc::new(Workers::new(shared, stop.clone()));
    (0..partitions).for_each(|partition| workers.start(partition));
    workers.shared().runtime.block_on(stop.cancelled());
    workers.stop(&workers.partitions());
}
