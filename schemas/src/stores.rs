//! Every table and topic: what in it says something of a person, and when that goes.
//!
//! The one list of what is kept where. Topics are made by it, the processor forgets by it, and tests hold the tables and
//! topics that exist, and the table in ARCHITECTURE.md, against it: what is not listed fails.

mod tables;
mod topics;

pub use tables::{PROJECTIONS, PersonRows, Projection, TABLES, Table, TableErased, TableKept};
pub use topics::{TOPICS, TRIPS_DAYS, Topic, TopicKept};

/// What a table or topic says of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing.
    Nobody,
    /// Accounts of offices, by the name that their token has.
    Accounts,
    /// Accounts of offices, and digests by which whoever has a person key can tell it.
    Digests,
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
            Self::Digests => "accounts, digests of person keys",
            Self::Persons => "person keys",
            Self::Movements => "movements",
            Self::Sealed => "person keys, sealed identities",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CityProfile, Retention, Topics, ddl::MIGRATIONS};

    /// Movements that stay longer. Who read whose movements, and why, is to be recorded and kept for three years at least
    /// (PIPL, articles 55 and 56): such an entry names the person, the venue and the time that were asked about. The topic
    /// must outlast what it lets through.
    const EXCEPTED: [(&str, &str); 3] = [("table", "releases"), ("table", "audit_log"), ("topic", "releases")];

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
    fn every_projection_that_a_migration_adds_is_listed() {
        let mut added = Vec::new();
        for migration in MIGRATIONS {
            let sql = migration.sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let Some(table) = sql.split_once("ALTER TABLE ").and_then(|(_, rest)| rest.split(' ').next()) else {
                continue;
            };
            for rest in sql.split("ADD PROJECTION IF NOT EXISTS ").skip(1) {
                let (name, body) = rest.split_once(' ').unwrap_or_default();
                let of_people = body.split("ADD PROJECTION").next().unwrap_or_default().contains("person_id");
                let holds = if of_people { Holds::Movements } else { Holds::Nobody };
                assert!(
                    PROJECTIONS.iter().any(|listed| (listed.name, listed.table, listed.holds) == (name, table, holds)),
                    "nobody says what {name} of {table} says of people"
                );
                added.push(name.to_owned());
            }
        }
        assert_eq!(added.len(), PROJECTIONS.len(), "a projection is listed that no migration adds");
    }

    #[test]
    fn movements_are_kept_for_the_retention_of_the_city_at_most() {
        for table in TABLES.iter().filter(|table| table.holds == Holds::Movements) {
            let excepted = EXCEPTED.contains(&("table", table.name));
            assert_eq!(matches!(table.kept, TableKept::ForGood(_)), excepted, "{}", table.name);
        }
        for topic in TOPICS.iter().filter(|topic| topic.holds == Holds::Movements) {
            let excepted = EXCEPTED.contains(&("topic", topic.name));
            assert_eq!(!matches!(topic.kept, TopicKept::AtMostDays(_)), excepted, "{}", topic.name);
        }
    }

    #[test]
    fn no_topic_that_goes_with_the_city_keeps_a_message_for_longer() {
        let mut city = CityProfile::try_built_in("shanghai").expect("built in");
        for days in [2, 14, 30, 90] {
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
    fn every_table_with_persons_says_what_of_one_goes() {
        for table in TABLES {
            let says = !matches!(table.erased, TableErased::Nothing);
            let of_persons = matches!(table.holds, Holds::Persons | Holds::Movements | Holds::Sealed);
            assert_eq!(says, of_persons && table.kept != TableKept::Nowhere, "{}", table.name);
            let TableErased::Rows(rows) = table.erased else { continue };
            assert!(rows.of.contains("{person:UInt64}") && rows.of.contains("{before_ms:Int64}"), "{}", table.name);
            let bare = |word: &str| ["person_id", "driver_id"].contains(&word);
            assert!(!rows.by.split(", ").any(bare), "{}: a mutation would name the person", table.name);
        }
    }

    #[test]
    fn what_was_forgotten_is_gone_after_days_but_where_all_is_kept() {
        let retention = Retention::of(&CityProfile::try_built_in("shanghai").expect("built in"));
        for topic in TOPICS.iter().filter(|topic| topic.holds != Holds::Nobody) {
            let [compacted, not] = [true, false].map(|lag| topic.kept.gone_after_ms(retention, lag));
            assert!(compacted.is_some() || matches!(topic.kept, TopicKept::ForGood(_)), "{}", topic.name);
            let is_replaced = matches!(topic.kept, TopicKept::Newest(_) | TopicKept::NewestAlone(_));
            assert_eq!(not, if is_replaced { None } else { compacted }, "{}", topic.name);
        }
    }

    #[test]
    fn a_trip_is_due_before_anything_of_its_declaration_goes() {
        const MARGIN_MS: u64 = 12 * 3_600_000;
        let trips = TOPICS.iter().find(|topic| topic.name == crate::topics::TRIPS).expect("there");
        let mut city = CityProfile::try_built_in("kaifeng").expect("built in");
        for days in 2..=90 {
            city.retention_days = days;
            let retention = Retention::of(&city);
            let settings = trips.kept.settings(retention, true);
            let kept_ms =
                settings.iter().find(|(key, _)| *key == "retention.ms").map(|(_, value)| value.parse::<u64>());
            let kept_ms = kept_ms.expect("set").expect("a number");
            let due_ms = u64::from(retention.trip_days()) * 86_400_000;
            assert!(due_ms + MARGIN_MS <= kept_ms, "{days} days: due after {due_ms} ms, kept for {kept_ms}");
            assert!(retention.trip_facts_s() * 1000 >= i64::try_from(kept_ms).expect("small"), "{days} days");
            // Its row goes with the horizon.
            let now = 1_654_056_000;
            assert!(now - i64::from(retention.trip_days()) * 86_400 >= retention.horizon(now), "{days} days");
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
            reminders,
            erasures,
            audit_anchors,
            identities,
            dead_letters,
            scan_ranges,
        } = topics;
        let people = [scans, health, health_proposals, tests, applications, alerts, trips, releases, identities];
        let others = [venues, reminders, erasures, audit_anchors, dead_letters, scan_ranges];
        let all: Vec<String> = people.into_iter().chain(others).collect();
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
        let beside = |beside: &Projection| {
            format!("| `{}` of `{}` | {} | with its rows |", beside.name, beside.table, beside.holds.as_str())
        };
        let (tables, topics) = (TABLES.iter().map(table), TOPICS.iter().map(topic));
        for line in tables.chain(PROJECTIONS.iter().map(beside)).chain(topics) {
            assert!(text.lines().any(|there| there == line), "ARCHITECTURE.md lacks: {line}");
        }
    }
}
