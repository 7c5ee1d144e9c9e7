//! The flat tables of a trace: its visits, its contacts with a row for each encounter, and its venues.

use std::sync::Arc;

use super::response::{ContactAnswer, EncounterAnswer, StayAnswer, TraceResponse, TracedVisit, VenueAnswer};
use crate::export::{Cell, Column, Table};

/// Which table of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceTable {
    /// Scans of the cases.
    Visits,
    /// Who was near, with a row for each encounter.
    Contacts,
    /// Where it happened.
    Venues,
}

impl TraceTable {
    /// Every table.
    pub const ALL: [Self; 3] = [Self::Visits, Self::Contacts, Self::Venues];

    /// The word in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Contacts => "contacts",
            Self::Venues => "venues",
        }
    }
}

/// A table of a trace.
pub struct TableOf {
    /// The trace.
    pub trace: Arc<TraceResponse>,
    /// Which one.
    pub table: TraceTable,
}

const VISITS: [Column; 14] = [
    Column::whole("case"),
    Column::text("person"),
    Column::whole("venue"),
    Column::text("venue_name"),
    Column::time("scanned_at"),
    Column::text("method"),
    Column::text("direction"),
    Column::text("verdict"),
    Column::text("colour"),
    Column::text("flags"),
    Column::time("stay_from"),
    Column::time("stay_until"),
    Column::text("stay_rule"),
    Column::flag("stay_capped"),
];

const CONTACTS: [Column; 25] = [
    Column::text("person"),
    Column::whole("hop"),
    Column::real("score"),
    Column::time("exposed_at"),
    Column::text("cases"),
    Column::whole("encounter_count"),
    Column::real("overlap_minutes_total"),
    Column::whole("venue"),
    Column::text("venue_name"),
    Column::time("index_at"),
    Column::time("contact_at"),
    Column::real("gap_minutes"),
    Column::real("overlap_minutes"),
    Column::text("method"),
    Column::text("colour"),
    Column::text("rule"),
    Column::text("source"),
    Column::time("index_stay_from"),
    Column::time("index_stay_until"),
    Column::text("index_stay_rule"),
    Column::flag("index_stay_capped"),
    Column::time("contact_stay_from"),
    Column::time("contact_stay_until"),
    Column::text("contact_stay_rule"),
    Column::flag("contact_stay_capped"),
];

const VENUES: [Column; 6] = [
    Column::whole("venue"),
    Column::text("venue_name"),
    Column::text("cases"),
    Column::whole("contacts"),
    Column::whole("encounters"),
    Column::real("overlap_minutes"),
];

impl Table for TableOf {
    fn name(&self) -> &'static str {
        self.table.as_str()
    }

    fn columns(&self) -> &'static [Column] {
        match self.table {
            TraceTable::Visits => &VISITS,
            TraceTable::Contacts => &CONTACTS,
            TraceTable::Venues => &VENUES,
        }
    }

    fn count(&self) -> usize {
        match self.table {
            TraceTable::Visits => self.trace.visits.len(),
            TraceTable::Contacts => self.trace.contacts.iter().map(|contact| contact.encounters.len()).sum(),
            TraceTable::Venues => self.trace.venues.len(),
        }
    }

    fn is_truncated(&self) -> bool {
        self.trace.truncated
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_> {
        let trace = &*self.trace;
        match self.table {
            TraceTable::Visits => Box::new(trace.visits.iter().map(|visit| visit_row(trace, visit))),
            TraceTable::Contacts => {
                let of_one = |contact| encounters(contact).map(|encounter| encounter_row(contact, encounter));
                Box::new(trace.contacts.iter().flat_map(of_one))
            }
            TraceTable::Venues => Box::new(trace.venues.iter().map(venue_row)),
        }
    }
}

fn encounters(contact: &ContactAnswer) -> std::slice::Iter<'_, EncounterAnswer> {
    contact.encounters.iter()
}

fn visit_row<'a>(trace: &'a TraceResponse, traced: &'a TracedVisit) -> Vec<Cell<'a>> {
    let person = trace.cases.get(usize::from(traced.case)).and_then(|case| case.person);
    let mut row = vec![traced.case.into(), person.map_or(Cell::Empty, Cell::word)];
    row.extend(traced.visit.cells());
    row.extend(stay_cells(traced.stay.as_ref()));
    row
}

fn encounter_row<'a>(contact: &'a ContactAnswer, encounter: &'a EncounterAnswer) -> Vec<Cell<'a>> {
    let mut row = vec![
        Cell::word(contact.person),
        contact.hop.into(),
        contact.score.into(),
        contact.exposed_at.into(),
        Cell::list(&contact.cases),
        (contact.encounter_count as u64).into(),
        contact.overlap_minutes_total.into(),
        encounter.venue.into(),
        encounter.venue_name.as_deref().into(),
        encounter.index_at.into(),
        encounter.contact_at.into(),
        encounter.gap_minutes.into(),
        encounter.overlap_minutes.into(),
        Cell::word(encounter.method),
        Cell::word(encounter.colour),
        Cell::word(encounter.rule),
        encounter.source.map_or(Cell::Empty, Cell::word),
    ];
    let stays = encounter.stays.as_ref();
    row.extend(stay_cells(stays.map(|stays| &stays.index)));
    row.extend(stay_cells(stays.map(|stays| &stays.contact)));
    row
}

fn venue_row(venue: &VenueAnswer) -> Vec<Cell<'_>> {
    vec![
        venue.venue.into(),
        venue.venue_name.as_deref().into(),
        Cell::list(&venue.cases),
        venue.contacts.into(),
        venue.encounters.into(),
        venue.overlap_minutes.into(),
    ]
}

fn stay_cells(stay: Option<&StayAnswer>) -> [Cell<'_>; 4] {
    match stay {
        Some(StayAnswer { from, until, rule, capped }) => {
            [(*from).into(), (*until).into(), Cell::word(rule), (*capped).into()]
        }
        None => [Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty],
    }
}
