//! How many people each account has turned yellow or red within the last hour, without anybody's release.
//!
//! Counted from the topic `health`, so that every gateway counts what went through any of them, and a restart forgets
//! nothing. What is on its way is counted beside it: a batch is on its way until the tables have it.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How far back changes count, in milliseconds.
pub const WINDOW_MS: i64 = 3_600_000;
const MS_PER_MINUTE: i64 = 60_000;

/// Changes by account.
#[derive(Debug, Default)]
pub struct Turned(Mutex<HashMap<String, Account>>);

/// One account's changes.
#[derive(Debug, Default)]
struct Account {
    /// By the minute in which they came, oldest first as far as the topic is in order.
    by_minute: VecDeque<(i64, u32)>,
    on_their_way: u32,
}

/// The same as a snapshot keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnedBy {
    account: String,
    by_minute: VecDeque<(i64, u32)>,
}

/// Changes that are on their way until this is dropped.
#[derive(Debug)]
pub struct OnTheirWay<'t> {
    turned: &'t Turned,
    account: &'t str,
    changes: u32,
}

impl Turned {
    /// Counts a change that came at a time.
    pub fn note(&self, account: &str, at_ms: i64) {
        let minute = at_ms.div_euclid(MS_PER_MINUTE);
        let mut accounts = self.0.lock();
        let account = match accounts.get_mut(account) {
            Some(known) => known,
            None => accounts.entry(account.to_owned()).or_default(),
        };
        match account.by_minute.iter_mut().rev().find(|(known, _)| *known == minute) {
            Some((_, changes)) => *changes = changes.saturating_add(1),
            None => account.by_minute.push_back((minute, 1)),
        }
        account.by_minute.retain(|(known, _)| *known > minute - WINDOW_MS / MS_PER_MINUTE - 1);
    }

    /// Counts changes as on their way, if the account has then made no more than `most` within the hour.
    pub fn try_begin<'t>(&'t self, account: &'t str, changes: u32, most: u32, now_ms: i64) -> Option<OnTheirWay<'t>> {
        let mut accounts = self.0.lock();
        let known = accounts.entry(account.to_owned()).or_default();
        known.by_minute.retain(|(minute, _)| counts(*minute, now_ms));
        let before = known.by_minute.iter().map(|(_, changes)| *changes);
        let all = before.fold(known.on_their_way.saturating_add(changes), u32::saturating_add);
        if all > most {
            return None;
        }
        known.on_their_way += changes;
        Some(OnTheirWay { turned: self, account, changes })
    }

    /// What a snapshot keeps.
    pub fn to_keep(&self) -> Vec<TurnedBy> {
        let of = |(account, known): (&String, &Account)| TurnedBy {
            account: account.clone(),
            by_minute: known.by_minute.clone(),
        };
        let mut all: Vec<TurnedBy> = self.0.lock().iter().filter(|(_, a)| !a.by_minute.is_empty()).map(of).collect();
        all.sort_by(|a, b| a.account.cmp(&b.account));
        all
    }

    /// Goes on from what a snapshot kept.
    pub fn resume(&self, kept: Vec<TurnedBy>) {
        let mut accounts = self.0.lock();
        accounts.values_mut().for_each(|account| account.by_minute.clear());
        for TurnedBy { account, by_minute } in kept {
            accounts.entry(account).or_default().by_minute = by_minute;
        }
    }
}

impl Drop for OnTheirWay<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.turned.0.lock().get_mut(self.account) {
            account.on_their_way -= self.changes;
        }
    }
}

/// Whether anything of a minute lies within the hour before a time. Clocks that are ahead count as well.
const fn counts(minute: i64, now_ms: i64) -> bool {
    (minute + 1) * MS_PER_MINUTE > now_ms - WINDOW_MS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_MS: i64 = 1_654_056_000_000;

    #[test]
    fn small_batches_add_up_to_a_bulk_change() {
        let turned = Turned::default();
        for n in 0..99 {
            assert!(turned.try_begin("cdc", 1, 100, NOW_MS + n).is_some());
            turned.note("cdc", NOW_MS + n);
        }
        assert!(turned.try_begin("cdc", 2, 100, NOW_MS).is_none());
        assert!(turned.try_begin("other", 100, 100, NOW_MS).is_some(), "another account's own hour");
        let last = turned.try_begin("cdc", 1, 100, NOW_MS);
        assert!(last.is_some() && turned.try_begin("cdc", 1, 100, NOW_MS).is_none(), "what is on its way counts");
        drop(last);
        assert!(turned.try_begin("cdc", 1, 100, NOW_MS).is_some(), "and what came to nothing does not");
        assert!(turned.try_begin("cdc", 2, 100, NOW_MS + WINDOW_MS - 60_000).is_none());
        assert!(turned.try_begin("cdc", 100, 100, NOW_MS + WINDOW_MS + 60_000).is_some(), "the hour is over");
    }

    proptest! {
        /// Whatever an account sends, and whenever: within no hour does it turn more people than it may.
        #[test]
        fn no_hour_has_more_than_the_bound(steps in prop::collection::vec((0i64..1_200_000, 0u32..8), 0..80)) {
            let (turned, mut now_ms, mut made) = (Turned::default(), NOW_MS, Vec::new());
            for (pause_ms, changes) in steps {
                now_ms += pause_ms;
                if let Some(way) = turned.try_begin("cdc", changes, 20, now_ms) {
                    (0..changes).for_each(|_| turned.note("cdc", now_ms));
                    drop(way);
                    made.push((now_ms, changes));
                }
                let hour = made.iter().filter(|(at, _)| *at > now_ms - WINDOW_MS).map(|(_, n)| n).sum::<u32>();
                prop_assert!(hour <= 20, "{}", hour);
            }
            let resumed = Turned::default();
            resumed.resume(turned.to_keep());
            prop_assert_eq!(resumed.to_keep(), turned.to_keep());
            for changes in 0..=21 {
                let both = [&turned, &resumed].map(|t| t.try_begin("cdc", changes, 20, now_ms).is_some());
                prop_assert_eq!(both[0], both[1]);
            }
        }
    }
}
