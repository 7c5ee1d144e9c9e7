//! The thread that writes snapshots of the tables every few minutes, and once more at the end.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::Context;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Tables,
    snapshot::{Origin, Snapshots},
};
use crate::state::now_ms;

/// Keeps snapshots of the tables.
#[derive(Debug)]
pub struct Keeper {
    /// Where they are.
    pub snapshots: Arc<Snapshots>,
    /// What is written.
    tables: Arc<Tables>,
    /// Where it comes from; known once Kafka has answered.
    origin: Mutex<Option<Origin>>,
}

impl Keeper {
    /// A keeper that writes nothing yet.
    pub fn new(snapshots: Arc<Snapshots>, tables: Arc<Tables>) -> Self {
        Self { snapshots, tables, origin: Mutex::default() }
    }

    /// From now on the tables come from here.
    pub fn write_from(&self, origin: Origin) {
        *self.origin.lock() = Some(origin);
    }

    /// Starts the thread; call it within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn spawn(self: &Arc<Self>, every: Duration, stop: CancellationToken) -> anyhow::Result<JoinHandle<()>> {
        let (runtime, keeper) = (tokio::runtime::Handle::current(), Arc::clone(self));
        let thread = std::thread::Builder::new().name("snapshots".to_owned());
        let run = move || {
            while runtime.block_on(async { tokio::time::timeout(every, stop.cancelled()).await }).is_err() {
                keeper.write();
            }
        };
        thread.spawn(run).context("cannot start the thread that writes snapshots")
    }

    /// Writes a snapshot, once the tables are whole. A disk that fails costs time at the next start and nothing else.
    pub fn write(&self) {
        let Some(origin) = self.origin.lock().clone().filter(|_| self.tables.ensure_caught_up().is_ok()) else {
            return;
        };
        if let Err(error) = self.snapshots.write(&self.tables, origin, now_ms()) {
            tracing::error!(%error, "cannot write a snapshot of the tables");
        }
    }
}
