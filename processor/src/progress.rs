//! How far each partition is, for metrics: also, and above all, while nothing can be stored.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use hashbrown::HashMap;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use service::{KafkaConfig, clock::now_ms, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long asking Kafka for a partition's end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of one partition.
#[derive(Debug, Clone, Copy, Default)]
struct Partition {
    /// Offset of the first message that is not stored.
    next: u64,
    /// When that message, or one before it, came to Kafka, in milliseconds since 1970.
    waiting_since_ms: Option<i64>,
    /// Since when nothing can be stored, in milliseconds since 1970.
    blocked_since_ms: Option<i64>,
}

/// How far each partition of this instance is.
#[derive(Default)]
pub struct Progress(Mutex<HashMap<i32, Partition>>);

impl Progress {
    /// Everything before `next` is stored; what follows came to Kafka at `came_at_ms` or after it, if known.
    pub fn reached(&self, partition: i32, next: u64, came_at_ms: Option<i64>) {
        self.change(partition, |known| {
            known.next = next;
            known.waiting_since_ms = came_at_ms.or(known.waiting_since_ms);
        });
    }

    /// Nothing can be stored at the moment.
    pub fn blocked(&self, partition: i32) {
        self.change(partition, |known| {
            known.blocked_since_ms.get_or_insert_with(now_ms);
        });
    }

    /// Rows are stored again.
    pub fn unblocked(&self, partition: i32) {
        self.change(partition, |known| known.blocked_since_ms = None);
    }

    /// The partition is held no longer; whoever has it now speaks for it.
    pub fn left(&self, partition: i32) {
        if self.0.lock().remove(&partition).is_some() {
            show(partition, 0, &Partition::default());
        }
    }

    /// Before which offset everything of the partition is stored, if it is held here.
    pub fn stored_up_to(&self, partition: i32) -> Option<u64> {
        self.0.lock().get(&partition).map(|known| known.next)
    }

    /// Whether the partition is held here.
    pub fn holds(&self, partition: i32) -> bool {
        self.0.lock().contains_key(&partition)
    }

    fn change(&self, partition: i32, change: impl FnOnce(&mut Partition)) {
        change(self.0.lock().entry(partition).or_default());
    }

    /// Shows every second how far the partitions are, until `stop`.
    ///
    /// # Errors
    /// When there is no client or no thread to be had.
    pub fn watch(self: Arc<Self>, kafka: &KafkaConfig, stop: CancellationToken) -> anyhow::Result<JoinHandle<()>> {
        let consumer: BaseConsumer = kafka.reader().create()?;
        let topic = kafka.topics().scans;
        let watch = move || {
            let _whole = WholeOrNone(stop.clone());
            while !stop.is_cancelled() {
                let known = self.0.lock().clone();
                for (partition, state) in known {
                    // While Kafka does not answer the lag is what it was, and the scans grow older.
                    if let Ok((_, end)) = consumer.fetch_watermarks(&topic, partition, PATIENCE) {
                        let lag = u64::try_from(end).unwrap_or_default().saturating_sub(state.next);
                        if self.0.lock().contains_key(&partition) {
                            show(partition, lag, &state);
                        }
                    }
                }
                std::thread::sleep(INTERVAL);
            }
        };
        Ok(std::thread::Builder::new().name("progress".to_owned()).spawn(watch)?)
    }
}

fn show(partition: i32, lag: u64, state: &Partition) {
    let behind_ms = state.waiting_since_ms.filter(|_| lag > 0).map_or(0, |since| (now_ms() - since).max(0));
    let label = partition.to_string();
    ::metrics::gauge!(metrics::LAG, "partition" => label.clone()).set(lag as f64);
    ::metrics::gauge!(metrics::BEHIND_SECONDS, "partition" => label.clone()).set(behind_ms as f64 / 1000.0);
    let blocked = state.blocked_since_ms.map_or(0.0, |since| since as f64 / 1000.0);
    ::metrics::gauge!(metrics::CANNOT_STORE_SINCE, "partition" => label).set(blocked);
}
