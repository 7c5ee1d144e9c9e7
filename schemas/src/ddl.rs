//! The tables, as numbered migrations: one table or view each, safe to run again; append-only from the first release on.

/// One migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number; the schema's version is the highest one applied.
    pub version: u32,
    /// What it makes.
    pub name: &'static str,
    /// One SQL statement.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../sql/", $name, ".sql")),
        }),+]
    };
}

/// Every migration in order.
pub const MIGRATIONS: &[Migration] = migrations![
    1 "0001_scans_in",
    2 "0002_scans_by_venue",
    3 "0003_scans_by_person",
    4 "0004_scan_ids",
    5 "0005_to_scans_by_venue",
    6 "0006_to_scans_by_person",
    7 "0007_to_scan_ids",
    8 "0008_venues",
    9 "0009_counts_of_scans",
    10 "0010_people_of_days",
    11 "0011_application_states",
    12 "0012_alerts",
    13 "0013_serials_of_venues",
    14 "0014_trips",
    15 "0015_vehicles_of_alerts",
    16 "0016_health_proposals",
    17 "0017_health_changes",
    18 "0018_releases",
    19 "0019_audit_log",
    20 "0020_erasures",
    21 "0021_reminders",
    22 "0022_identities",
];

/// The version that this build needs.
pub const VERSION: u32 = 22;

/// The tables that a scan is stored in; after an unclear outcome each is read back by itself.
pub const SCAN_TABLES: &[&str] = &["scans_by_venue", "scans_by_person", "scan_ids"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Colour, Direction, Exemption, Method, TestResult, Verdict};

    #[test]
    fn migrations_are_numbered_without_gaps_and_end_at_the_version() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)), "{}", migration.name);
            assert!(!migration.sql.contains('?'), "a question mark is a bind slot: {}", migration.name);
        }
        assert_eq!(MIGRATIONS.last().map(|m| m.version), Some(VERSION));
    }

    #[test]
    fn the_stored_numbers_of_every_enum_are_those_of_the_tables() {
        let list =
            |words: Vec<(&str, u8)>| words.iter().map(|(w, n)| format!("'{w}' = {n}")).collect::<Vec<_>>().join(", ");
        let enums = [
            ("method", list(Method::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("direction", list(Direction::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("verdict", list(Verdict::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("exemption", list(Exemption::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("colour_shown", list(Colour::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("colour", list(Colour::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
            ("test_result", list(TestResult::ALL.iter().map(|v| (v.as_str(), *v as u8)).collect())),
        ];
        for migration in &MIGRATIONS[..3] {
            for (column, words) in &enums {
                let squeezed: String = migration.sql.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(squeezed.contains(&format!(" {column} Enum8({words})")), "{column} in {}", migration.name);
            }
        }
        let (colour, changes) = (&enums[5].1, MIGRATIONS.iter().find(|m| m.name.ends_with("health_changes")));
        assert!(changes.is_some_and(|changes| changes.sql.contains(&format!("Enum8({colour})"))));
    }
}
