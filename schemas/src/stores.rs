//! Every table and topic: what in it says something of a person, and when that goes.
//!
//! The one list of what is kept where. Topics are made by it, the processor forgets by it, and tests hold the tables and
//! topics that exist, and the table in ARCHITECTURE.md, against it: what is not listed fails.

use crate::{retention::Retention, topics};

/// What a table or topic says of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing.
    Nobody,
    /// Accounts of offices, by the name that their token has.
    Accounts,
    /// Person keys, without where anyone was.
    Persons,
    /// Person keys (or identities of scans, which say whether a known scan was there) with place and time.
    Movements,
    /// Person keys and what names a person; that is sealed.
    Sealed,
}

impl Holds {
    /// The words of ARCHITECTURE.md.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Accounts => "accounts",
            Self::Persons => "person keys",
            Self::Movements => "movements",
            Self::Sealed => "person keys, sealed identities",
        }
    }
}

/// When rows of a table go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKept {
    /// Stores nothing.
    Nowhere,
    /// With the retention of the city.
    Retention {
        /// SQL expression: the Monday of a row's partition. All rows of a partition are past once its week is.
        week: &'static str,
        /// SQL condition: the row is past. `{horizon}` stands for the horizon in seconds since 1970.
        past: &'static str,
    },
    /// Never, for this reason.
    ForGood(&'static str),
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What it says of people.
    pub holds: Holds,
    /// When its rows go.
    pub kept: TableKept,
}

/// When messages of a topic go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKept {
    /// With the retention of the city, or after so many days if that is sooner.
    AtMostDays(u16),
    /// After so many days whatever the city says, for this reason.
    Days(u16, &'static str),
    /// The last message of each key stays; what it replaced goes with the retention of the city. A broker that does not
    /// spare recent messages when it compacts keeps all for good: late scans need them as they were.
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

const BY_SCAN: TableKept =
    TableKept::Retention { week: "toMonday(scanned_at)", past: "scanned_at < toDateTime({horizon})" };

/// Every table.
pub const TABLES: &[Table] = &[
    table("scans_in", Holds::Movements, TableKept::Nowhere),
    table("scans_by_venue", Holds::Movements, BY_SCAN),
    table("scans_by_person", Holds::Movements, BY_SCAN),
    table(
        "scan_ids",
        Holds::Movements,
        TableKept::Retention { week: "toMonday(stored_at)", past: "stored_at < toDateTime({horizon})" },
    ),
    table(
        "alerts",
        Holds::Movements,
        TableKept::Retention {
            week: "toMonday(fromUnixTimestamp64Milli(raised_at_ms, 'UTC'))",
            past: "(raised_at_ms < {horizon} * 1000 OR scanned_at < toDateTime({horizon}))",
        },
    ),
    table(
        "trips",
        Holds::Movements,
        TableKept::Retention {
            week: "toMonday(fromUnixTimestamp64Milli(since * 1000, 'UTC'))",
            past: "since < {horizon}",
        },
    ),
    table("venues", Holds::Nobody, TableKept::ForGood("the directory is public")),
    table("application_states", Holds::Persons, TableKept::ForGood("a code is accounted for as long as it hangs")),
    table("health_proposals", Holds::Accounts, TableKept::ForGood("who changed many colours at once stays known")),
    table("health_changes", Holds::Persons, TableKept::ForGood("a colour may be in force for as long")),
    table("releases", Holds::Persons, TableKept::ForGood("what the audit log names is kept as long as it is")),
    table("audit_log", Holds::Persons, TableKept::ForGood("records of processing: PIPL, article 56")),
    table("schema_migrations", Holds::Nobody, TableKept::ForGood("the tables' version")),
];

/// Every topic.
pub const TOPICS: &[Topic] = &[
    topic(topics::SCANS, Holds::Movements, TopicKept::AtMostDays(14)),
    topic(topics::HEALTH, Holds::Persons, TopicKept::Newest("a colour may be in force for as long")),
    topic(topics::TESTS, Holds::Persons, TopicKept::Newest("answers show the last test")),
    topic(topics::VENUES, Holds::Nobody, TopicKept::NewestAlone("the directory is public")),
    topic(topics::APPLICATIONS, Holds::Sealed, TopicKept::ForGood("the registry is a fold over all of it")),
    topic(topics::ALERTS, Holds::Movements, TopicKept::AtMostDays(31)),
    topic(topics::TRIPS, Holds::Movements, TopicKept::AtMostDays(31)),
    topic(topics::HEALTH_PROPOSALS, Holds::Persons, TopicKept::AtMostDays(31)),
    topic(topics::RELEASES, Holds::Persons, TopicKept::Days(31, "longer than one can be in force")),
    topic(topics::AUDIT_ANCHORS, Holds::Nobody, TopicKept::ForGood("what was once said of the audit log stays said")),
    topic(topics::DEAD_LETTERS, Holds::Movements, TopicKept::AtMostDays(31)),
    topic(topics::IDENTITIES, Holds::Sealed, TopicKept::NewestAlone("a registration holds until the next one")),
    topic(topics::SCAN_RANGES, Holds::Nobody, TopicKept::Days(31, "longer than any scan of a range")),
];

const fn table(name: &'static str, holds: Holds, kept: TableKept) -> Table {
    Table { name, holds, kept }
}

const fn topic(name: &'static str, holds: Holds, kept: TopicKept) -> Topic {
    Topic { name, holds, kept }
}

impl TopicKept {
    /// The settings of a topic that is kept so. `compaction_lag` says whether the broker spares recent messages when it
    /// compacts.
    pub fn settings(self, retention: Retention, compaction_lag: bool) -> Vec<(&'static str, String)> {
        const DAY_MS: u64 = 86_400_000;
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
                let lag_ms = u64::from(retention.days()) * DAY_MS;
                vec![
                    ("cleanup.policy", "compact".to_owned()),
                    ("min.compaction.lag.ms", lag_ms.to_string()),
                    // Without it a topic of which little changes is never compacted.
                    ("max.compaction.lag.ms", (lag_ms + DAY_MS).to_string()),
                ]
            }
            Self::NewestAlone(_) => vec![("cleanup.policy", "compact".to_owned())],
        }
    }

    /// The words of ARCHITECTURE.md.
    pub fn words(self) -> String {
        match self {
            Self::AtMostDays(days) => format!("the city's retention, {days} days at most"),
            Self::Days(days, why) => format!("{days} days: {why}"),
            Self::Newest(why) => format!("the newest of a key for good: {why}; earlier ones for the city's retention"),
            Self::NewestAlone(why) => format!("the newest of a key for good: {why}"),
            Self::ForGood(why) => format!("for good: {why}"),
        }
    }
}

