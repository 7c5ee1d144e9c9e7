//! How many bulk changes wait for a second account, and since when: counts and times, and nothing about a person.

use metrics::{Gauge, gauge};

use super::case::Case;
use crate::metrics::{PROPOSALS_OPEN, PROPOSALS_WAITING_SINCE};

/// The gauges of one partition.
pub struct Gauges {
    open: Gauge,
    waiting_since: Gauge,
}

impl Gauges {
    /// Those of a partition.
    pub fn of(partition: i32) -> Self {
        let partition = partition.to_string();
        Self {
            open: gauge!(PROPOSALS_OPEN, "partition" => partition.clone()),
            waiting_since: gauge!(PROPOSALS_WAITING_SINCE, "partition" => partition),
        }
    }

    /// Shows what of these can still be released.
    pub fn show<'a>(&self, cases: impl Iterator<Item = &'a Case>, now_ms: i64) {
        let (open, oldest_ms) = waiting(cases, now_ms);
        self.open.set(open as f64);
        self.waiting_since.set(oldest_ms.map_or(0.0, |made_ms| made_ms as f64 / 1000.0));
    }

    /// Shows that nothing waits.
    pub fn clear(&self) {
        self.show(std::iter::empty(), 0);
    }
}

/// How many can still be released, and when the oldest of them was made, in milliseconds since 1970.
pub fn waiting<'a>(cases: impl Iterator<Item = &'a Case>, now_ms: i64) -> (usize, Option<i64>) {
    let made: Vec<i64> = cases.filter_map(|case| case.open_since_ms(now_ms)).collect();
    (made.len(), made.iter().min().copied())
}
