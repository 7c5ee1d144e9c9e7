//! Which partitions this instance holds: membership in the consumer group.
//!
//! The group is used for the assignment alone. Each worker reads its partition with a consumer of its own, from
//! where it knows itself, so a slow or unreachable ClickHouse never gets an instance thrown out of the group.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
};
use service::{BoundedConsumer, KafkaConfig};
use tokio_util::sync::CancellationToken;

use crate::workers::Workers;

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
    }
}

/// Takes part in the group that shares out a topic until `stop`, then stops the workers and leaves.
///
/// # Errors
/// When the group cannot be joined at all, or a worker could not be started, or panicked.
pub fn take_part(
    kafka: &KafkaConfig,
    (group, topic): (&str, &str),
    workers: Workers,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut config = kafka.client();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "latest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000");
    let workers = Arc::new(workers);
    let member = Membership(Arc::clone(&workers));
    let member = BoundedConsumer::try_new(&config, member).context("cannot set up a group member")?;
    member.subscribe(&[topic]).with_context(|| format!("cannot subscribe to {topic}"))?;
    while !stop.is_cancelled() {
        if let Some(Err(error)) = member.poll(Duration::from_millis(200)) {
            tracing::warn!(%error, "the consumer group is in trouble; the client tries again");
        }
        commit(&member, topic, &workers);
    }
    workers.stop(&workers.partitions());
    member.unsubscribe();
    workers.outcome()
}

/// Commits how far each partition is dealt with. It is for lag to be seen from outside and decides nothing.
fn commit(member: &BaseConsumer<Membership>, topic: &str, workers: &Workers) {
    let stored = workers.take_stored();
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
