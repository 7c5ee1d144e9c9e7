//! What is asked of a trace, field by field, and as what it is to be answered.

use std::sync::Arc;

use axum::response::Response;
use schemas::{PersonKey, VenueId, city::Tracing};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

use crate::{
    QueryError,
    export::{self, Exit, Format},
    input::{self, Fields, PERSON},
    inquiry::{Case, DwellRule, Question, TableOf, TraceResponse, TraceTable},
    permit,
    release::{self, Asked, Subject},
    store::TimeRange,
};

const DEFAULT_WINDOW_MINUTES: u32 = 30;
const MAX_WINDOW_MINUTES: u32 = 24 * 60;
const DEFAULT_LIMIT: u32 = 10_000;
const MAX_LIMIT: u32 = 100_000;
const MAX_HOPS: u32 = 3;
/// Most index cases that are people, and most that are venues.
const MAX_CASES: usize = 20;

const PERSONS: &str = "1 to 20 person keys, each once, instead of `person`";
const VENUES: &str = "1 to 20 objects with `venue`, and `from` and `to` within those of the trace, or without them; \
                      times of one venue must not overlap";
const RULE: &str = "`window` or `dwell`";

const TABLE: &str = "one of visits, contacts, venues, with a `format` that is not json";

/// Whom to trace. At least one of `person`, `persons` and `venues`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the request; the fields are taken one by one")]
pub struct TraceParams {
    /// Person key of the index case.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: Option<PersonKey>,
    /// Person keys of several index cases, instead of `person`.
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    persons: Option<Vec<PersonKey>>,
    /// Venues whose visitors are all contacts, and when; the times of one venue must not overlap.
    #[schema(max_items = 20)]
    venues: Option<Vec<VenueCaseParams>>,
    /// First second of the visits that are followed; contacts may have been scanned before.
    #[schema(value_type = String, format = DateTime)]
    from: u32,
    /// First second after them; contacts may have been scanned later.
    #[schema(value_type = String, format = DateTime)]
    to: u32,
    /// How long people stay: `window` minutes after each scan, or `dwell`: as their scans and the classes of venues tell.
    #[schema(required = false, default = "window", pattern = "^(window|dwell)$")]
    rule: String,
    /// With `window`, how many minutes before or after a visit a contact may have been scanned, this number included.
    #[schema(required = false, minimum = 1, maximum = 1440, default = 30)]
    window_minutes: u32,
    /// How far: 1 for contacts, 2 for whom these met afterwards as well.
    #[schema(required = false, minimum = 1, maximum = 3, default = 1)]
    hops: u32,
    /// Minutes together after which half is risked; the city profile's, when left out.
    #[schema(required = false, minimum = 1, maximum = 1440)]
    halving_minutes: u32,
    /// How much of a contact's score counts towards the next hop; the city profile's, when left out.
    #[schema(required = false, minimum = 1, maximum = 100)]
    hop_percent: u32,
    /// Whether to say of each venue how complete its scans look; that takes longer.
    #[schema(required = false, default = false)]
    coverage: bool,
    /// Most contacts in the answer.
    #[schema(required = false, minimum = 1, maximum = 100_000, default = 10_000)]
    limit: u32,
    /// As what it is answered: `json`, all of it, or one `table` as `csv`, `ndjson` or `parquet`.
    #[schema(required = false, default = "json", pattern = "^(json|csv|ndjson|parquet)$")]
    format: String,
    /// With a format that is not `json`: `visits`, `contacts` (a row for each encounter) or `venues`.
    #[schema(required = false, default = "contacts", pattern = "^(visits|contacts|venues)$")]
    table: Option<String>,
    /// The release by which it is read. It covers whom it names, and, as far as its hops go, whom a trace by it has found.
    #[schema(value_type = Uuid)]
    release: Option<Uuid>,
}

/// Whom a job is to trace: the fields of [`TraceParams`] but those that say as what it is answered, which its result takes.
pub struct TraceJobParams;

impl PartialSchema for TraceJobParams {
    fn schema() -> RefOr<Schema> {
        let mut schema = TraceParams::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.retain(|name, _| !matches!(name.as_str(), "format" | "table"));
        }
        schema
    }
}

impl ToSchema for TraceJobParams {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        TraceParams::schemas(schemas);
    }
}

/// A venue as index case.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the request; the fields are taken one by one")]
struct VenueCaseParams {
    /// Number of the venue.
    venue: VenueId,
    /// First second; that of the trace, when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<u32>,
    /// First second after; that of the trace, when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<u32>,
}

/// A request as it was read.
#[derive(Debug, Clone)]
pub struct TraceRequest {
    /// What is asked.
    pub question: Question,
    /// Its cases, in their order, and where it names them.
    asked: Vec<Asked>,
    /// The release that it names.
    pub release: Option<Uuid>,
}

/// As what a trace is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    format: Format,
    table: TraceTable,
}

