//! Which partitions this instance holds: membership in the consumer group, and a worker per partition.
//!
//! The group is used for the assignment alone. Each worker reads its partition with a consumer of its own, from
//! where the ledger says, so a slow or unreachable ClickHouse never gets an instance thrown out of the group.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::Context;
use hashbrown::HashMap;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
};
use tokio_util::sync::CancellationToken;

use crate::{metrics, worker};

struct Held {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// The workers of this instance, started and stopped as partitions come and go.
struct Workers {
    shared: Arc<worker::Shared>,
    stop: CancellationToken,
    held: Mutex<HashMap<i32, Held>>,
    stored: Mutex<HashMap<i32, u64>>,
}

impl Workers {
    fn start(self: &Arc<Self>, partition: i32) {
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
                self.held.lock().insert(partition, Held { stop, thread });
            }
            Err(error) => tracing::error!(partition, %error, "cannot start a thread for a partition"),
        }
    }

    /// Stops workers and waits until what they have under way is stored or given up.
    fn stop(&self, partitions: &[i32]) {
        let mut held = self.held.lock();
        let stopping: Vec<Held> = partitions.iter().filter_map(|partition| held.remove(partition)).collect();
        drop(held);
        stopping.iter().for_each(|worker| worker.stop.cancel());
        for worker in stopping {
            if worker.thread.join().is_err() {
                tracing::error!("the worker of a partition panicked");
            }
        }
        self.stored.lock().retain(|partition, _| !partitions.contains(partition));
    }

    fn partitions(&self) -> Vec<i32> {
        self.held.lock().keys().copied().collect()
    }
}

struct Membership(Arc<Workers>);

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.0.stop(&partitions_of(list));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            // The workers read; the member only holds the assignment.
            if let Err(error) = consumer.pause(list) {
                tracing::warn!(%error, "cannot pause the member's own reading");
            }
            partitions_of(list).into_iter().for_each(|partition| self.0.start(partition));
        }
        ::metrics::gauge!(metrics::PARTITIONS).set(self.0.partitions().len() as f64);
    }
}

/// Takes part in the group until `stop`, then stops the workers and leaves.
///
/// # Errors
/// When the group cannot be joined at all.
pub fn take_part(shared: Arc<worker::Shared>, stop: &CancellationToken) -> anyhow::Result<()> {
    let topics = shared.kafka.topics();
    let group = format!("{}processor", shared.kafka.topic_prefix);
    let mut config = shared.kafka.client();
    config
        .set("group.id", &group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "latest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000");
    let workers = Arc::new(Workers { shared, stop: stop.clone(), held: Mutex::default(), stored: Mutex::default() });
    let member: BaseConsumer<Membership> =
        config.create_with_context(Membership(Arc::clone(&workers))).context("cannot set up a group member")?;
    member.subscribe(&[&topics.scans]).context("cannot subscribe to scans")?;
    while !stop.is_cancelled() {
        if let Some(Err(error)) = member.poll(Duration::from_millis(200)) {
            tracing::warn!(%error, "the consumer group is in trouble; the client tries again");
        }
        commit(&member, &topics.scans, &workers);
    }
    workers.stop(&workers.partitions());
    member.unsubscribe();
    Ok(())
}

/// Commits how far each partition is stored. It is for lag to be seen from outside; the ledger decides.
fn commit(member: &BaseConsumer<Membership>, topic: &str, workers: &Workers) {
    let stored = std::mem::take(&mut *workers.stored.lock());
    if stored.is_empty() {
        return;
    }
    let mut list = TopicPartitionList::new();
    for (partition, next) in stored {
        let offset = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        if let Err(error) = list.add_partition_offset(topic, partition, offset) {
            tracing::warn!(partition, %error, "cannot note an offset");
        }
    }
    if let Err(error) = member.commit(&list, CommitMode::Async) {
        tracing::debug!(%error, "cannot commit offsets now");
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}
