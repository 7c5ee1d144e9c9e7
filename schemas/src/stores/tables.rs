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

/// What of a table goes when a person is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableErased {
    /// Nothing: no row of it is of a person.
    Nothing,
    /// These rows.
    Rows(PersonRows),
    /// Nothing, for this reason.
    Kept(&'static str),
}

/// The rows of one person that are from before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonRows {
    /// SQL condition, with the parameters `{person:UInt64}` and `{before_ms:Int64}`.
    pub of: &'static str,
    /// SQL expressions that tell these rows from those of others without naming the person: what a mutation says lies on the
    /// disk. `{salt}` stands for two numbers that are drawn each time.
    pub by: &'static str,
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
    /// What of it goes when a person is erased.
    pub erased: TableErased,
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

const BY_OFFSET: &str = "stream, kafka_offset";
const SCANS: TableErased = rows(
    "person_id = {person:UInt64} AND scanned_at < toDateTime(intDiv({before_ms:Int64} + 999, 1000), 'UTC')",
    BY_OFFSET,
);

/// Every table. A person is erased from them in this order: `scan_ids` while the scans still tell which are the person's.
pub const TABLES: &[Table] = &[
    table("scans_in", Holds::Movements, TableKept::Nowhere, TableErased::Nothing),
    table(
        "scan_ids",
        Holds::Movements,
        TableKept::Retention { week: "toMonday(stored_at)", past: "stored_at < toDateTime({horizon})" },
        rows(
            // Either has rows that the other lacks while an insert is cut off between them.
            "(stream, kafka_offset) IN (SELECT stream, kafka_offset FROM scans_by_person WHERE \
             person_id = {person:UInt64} AND scanned_at < toDateTime(intDiv({before_ms:Int64} + 999, 1000), 'UTC') \
             UNION ALL SELECT stream, kafka_offset FROM scans_by_venue WHERE \
             person_id = {person:UInt64} AND scanned_at < toDateTime(intDiv({before_ms:Int64} + 999, 1000), 'UTC'))",
            BY_OFFSET,
        ),
    ),
    table("scans_by_venue", Holds::Movements, BY_SCAN, SCANS),
    table("scans_by_person", Holds::Movements, BY_SCAN, SCANS),
    table(
        "alerts",
        Holds::Movements,
        TableKept::Retention {
            week: "toMonday(fromUnixTimestamp64Milli(raised_at_ms, 'UTC'))",
            past: "(raised_at_ms < {horizon} * 1000 OR scanned_at < toDateTime({horizon}))",
        },
        rows(
            "person_id = {person:UInt64} AND (raised_at_ms < {before_ms:Int64} \
             OR scanned_at < toDateTime(intDiv({before_ms:Int64} + 999, 1000), 'UTC'))",
            "district, alert_id",
        ),
    ),
    table(
        "trips",
        Holds::Movements,
        TableKept::Retention {
            week: "toMonday(fromUnixTimestamp64Milli(since * 1000, 'UTC'))",
            past: "since < {horizon}",
        },
        rows("driver_id = {person:UInt64} AND since * 1000 < {before_ms:Int64}", "district, trip_id"),
    ),
    table("venues", Holds::Nobody, TableKept::ForGood("the directory is public"), TableErased::Nothing),
    table(
        "application_states",
        Holds::Persons,
        TableKept::ForGood("a code is accounted for as long as it hangs"),
        TableErased::Kept("who applied for a code answers for it as long as it hangs"),
    ),
    table(
        "health_proposals",
        Holds::Accounts,
        TableKept::ForGood("who changed many colours at once stays known"),
        TableErased::Nothing,
    ),
    table(
        "health_changes",
        Holds::Persons,
        TableKept::ForGood("a colour may be in force for as long"),
        rows(
            "person_id = {person:UInt64} AND since * 1000 < {before_ms:Int64}",
            "since, hex(sipHash128Keyed(({salt}), person_id))",
        ),
    ),
    table(
        "identities",
        Holds::Sealed,
        TableKept::ForGood("a registration holds until the next one"),
        rows(
            "person_id = {person:UInt64} AND registered_at * 1000 < {before_ms:Int64}",
            "registered_at, hex(sipHash128Keyed(({salt}), person_id))",
        ),
    ),
    table(
        "releases",
        Holds::Movements,
        TableKept::ForGood("what the audit log names is kept as long as it is"),
        TableErased::Kept("records of processing: PIPL, articles 55 and 56"),
    ),
    table(
        "reminders",
        Holds::Accounts,
        TableKept::ForGood("how often somebody was reminded decides what follows"),
        TableErased::Nothing,
    ),
    table(
        "audit_log",
        Holds::Movements,
        TableKept::ForGood("records of processing: PIPL, articles 55 and 56"),
        TableErased::Kept("records of processing: PIPL, articles 55 and 56"),
    ),
    table(
        "erasures",
        Holds::Digests,
        TableKept::ForGood("what was erased, and why, stays known without whom"),
        TableErased::Nothing,
    ),
    table("schema_migrations", Holds::Nobody, TableKept::ForGood("the tables' version"), TableErased::Nothing),
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

const fn table(name: &'static str, holds: Holds, kept: TableKept, erased: TableErased) -> Table {
    Table { name, holds, kept, erased }
}

const fn rows(of: &'static str, by: &'static str) -> TableErased {
    TableErased::Rows(PersonRows { of, by })
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
