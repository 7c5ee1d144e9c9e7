//! How old what the tables know is. A reader that stands still looks like a city in which nothing changes, so another client
//! asks Kafka where the topics end, and it is watched when the tables have come there.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    metadata::MetadataTopic,
};
use schemas::Topics;
use service::{KafkaConfig, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;

use super::{Table, Tables};
use crate::{metrics::tables_age, producer::Position};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// How long Kafka may take to say where the topics end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last message of each partition that has any.
type Ends = Vec<(Table, Position)>;

/// What of Kafka the tables are known to hold.
struct Age {
    /// All that was there then.
    known_at: Instant,
    /// Where the topics ended later, which the tables have not come to yet.
    awaited: Option<(Instant, Ends)>,
}

impl Age {
    /// Looks how far the tables are; `ends` asks Kafka, once they are where it ended when it was last asked.
    fn look(&mut self, now: Instant, ends: impl FnOnce() -> Option<Ends>, has: impl Fn(&(Table, Position)) -> bool) {
        let mut arrive = |awaited: Option<(Instant, Ends)>| {
            awaited.filter(|(at, ends)| {
                let is_there = ends.iter().all(&has);
                if is_there {
                    self.known_at = *at;
                }
                !is_there
            })
        };
        let mut awaited = arrive(self.awaited.take());
        if awaited.is_none() {
            awaited = arrive(ends().map(|ends| (now, ends)));
        }
        self.awaited = awaited;
    }
}

/// Shows every few seconds how old what the tables know is, until `stop`; `whole` is told if the thread panics.
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
        let (gauge, mut age) = (tables_age(), Age { known_at: Instant::now(), awaited: None });
        let mut partitions = None;
        let wait = || runtime.block_on(async { tokio::time::timeout(EVERY, stop.cancelled()).await });
        while wait().is_err() {
            let ends = || {
                partitions = partitions.take().or_else(|| all_partitions(&consumer, &topics));
                ends(&consumer, &topics, partitions.as_ref()?)
            };
            age.look(Instant::now(), ends, |(table, end)| tables.seen.has(*table, &[*end]));
            gauge.set(age.known_at.elapsed().as_secs_f64());
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
        entry.offset().to_raw()
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
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let end = |offset| Some(vec![(Table::Health, Position { partition: 0, offset })]);
        let mut age = Age { known_at: start, awaited: None };
        let reached = |up_to: i64| move |(_, at): &(Table, Position)| at.offset <= up_to;
        age.look(at(5), || end(7), reached(7));
        assert_eq!(age.known_at, at(5), "there is nothing that they do not hold");
        age.look(at(10), || end(9), reached(8));
        assert_eq!(age.known_at, at(5));
        age.look(at(15), || panic!("what was there is awaited first"), reached(8));
        assert_eq!(age.known_at, at(5));
        age.look(at(20), || None, reached(9));
        assert_eq!(age.known_at, at(10), "Kafka does not answer, and all that it had before is there");
        age.look(at(25), || None, reached(9));
        assert_eq!(age.known_at, at(10));
        age.look(at(30), || Some(Vec::new()), reached(9));
        assert_eq!(age.known_at, at(30), "nothing is kept there any more");
    }
}
