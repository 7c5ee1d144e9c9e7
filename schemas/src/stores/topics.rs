//! Every topic, and the settings that make the broker forget.

use super::Holds;
use crate::{retention::Retention, topics};

/// When messages of a topic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKept {
    /// With the retention of the city, or after so many days if that is sooner.
    AtMostDays(u16),
    /// After so many days whatever the city says, for this reason.
    Days(u16, &'static str),
    /// The last message of each key stays; what it replaced goes with the retention of the city, when the broker comes
    /// to compact it. A broker that does not spare recent messages when it compacts keeps all for good: late scans need
    /// them as they were.
    Newest(&'static str),
    /// The last message of each key stays, what it replaced goes at any time.
    NewestAlone(&'static str),
    /// Never, for this reason.
    ForGood(&'static str),
}

/// A topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Its name, without a prefix.
    pub name: &'static str,
    /// What it says of people.
    pub holds: Holds,
    /// When its messages go.
    pub kept: TopicKept,
}

/// Days for which what was replaced is spared at least: what was in force at a scan that waits somewhere.
const LEAST_LAG_DAYS: u16 = 7;

const DAY_MS: u64 = 86_400_000;

/// Days that `trips` is kept at most.
pub const TRIPS_DAYS: u16 = 31;

/// Every topic.
pub const TOPICS: &[Topic] = &[
    topic(topics::SCANS, Holds::Movements, TopicKept::AtMostDays(14)),
    topic(topics::HEALTH, Holds::Persons, TopicKept::Newest("a colour may be in force for as long")),
    topic(topics::TESTS, Holds::Persons, TopicKept::Newest("answers show the last test")),
    topic(topics::VENUES, Holds::Nobody, TopicKept::NewestAlone("the directory is public")),
    topic(topics::APPLICATIONS, Holds::Sealed, TopicKept::ForGood("the registry is a fold over all of it")),
    topic(topics::ALERTS, Holds::Movements, TopicKept::AtMostDays(31)),
    topic(topics::TRIPS, Holds::Movements, TopicKept::AtMostDays(TRIPS_DAYS)),
    topic(topics::HEALTH_PROPOSALS, Holds::Persons, TopicKept::Days(31, "longer than one can wait")),
    topic(topics::RELEASES, Holds::Movements, TopicKept::Days(31, "longer than one can be in force")),
    topic(topics::REMINDERS, Holds::Accounts, TopicKept::ForGood("what was reminded of is a fold over all of it")),
    topic(topics::ERASURES, Holds::Persons, TopicKept::Newest("nothing that was erased comes back")),
    topic(topics::AUDIT_ANCHORS, Holds::Nobody, TopicKept::ForGood("what was once said of the audit log stays said")),
    topic(topics::DEAD_LETTERS, Holds::Movements, TopicKept::AtMostDays(31)),
    topic(topics::IDENTITIES, Holds::Sealed, TopicKept::NewestAlone("a registration holds until the next one")),
    topic(topics::SCAN_RANGES, Holds::Nobody, TopicKept::Days(31, "longer than any scan of a range")),
];

const fn topic(name: &'static str, holds: Holds, kept: TopicKept) -> Topic {
    Topic { name, holds, kept }
}

impl TopicKept {
    /// The settings of a topic that is kept so. `compaction_lag` says whether the broker spares recent messages when it
    /// compacts.
    pub fn settings(self, retention: Retention, compaction_lag: bool) -> Vec<(&'static str, String)> {
        /// 100 years. Not `-1`: the embedded broker takes that for a millisecond in the future and deletes everything.
        const FOR_EVER_MS: u64 = 3_153_600_000_000;
        let delete = |retention_ms: u64| {
            vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", retention_ms.to_string())]
        };
        match self {
            Self::AtMostDays(days) => {
                let times = retention.of_topic(days);
                let mut settings = delete(times.retention_ms);
                settings.push(("segment.ms", times.segment_ms.to_string()));
                settings
            }
            Self::Days(days, _) => delete(u64::from(days) * DAY_MS),
            Self::ForGood(_) => delete(FOR_EVER_MS),
            Self::Newest(_) if !compaction_lag => delete(FOR_EVER_MS),
            Self::Newest(_) => {
                let lag_ms = u64::from(retention.days().max(LEAST_LAG_DAYS)) * DAY_MS;
                vec![
                    ("cleanup.policy", "compact".to_owned()),
                    ("min.compaction.lag.ms", lag_ms.to_string()),
                    // Without it a topic of which little changes is never compacted.
                    ("max.compaction.lag.ms", (lag_ms + DAY_MS).to_string()),
                    // What is being written is not compacted.
                    ("segment.ms", DAY_MS.to_string()),
                ]
            }
            Self::NewestAlone(_) if !compaction_lag => vec![("cleanup.policy", "compact".to_owned())],
            // What was replaced goes within days also where little changes.
            Self::NewestAlone(_) => vec![
                ("cleanup.policy", "compact".to_owned()),
                ("max.compaction.lag.ms", DAY_MS.to_string()),
                ("segment.ms", DAY_MS.to_string()),
            ],
        }
    }

    /// For how long at most a message may lie in the broker's files after it was told to forget it, in milliseconds: after
    /// its key had a message without a value, where the newest stays. `None` when the topic keeps all it has.
    pub fn gone_after_ms(self, retention: Retention, compaction_lag: bool) -> Option<i64> {
        let days = match self {
            Self::AtMostDays(days) => i64::from(retention.days().min(days)),
            Self::Days(days, _) => i64::from(days),
            _ if !compaction_lag => return None,
            // The newest one that is spared, a day until it must be compacted, and another one for the broker to do so.
            Self::Newest(_) => i64::from(retention.days().max(LEAST_LAG_DAYS)) + 2,
            Self::NewestAlone(_) => 2,
            Self::ForGood(_) => return None,
        };
        Some(days * DAY_MS as i64)
    }

    /// The words of ARCHITECTURE.md.
    pub fn words(self) -> String {
        match self {
            Self::AtMostDays(days) => format!("the city's retention, {days} days at most"),
            Self::Days(days, why) => format!("{days} days: {why}"),
            Self::Newest(why) => format!(
                "the newest of a key for good: {why}; earlier ones for the city's retention, {LEAST_LAG_DAYS} days at least"
            ),
            Self::NewestAlone(why) => format!("the newest of a key for good: {why}"),
            Self::ForGood(why) => format!("for good: {why}"),
        }
    }
}