impl Wanted {
    /// Takes the fields that say so.
    ///
    /// # Errors
    /// When one of them is wrong, or a table is named where all are answered.
    pub fn take(fields: &mut Fields) -> Result<Self, QueryError> {
        let format = export::format(fields)?;
        let table = match fields.text("table", TABLE)? {
            None => TraceTable::Contacts,
            Some(_) if format == Format::Json => return Err(input::invalid("table", TABLE)),
            Some(word) => {
                let table = TraceTable::ALL.into_iter().find(|table| table.as_str() == word);
                table.ok_or_else(|| input::invalid("table", TABLE))?
            }
        };
        Ok(Self { format, table })
    }

    /// The answer as it is wanted.
    pub fn answer(self, trace: Arc<TraceResponse>, exit: Exit) -> Response {
        match self.format {
            Format::Json => export::json(trace, exit),
            Format::Table(format) => export::file(format, TableOf { trace, table: self.table }, exit),
        }
    }
}

impl TraceRequest {
    /// Takes the fields of a trace; others are left.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub fn take(fields: &mut Fields, tracing: Tracing) -> Result<Self, QueryError> {
        let person = fields.text("person", PERSON)?.map(|text| input::person(&text)).transpose()?;
        let persons = fields.list("persons", MAX_CASES, PERSONS)?;
        let venues = fields.list("venues", MAX_CASES, VENUES)?;
        let time = fields.time_range()?;
        let rule = match fields.text("rule", RULE)?.as_deref() {
            None | Some("window") => {
                let minutes = fields.number("window_minutes", 1..=MAX_WINDOW_MINUTES, DEFAULT_WINDOW_MINUTES)?;
                DwellRule::Window { seconds: minutes * 60 }
            }
            Some("dwell") => DwellRule::Dwell,
            Some(_) => return Err(input::invalid("rule", RULE)),
        };
        // The ranges fit the smaller types of a profile.
        let hops = fields.number("hops", 1..=MAX_HOPS, 1)? as u8;
        let halving = fields.number("halving_minutes", 1..=24 * 60, tracing.halving_minutes.into())?;
        let hop_percent = fields.number("hop_percent", 1..=100, tracing.hop_percent.into())?;
        let tracing = Tracing { halving_minutes: halving as u16, hop_percent: hop_percent as u8 };
        let with_venue_coverage = fields.flag("coverage")?;
        let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
        let release = permit::named(fields)?;
        let persons_field = if person.is_some() { "person" } else { "persons" };
        let cases = cases(person, persons, venues, time)?;
        let asked = |case: &Case| match case {
            Case::Person(person) => Asked { subject: Subject::Person(*person), field: persons_field },
            Case::Venue { venue, .. } => Asked { subject: Subject::Venue(*venue), field: "venues" },
        };
        let asked = cases.iter().map(asked).collect();
        let question = Question { cases, time, rule, hops, tracing, limit, with_venue_coverage };
        Ok(Self { question, asked, release })
    }

    /// What a release has to cover.
    pub fn to_read(&self) -> release::Question {
        let (window_minutes, window_field) = self.question.rule.window();
        let Question { time, hops: steps, .. } = self.question;
        release::Question { asked: self.asked.clone(), time: Some(time), steps, window_minutes, window_field }
    }
}

fn cases(
    person: Option<PersonKey>,
    persons: Vec<Value>,
    venues: Vec<Value>,
    time: TimeRange,
) -> Result<Vec<Case>, QueryError> {
    if person.is_some() && !persons.is_empty() {
        return Err(input::invalid("persons", PERSONS));
    }
    let mut cases: Vec<Case> = person.into_iter().map(Case::Person).collect();
    for value in persons {
        let person = value.as_str().and_then(|text| text.parse().ok());
        let case = person.map(Case::Person).filter(|case| !cases.contains(case));
        cases.push(case.ok_or_else(|| input::invalid("persons", PERSONS))?);
    }
    for value in venues {
        let case = venue_case(Fields::try_from_value(value, "venues", VENUES)?, time)?;
        // Or each encounter in both would count twice.
        if cases.iter().any(|other| overlap(other, &case)) {
            return Err(input::invalid("venues", VENUES));
        }
        cases.push(case);
    }
    match cases.is_empty() {
        true => {
            Err(QueryError::MissingField { field: "person", expected: format!("{PERSON}; or `persons`, or `venues`") })
        }
        false => Ok(cases),
    }
}

fn overlap(one: &Case, other: &Case) -> bool {
    match (one, other) {
        (Case::Venue { venue, time }, Case::Venue { venue: other_venue, time: other_time }) => {
            venue == other_venue && time.from < other_time.to && other_time.from < time.to
        }
        _ => false,
    }
}

fn venue_case(mut fields: Fields, trace: TimeRange) -> Result<Case, QueryError> {
    let venue = fields.required_number("venue", 0..=u32::MAX)?;
    let from = fields.time("from")?.unwrap_or(trace.from);
    let to = fields.time("to")?.unwrap_or(trace.to);
    fields.finish()?;
    match trace.from <= from && from < to && to <= trace.to {
        true => Ok(Case::Venue { venue, time: TimeRange { from, to } }),
        false => Err(input::invalid("venues", VENUES)),
    }
}
