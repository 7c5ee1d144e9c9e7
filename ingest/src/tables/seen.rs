//! How far the tables have read: lets a feed's answer wait until what it stored can be scanned against.

use std::time::Duration;

use parking_lot::Mutex;
use schemas::Topics;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::producer::Position;

/// The topics that tables are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// The venue directory.
    Venues,
    /// Health-code changes.
    Health,
    /// Test results.
    Tests,
    /// Registrations.
    Identities,
}

impl Table {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Venues, Self::Health, Self::Tests, Self::Identities];

    /// The topic that it is read from.
    pub fn topic(self, topics: &Topics) -> &str {
        match self {
            Self::Venues => &topics.venues,
            Self::Health => &topics.health,
            Self::Tests => &topics.tests,
            Self::Identities => &topics.identities,
        }
    }

    /// Its name in metrics: that of its topic, without a prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Venues => "venues",
            Self::Health => "health",
            Self::Tests => "tests",
            Self::Identities => "identities",
        }
    }
}

/// How far one partition was read, and what stood there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The topic.
    pub table: Table,
    /// The partition.
    pub partition: i32,
    /// Offset of the last message.
    pub last: i64,
    /// CRC-32 of that message: another one there means that the topic is another one.
    pub print: u32,
}

/// The last offset of each topic and partition, with the message's print; offset -1 before the first.
#[derive(Debug, Default)]
pub struct Seen {
    last: Mutex<[Vec<(i64, u32)>; 4]>,
    advanced: Notify,
}

impl Seen {
    /// Notes that a message was applied.
    pub fn note(&self, table: Table, at: Position, print: u32) {
        let Ok(partition) = usize::try_from(at.partition) else { return };
        let last = &mut self.last.lock()[table as usize];
        if last.len() <= partition {
            last.resize(partition + 1, (-1, 0));
        }
        last[partition] = (at.offset, print);
    }

    /// How far each partition was read that has a message.
    pub fn marks(&self) -> Vec<Mark> {
        let last = self.last.lock();
        let of_table = |table: Table| {
            let partitions = (0..).zip(&last[table as usize]).filter(|(_, (last, _))| *last >= 0);
            partitions.map(move |(partition, (last, print))| Mark { table, partition, last: *last, print: *print })
        };
        Table::ALL.into_iter().flat_map(of_table).collect()
    }

    /// Goes on from where a snapshot ends, and forgets everything else.
    pub fn resume(&self, marks: &[Mark]) {
        *self.last.lock() = Default::default();
        for Mark { table, partition, last, print } in marks {
            self.note(*table, Position { partition: *partition, offset: *last }, *print);
        }
    }

    /// Wakes those who wait; called once per poll, not per message.
    pub fn announce(&self) {
        self.advanced.notify_waiters();
    }

    /// Waits until all these messages were applied, but no longer than `patience`; whether they were.
    pub async fn wait(&self, table: Table, messages: &[Position], patience: Duration) -> bool {
        let all_seen = async {
            loop {
                let advanced = self.advanced.notified();
                if self.has(table, messages) {
                    return;
                }
                advanced.await;
            }
        };
        tokio::time::timeout(patience, all_seen).await.is_ok()
    }

    /// Whether all these messages were applied.
    pub fn has(&self, table: Table, messages: &[Position]) -> bool {
        let last = &self.last.lock()[table as usize];
        messages.iter().all(|at| {
            let partition = usize::try_from(at.partition).unwrap_or(usize::MAX);
            last.get(partition).is_some_and(|(last, _)| *last >= at.offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wait_ends_with_the_last_of_the_messages_or_with_patience() {
        let seen = Seen::default();
        let at = |partition, offset| Position { partition, offset };
        let (wanted, patience) = ([at(0, 4), at(2, 0)], Duration::from_millis(20));
        seen.note(Table::Health, at(0, 4), 9);
        assert!(!seen.wait(Table::Health, &wanted, patience).await);
        seen.note(Table::Tests, at(2, 0), 8);
        assert!(!seen.wait(Table::Health, &wanted, patience).await);
        let (all_seen, ()) = tokio::join!(seen.wait(Table::Health, &wanted, Duration::from_secs(10)), async {
            seen.note(Table::Health, at(2, 0), 8);
            seen.announce();
        });
        assert!(all_seen);
        let marks = seen.marks();
        let mark = |table, partition, last, print| Mark { table, partition, last, print };
        let resumed = Seen::default();
        resumed.resume(&marks);
        assert_eq!(resumed.marks(), marks);
        assert_eq!(marks, [mark(Table::Health, 0, 4, 9), mark(Table::Health, 2, 0, 8), mark(Table::Tests, 2, 0, 8)]);
    }
}
