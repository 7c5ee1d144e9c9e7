//! How far the tables have read: lets a feed's answer wait until what it stored can be scanned against.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::producer::Position;

/// The topics that tables are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The next offset of each topic and partition.
#[derive(Debug, Default)]
pub struct Seen {
    next: Mutex<[Vec<i64>; 4]>,
    advanced: Notify,
}

impl Seen {
    /// Notes that a message was applied.
    pub fn note(&self, table: Table, at: Position) {
        let Ok(partition) = usize::try_from(at.partition) else { return };
        let next = &mut self.next.lock()[table as usize];
        if next.len() <= partition {
            next.resize(partition + 1, 0);
        }
        next[partition] = at.offset + 1;
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

    fn has(&self, table: Table, messages: &[Position]) -> bool {
        let next = &self.next.lock()[table as usize];
        messages.iter().all(|at| {
            let partition = usize::try_from(at.partition).unwrap_or(usize::MAX);
            next.get(partition).is_some_and(|next| *next > at.offset)
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
        seen.note(Table::Health, at(0, 4));
        assert!(!seen.wait(Table::Health, &wanted, patience).await);
        seen.note(Table::Tests, at(2, 0));
        assert!(!seen.wait(Table::Health, &wanted, patience).await);
        let (all_seen, ()) = tokio::join!(seen.wait(Table::Health, &wanted, Duration::from_secs(10)), async {
            seen.note(Table::Health, at(2, 0));
            seen.announce();
        });
        assert!(all_seen);
    }
}
