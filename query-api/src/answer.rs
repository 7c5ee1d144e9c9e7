//! Parts of answers that several routes share. Times are RFC 3339 in UTC.

use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, Method, VenueId, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    export::Cell,
    exposure::{Appearance, Beliefs, Flag},
    store::{VenueNames, VisitRow, Visits},
};

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
    /// What is hard to believe about it. It changes nothing of the rest.
    pub flags: Vec<Flag>,
}

impl Visit {
    /// Its part of a row.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let Self { venue, venue_name, scanned_at, method, direction, verdict, colour, flags } = self;
        vec![
            (*venue).into(),
            venue_name.as_deref().into(),
            (*scanned_at).into(),
            Cell::word(method),
            Cell::word(direction),
            Cell::word(verdict),
            Cell::word(colour),
            Cell::list(flags),
        ]
    }
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

/// The visits that were asked for, with the names of their venues, and what is hard to believe.
pub fn visits(visits: &Visits, names: &VenueNames, beliefs: &Beliefs) -> Vec<Visit> {
    let mut appearances = Vec::with_capacity(visits.scans.len());
    for (row, _) in &visits.scans {
        let (venue, place, far_from_venue) = (row.venue_id, names.place_of(row.venue_id), row.far_from_venue);
        appearances.push(Appearance { venue, at: row.scanned_at, category: &row.category, place, far_from_venue });
    }
    let visit = |row: &VisitRow, flags| Visit {
        venue: row.venue_id,
        venue_name: names.of(row.venue_id).map(str::to_owned),
        scanned_at: time(row.scanned_at),
        method: row.method,
        direction: row.direction,
        verdict: row.verdict,
        colour: row.colour,
        flags,
    };
    let scans = visits.scans.iter().zip(beliefs.flags(&appearances));
    scans.filter(|((_, asked_for), _)| *asked_for).map(|((row, _), flags)| visit(row, flags)).collect()
}
