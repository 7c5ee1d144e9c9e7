//! `POST /v1/traces`: who was near a person.
//!
//! In a body, not in a URL: who is traced belongs in no log of a proxy.

use axum::{Json, body::Bytes, extract::State, extract::rejection::BytesRejection, http::HeaderMap};
use chrono::{DateTime, Utc};
use schemas::{Colour, Method, PersonKey, VenueId};
use serde::Serialize;
use service::{Caller, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    AppState, QueryError,
    answer::{self, Visit},
    exposure::{self, Caps, Contact, ContactScan, Encounter, IndexVisit, Passage},
    input::{self, Fields, PERSON},
    permit::{self, permit},
    release::{Question, Subject},
    store::{TimeRange, VenueNames, VisitRow},
};

const DEFAULT_WINDOW_MINUTES: u32 = 30;
const MAX_WINDOW_MINUTES: u32 = 24 * 60;
const DEFAULT_LIMIT: u32 = 10_000;
const MAX_LIMIT: u32 = 100_000;
/// Encounters that are looked at to rank the contacts; more would take seconds.
const MAX_PAIRS: u64 = 20_000_000;

/// Whom to trace.
#[derive(Debug, ToSchema)]
pub struct TraceParams {
    /// Person key of the index case.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// First second of the visits that are followed; contacts may have been scanned up to a window before.
    #[schema(value_type = String, format = DateTime)]
    from: u32,
    /// First second after them; contacts may have been scanned up to a window later.
    #[schema(value_type = String, format = DateTime)]
    to: u32,
    /// How many minutes before or after a visit a contact may have been scanned, this number included.
    #[schema(required = false, minimum = 1, maximum = 1440, default = 30)]
    window_minutes: u32,
    /// Most contacts in the answer.
    #[schema(required = false, minimum = 1, maximum = 100_000, default = 10_000)]
    limit: u32,
    /// The release by which it is read. It covers whom it names, and, as far as its hops go, whom a trace by it has found.
    #[schema(value_type = Uuid)]
    release: Option<Uuid>,
}

impl TraceParams {
    fn try_from_fields(mut fields: Fields) -> Result<Self, QueryError> {
        let person = input::person(&fields.required("person", PERSON)?)?;
        let TimeRange { from, to } = fields.time_range()?;
        let window_minutes = fields.number("window_minutes", 1..=MAX_WINDOW_MINUTES, DEFAULT_WINDOW_MINUTES)?;
        let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
        let release = permit::named(&mut fields)?;
        fields.finish()?;
        Ok(Self { person, from, to, window_minutes, limit, release })
    }
}

/// The visits of a person, and the people who were near.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraceResponse {
    /// As requested.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// As requested.
    from: DateTime<Utc>,
    /// As requested.
    to: DateTime<Utc>,
    /// As requested, or the default.
    window_minutes: u32,
    /// Scans of the person, oldest first; one by another method at the same point within minutes is the same visit (S3).
    visits: Vec<Visit>,
    /// People who were near, the longest overlap first, then by key. Each has all encounters with these visits.
    contacts: Vec<ContactAnswer>,
    /// How many people were near, listed or not.
    contact_count: usize,
    /// Whether a limit left anything out: the last visits with all that follows from them, or the last contacts.
    truncated: bool,
    /// The limits.
    limits: TraceLimits,
}

/// Somebody who was near.
#[derive(Debug, Serialize, ToSchema)]
struct ContactAnswer {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// Each visit of the index person with each scan of this one near it, in the order of the visits.
    encounters: Vec<EncounterAnswer>,
    /// How many they are.
    encounter_count: usize,
    /// Sum of their overlaps.
    overlap_minutes_total: f64,
}

/// One visit of the index person and one scan near it.
#[derive(Debug, Serialize, ToSchema)]
struct EncounterAnswer {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// When the index person was scanned.
    index_at: DateTime<Utc>,
    /// When the contact was scanned.
    contact_at: DateTime<Utc>,
    /// Minutes between the two, never negative.
    gap_minutes: f64,
    /// Minutes that both were there, if each stays as long as the window: window less gap.
    overlap_minutes: f64,
    /// How the contact was scanned.
    method: Method,
    /// Colour of the contact in force at the scan.
    colour: Colour,
    /// The rule that gave the dwell: `window`.
    rule: &'static str,
}

/// How much a trace follows and lists.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct TraceLimits {
    /// Visits that are followed, oldest first.
    max_visits: u32,
    /// Contacts that are listed.
    max_contacts: u32,
    /// Encounters of all listed contacts together; a contact is listed with all its encounters or not at all.
    max_encounters: u32,
}

