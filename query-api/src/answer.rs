//! Parts of answers that several routes share. Times are RFC 3339 in UTC.

use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, Method, VenueId, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{VenueNames, VisitRow};

/// A scan of a known person.
#[derive(Debug, Serialize, ToSchema)]
pub struct Visit {
    /// Number of the venue.
    pub venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    pub venue_name: Option<String>,
    /// When.
    pub scanned_at: DateTime<Utc>,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// What the person was told.
    pub verdict: Verdict,
    /// Colour in force at the scan.
    pub colour: Colour,
}

/// A stored time as an answer has it.
pub fn time(at: impl Into<i64>) -> DateTime<Utc> {
    // Every stored time is in chrono's range, which is a quarter of a million years.
    DateTime::from_timestamp(at.into(), 0).unwrap_or_default()
}

/// A time in milliseconds since 1970 as an answer has it.
pub fn time_of_ms(at_ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default()
}

/// A stored text as an answer has it: null instead of an empty one.
pub fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A person's or lorry's key with all but its last four digits masked: it tells two of them apart and looks nobody up.
pub fn masked(key: u64) -> String {
    let key = format!("{key:016x}");
    format!("{}{}", "*".repeat(key.len() - 4), &key[key.len() - 4..])
}

/// Visits with the names of their venues.
pub fn visits(rows: &[VisitRow], names: &VenueNames) -> Vec<Visit> {
    let visit = |row: &VisitRow| Visit {
        venue: row.venue_id,
        venue_name: names.of(row.venue_id).map(str::to_owned),
        scanned_at: time(row.scanned_at),
        method: row.method,
        direction: row.direction,
        verdict: row.verdict,
        colour: row.colour,
    };
    rows.iter().map(visit).collect()
}