impl TableKept {
    /// The words of ARCHITECTURE.md.
    pub fn words(self) -> String {
        match self {
            Self::Nowhere => "not at all".to_owned(),
            Self::Retention { .. } => "the city's retention".to_owned(),
            Self::ForGood(why) => format!("for good: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CityProfile, Topics, ddl::MIGRATIONS};

    #[test]
    fn every_table_that_a_migration_makes_is_listed_and_parted_as_the_list_says() {
        let mut made = 0;
        for migration in MIGRATIONS {
            let sql = migration.sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let Some((_, name)) = sql.split_once("CREATE TABLE IF NOT EXISTS ") else { continue };
            let name = name.split(' ').next().unwrap_or_default();
            let table = TABLES.iter().find(|table| table.name == name);
            let table = table.unwrap_or_else(|| panic!("nobody says how long {name} is kept"));
            if let TableKept::Retention { week, .. } = table.kept {
                assert!(sql.contains(&format!("PARTITION BY {week} ")), "{name} is not parted by {week}");
            }
            made += 1;
        }
        assert_eq!(made + 1, TABLES.len(), "a table is listed that no migration makes; schema_migrations is the one");
    }

    #[test]
    fn movements_are_kept_for_the_retention_of_the_city_at_most() {
        for table in TABLES.iter().filter(|table| table.holds == Holds::Movements) {
            assert!(!matches!(table.kept, TableKept::ForGood(_)), "{}", table.name);
        }
        for topic in TOPICS.iter().filter(|topic| topic.holds == Holds::Movements) {
            assert!(matches!(topic.kept, TopicKept::AtMostDays(_)), "{}", topic.name);
        }
    }

    #[test]
    fn no_topic_that_goes_with_the_city_keeps_a_message_for_longer() {
        let mut city = CityProfile::try_built_in("shanghai").expect("built in");
        for days in [1, 14, 30, 90] {
            city.retention_days = days;
            let retention = Retention::of(&city);
            for topic in TOPICS {
                let TopicKept::AtMostDays(most) = topic.kept else { continue };
                let settings = topic.kept.settings(retention, true);
                let number = |name: &str| -> u64 {
                    let value = settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.parse());
                    value.expect(name).expect("a number")
                };
                assert!(
                    number("retention.ms") + number("segment.ms") <= u64::from(days.min(most)) * 86_400_000,
                    "{} with {days} days",
                    topic.name
                );
            }
        }
    }

    #[test]
    fn every_topic_that_has_a_name_is_listed() {
        let retention = Retention::of(&CityProfile::try_built_in("kaifeng").expect("built in"));
        // Destructured, so that a topic that is added does not compile until it is here.
        let topics = Topics::new("p.");
        let made: Vec<String> = topics.specs(3, true, retention).into_iter().map(|spec| spec.name).collect();
        let Topics {
            scans,
            health,
            health_proposals,
            tests,
            venues,
            applications,
            alerts,
            trips,
            releases,
            audit_anchors,
            identities,
            dead_letters,
            scan_ranges,
        } = topics;
        let people = [scans, health, health_proposals, tests, applications, alerts, trips, releases, identities];
        let all: Vec<String> = people.into_iter().chain([venues, audit_anchors, dead_letters, scan_ranges]).collect();
        for name in &all {
            assert!(made.contains(name), "nobody says how long {name} is kept");
        }
        assert_eq!(made.len(), all.len());
    }

    #[test]
    fn the_architecture_says_what_the_list_says() {
        let text = include_str!("../../ARCHITECTURE.md");
        let table = |table: &Table| format!("| `{}` | {} | {} |", table.name, table.holds.as_str(), table.kept.words());
        let topic = |topic: &Topic| format!("| `{}` | {} | {} |", topic.name, topic.holds.as_str(), topic.kept.words());
        for line in TABLES.iter().map(table).chain(TOPICS.iter().map(topic)) {
            assert!(text.lines().any(|there| there == line), "ARCHITECTURE.md lacks: {line}");
        }
    }
}