/// Who was near a person: one hop of contacts
///
/// Takes a release that covers the person, the time and the hop. That it was read, by whom and why, is in the audit log
/// before the answer leaves.
#[utoipa::path(post, path = "/v1/traces", tag = "scans", request_body = TraceParams,
    responses(
        (status = 200, description = "The visits and contacts; none for a person who is not known", body = TraceResponse),
        (status = 400, description = "No JSON", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`release-required`, `release-unknown`, `release-of-another-account`, `release-not-given`, `release-without-reason`, `release-expired` or `release-does-not-cover`; or not with this token", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too long", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not declared as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn trace(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TraceResponse>, QueryError> {
    let params = TraceParams::try_from_fields(Fields::try_from_json(&headers, body)?)?;
    let limits = state.limits();
    let time = TimeRange { from: params.from, to: params.to };
    let window_minutes = u16::try_from(params.window_minutes).unwrap_or(u16::MAX);
    let question = Question { subject: Subject::Person(params.person), time, steps: 1, window_minutes };
    let permit = permit(&state, &caller, "POST /v1/traces", params.release, question).await?;
    let either_or_s = state.either_or_s();
    let of_person = state.store().visits(params.person, time, limits.max_visits as usize, either_or_s).await?;
    let index_visit = |row: &VisitRow| IndexVisit { venue: row.venue_id, at: row.scanned_at };
    let visits: Vec<_> = of_person.asked_for().map(index_visit).collect();

    let reach_s = params.window_minutes * 60;
    let windows = exposure::merged(&visits, reach_s, either_or_s);
    // Contacts are met at the person's own venues only, so the names need not wait for the contacts.
    let (scans, names) = tokio::try_join!(
        state.store().scans_in_windows(params.person, &windows, limits.max_contact_scans as usize),
        state.store().venue_names(of_person.scans.iter().map(|(row, _)| row.venue_id)),
    )?;

    let caps = Caps { contacts: params.limit as usize, encounters: limits.max_encounters.into(), pairs: MAX_PAIRS };
    let limits = TraceLimits {
        max_visits: limits.max_visits,
        max_contacts: params.limit,
        max_encounters: limits.max_encounters,
    };
    let shared = state.clone();
    let answer = move || {
        let scans = exposure::without_repeats(scans, either_or_s, |scan| {
            let ContactScan { person, venue, at, method, direction, .. } = *scan;
            Passage { person, venue, direction, at, method }
        });
        let contacts = exposure::contacts(visits, scans, reach_s, caps)
            .map_err(|_| QueryError::TraceTooLarge { what: "encounters", limit: MAX_PAIRS })?;
        Ok::<_, QueryError>(TraceResponse {
            person: params.person,
            from: answer::time(params.from),
            to: answer::time(params.to),
            window_minutes: params.window_minutes,
            visits: answer::visits(&of_person, &names, shared.beliefs()),
            contact_count: contacts.found,
            truncated: of_person.more || contacts.listed.len() < contacts.found,
            contacts: contacts.listed.into_iter().map(|contact| contact_answer(contact, reach_s, &names)).collect(),
            limits,
        })
    };
    // Matching may take long; on a thread of its own it holds up no other request.
    let answer = tokio::task::spawn_blocking(answer).await.map_err(|_| QueryError::Aborted)??;
    let scans = answer.visits.len() + answer.contacts.iter().map(|contact| contact.encounter_count).sum::<usize>();
    permit.write_down(&state, answer.contacts.iter().map(|contact| contact.person), scans).await?;
    Ok(Json(answer))
}

fn contact_answer(contact: Contact, reach_s: u32, names: &VenueNames) -> ContactAnswer {
    let encounter = |encounter: &Encounter| EncounterAnswer {
        venue: encounter.venue,
        venue_name: names.of(encounter.venue).map(str::to_owned),
        index_at: answer::time(encounter.index_at),
        contact_at: answer::time(encounter.contact_at),
        gap_minutes: minutes(encounter.gap_s().into()),
        overlap_minutes: minutes(u64::from(reach_s - encounter.gap_s())),
        method: encounter.method,
        colour: encounter.colour,
        rule: "window",
    };
    ContactAnswer {
        person: contact.person,
        encounter_count: contact.encounters.len(),
        overlap_minutes_total: minutes(contact.overlap_s),
        encounters: contact.encounters.iter().map(encounter).collect(),
    }
}

fn minutes(seconds: u64) -> f64 {
    seconds as f64 / 60.0
}
