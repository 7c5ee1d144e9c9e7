//! How many alerts are open, by how far they are and how old: counts, and nothing about a person or a place.

use metrics::{Gauge, gauge};
use schemas::events::AlertState;

use super::case::Case;
use crate::metrics::ALERTS_OPEN;

/// Ages by the minutes below which they end.
const AGES: [(&str, i64); 4] =
    [("under_5_minutes", 5), ("under_1_hour", 60), ("under_1_day", 24 * 60), ("over_1_day", i64::MAX)];
/// How far open alerts are, as the label has it.
const STATES: [&str; 3] = ["raised", "escalated", "acknowledged"];

/// The gauges of one partition.
pub struct Gauges([[Gauge; AGES.len()]; STATES.len()]);

impl Gauges {
    /// Those of a partition.
    pub fn of(partition: i32) -> Self {
        let gauge = |state: &'static str, age: &'static str| gauge!(ALERTS_OPEN, "state" => state, "age" => age, "partition" => partition.to_string());
        Self(STATES.map(|state| AGES.map(|(age, _)| gauge(state, age))))
    }

    /// Shows what is open of these.
    pub fn show<'a>(&self, cases: impl Iterator<Item = &'a Case>, now_ms: i64) {
        self.set(count(cases, now_ms));
    }

    /// Shows that nothing is.
    pub fn clear(&self) {
        self.set(Counts::default());
    }

    fn set(&self, counts: Counts) {
        for (gauges, counts) in self.0.iter().zip(counts) {
            for (gauge, count) in gauges.iter().zip(counts) {
                gauge.set(count);
            }
        }
    }
}

type Counts = [[u32; AGES.len()]; STATES.len()];

fn count<'a>(cases: impl Iterator<Item = &'a Case>, now_ms: i64) -> Counts {
    let mut counts = Counts::default();
    for case in cases {
        let state = match (case.state, case.escalated_at_ms) {
            (AlertState::Raised, None) => 0,
            (AlertState::Raised, Some(_)) => 1,
            (AlertState::Acknowledged, _) => 2,
            (AlertState::Disposed, _) => continue,
        };
        let minutes = (now_ms - case.raised_at_ms) / 60_000;
        let age = AGES.iter().position(|(_, end)| minutes < *end).unwrap_or(AGES.len() - 1);
        counts[state][age] += 1;
    }
    counts
}
