//! How many reminders are open, by how far they are: counts, and nothing about an organisation or a place.

use metrics::{Gauge, gauge};
use schemas::events::ReminderState;

use super::case::Case;
use crate::metrics::REMINDERS_OPEN;

/// How far open reminders are, as the label has it. One that is escalated counts as that, answered or not.
const STATES: [&str; 3] = ["sent", "answered", "escalated"];

/// The gauges of one partition.
pub struct Gauges([Gauge; STATES.len()]);

impl Gauges {
    /// Those of a partition.
    pub fn of(partition: i32) -> Self {
        Self(STATES.map(|state| gauge!(REMINDERS_OPEN, "state" => state, "partition" => partition.to_string())))
    }

    /// Shows what is open of these.
    pub fn show<'a>(&self, cases: impl Iterator<Item = &'a Case>) {
        self.set(count(cases));
    }

    /// Shows that nothing is.
    pub fn clear(&self) {
        self.set(Counts::default());
    }

    fn set(&self, counts: Counts) {
        for (gauge, count) in self.0.iter().zip(counts) {
            gauge.set(count);
        }
    }
}

type Counts = [u32; STATES.len()];

fn count<'a>(cases: impl Iterator<Item = &'a Case>) -> Counts {
    let mut counts = Counts::default();
    for case in cases {
        let state = match (case.state, case.escalated_at_ms) {
            (ReminderState::Settled | ReminderState::Refused, _) => continue,
            (_, Some(_)) => 2,
            (ReminderState::Answered, None) => 1,
            (ReminderState::Sent, None) => 0,
        };
        counts[state] += 1;
    }
    counts
}
