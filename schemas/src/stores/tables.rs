//! Every table, and what is kept of its rows beside them.

use super::Holds;

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

/// What is kept of a table's rows beside them: in the same parts, and so never longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// Its name.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// What it says of people.
    pub holds: Holds,
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
    table("releases", Holds::Movements, TableKept::ForGood("what the audit log names is kept as long as it is")),
    table("reminders", Holds::Accounts, TableKept::ForGood("how often somebody was reminded decides what follows")),
    table("audit_log", Holds::Movements, TableKept::ForGood("records of processing: PIPL, articles 55 and 56")),
    table("schema_migrations", Holds::Nobody, TableKept::ForGood("the tables' version")),
];

/// Every projection. A sketch of few people is the set of them.
pub const PROJECTIONS: &[Projection] = &[
    projection("city_by_minute", "scans_by_venue", Holds::Nobody),
    projection("places_by_hour", "scans_by_venue", Holds::Nobody),
    projection("places_by_minute", "scans_by_venue", Holds::Nobody),
    projection("venues_by_day", "scans_by_venue", Holds::Nobody),
    projection("people_of_city_by_day", "scans_by_venue", Holds::Movements),
    projection("people_of_districts_by_day", "scans_by_venue", Holds::Movements),
];

const fn table(name: &'static str, holds: Holds, kept: TableKept) -> Table {
    Table { name, holds, kept }
}

const fn projection(name: &'static str, table: &'static str, holds: Holds) -> Projection {
    Projection { name, table, holds }
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
