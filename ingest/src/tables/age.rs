//! How old what the tables know is. A reader that stands still looks like a city in which nothing changes, so another client
//! asks Kafka where the topics end, and it is watched when the tables have come there.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use anyhow::Context;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    metadata::MetadataTopic,
};
use schemas::Topics;
use service::{KafkaConfig, clock::now_ms, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;

use super::{Table, Tables};
use crate::{metrics::tables_known_at, producer::Position};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// How long Kafka may take to say where the topics end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last message of each partition that has any.
type Ends = Vec<(Table, Position)>;

/// What of Kafka the tables are known to hold. Times are in milliseconds since 1970.
struct Age {
    /// All that was there then.
    known_at_ms: i64,
    /// Where the topics ended later, which the tables have not come to yet.
    awaited: Option<(i64, Ends)>,
}

impl Age {
    /// Looks how far the tables are, and takes up where the topics end by now; `None` when Kafka does not say.
    fn look(&mut self, now_ms: i64, ends: Option<Ends>, has: impl Fn(&(Table, Position)) -> bool) {
        self.arrive(&has);
        let Some(ends) = ends else { return };
        // An end that is gone, with what was lost or has expired, will not be reached.
        let is_there = |(table, end): &(Table, Position)| {
            ends.iter().any(|(t, e)| (t, e.partition) == (table, end.partition) && e.offset >= end.offset)
        };
        let awaited = self.awaited.take().filter(|(_, awaited)| awaited.iter().all(is_there));
        self.awaited = awaited.or(Some((now_ms, ends)));
        self.arrive(&has);
    }

    fn arrive(&mut self, has: impl Fn(&(Table, Position)) -> bool) {
        if let Some((at_ms, _)) = self.awaited.take_if(|(_, ends)| ends.iter().all(has)) {
            self.known_at_ms = at_ms;
        }
    }
}

/// Shows, once the tables are read, every few seconds as of when they are known, until `stop`; `whole` is told if the thread
/// panics.
///
/// # Errors
/// When there is no client or no thread to be had.
pub fn watch(
    tables: Arc<Tables>,
    kafka: &KafkaConfig,
    stop: CancellationToken,
    whole: WholeOrNone,
) -> anyhow::Result<JoinHandle<()>> {
    let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let (topics, runtime) = (kafka.topics(), tokio::runtime::Handle::current());
    let run = move || {
        let _whole = whole;
        let wait = || runtime.block_on(async { tokio::time::timeout(EVERY, stop.cancelled()).await });
        while tables.ensure_caught_up().is_err() {
            if wait().is_ok() {
                return;
            }
        }
        let (gauge, mut age) = (tables_known_at(), Age { known_at_ms: now_ms(), awaited: None });
        let mut partitions = None;
        loop {
            partitions = partitions.or_else(|| all_partitions(&consumer, &topics));
            let asked_ms = now_ms();
            let ends = partitions.as_ref().and_then(|partitions| ends(&consumer, &topics, partitions));
            age.look(asked_ms, ends, |(table, end)| tables.seen.has(*table, &[*end]));
            gauge.set(age.known_at_ms as f64 / 1000.0);
            if wait().is_ok() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("age".to_owned())
        .spawn(run)
        .context("cannot start the thread that watches the tables")
}

fn all_partitions(consumer: &BaseConsumer, topics: &Topics) -> Option<Vec<(Table, i32)>> {
    let mut partitions = Vec::new();
    for table in Table::ALL {
        let metadata = consumer.fetch_metadata(Some(table.topic(topics)), PATIENCE).ok()?;
        let all = metadata.topics().first().map(MetadataTopic::partitions).filter(|all| !all.is_empty())?;
        partitions.extend(all.iter().map(|partition| (table, partition.id())));
    }
    Some(partitions)
}

/// Where the topics end; `None` when Kafka does not say it of every partition.
fn ends(consumer: &BaseConsumer, topics: &Topics, partitions: &[(Table, i32)]) -> Option<Ends> {
    // Asked for as times, all partitions of a broker are one request.
    let ask = |which: Offset| {
        let mut list = TopicPartitionList::new();
        for (table, partition) in partitions {
            list.add_partition_offset(table.topic(topics), *partition, which).ok()?;
        }
        consumer.offsets_for_times(list, PATIENCE).ok()
    };
    let (first, next) = (ask(Offset::Beginning)?, ask(Offset::End)?);
    let at = |list: &TopicPartitionList, table: Table, partition| {
        let entry = list.find_partition(table.topic(topics), partition)?;
        entry.error().ok()?;
        if let Offset::Offset(offset) = entry.offset() { Some(offset) } else { None }
    };
    let mut ends = Vec::new();
    for &(table, partition) in partitions {
        let (first, next) = (at(&first, table, partition)?, at(&next, table, partition)?);
        // Where all has expired nothing is left to be read.
        if next > first {
            ends.push((table, Position { partition, offset: next - 1 }));
        }
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_as_old_as_the_last_look_whose_end_was_reached() {
        let end = |offset| Some(vec![(Table::Health, Position { partition: 0, offset })]);
        let mut age = Age { known_at_ms: 0, awaited: None };
        let mut look = |now_ms, ends, up_to: i64| {
            age.look(now_ms, ends, |(_, at)| at.offset <= up_to);
            age.known_at_ms
        };
        assert_eq!(look(5, end(7), 7), 5, "there is nothing that they do not hold");
        assert_eq!(look(10, end(9), 8), 5);
        assert_eq!(look(15, end(12), 8), 5, "what was there is awaited first");
        assert_eq!(look(20, None, 9), 10, "Kafka does not answer, and all that it had before is there");
        assert_eq!(look(25, None, 9), 10);
        assert_eq!(look(30, end(12), 9), 10);
        assert_eq!(look(35, end(11), 11), 35, "what was awaited is gone");
        assert_eq!(look(40, Some(Vec::new()), 11), 40, "nothing is kept there any more");
    }
}
