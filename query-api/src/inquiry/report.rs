//! The answer to a trace.

use chrono::{DateTime, Utc};
use schemas::{Colour, Method, PersonKey, VenueId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Case, DwellRule, Question, Visited, coverage::Coverage, hops::Met, reading::History};
use crate::{
    AppState,
    answer::{self, Visit},
    exposure::{CaseNumber, Encounter, Reached, Source, Stay, StayRule},
    store::VenueNames,
};

/// What was found, before it is put into words.
pub(super) struct Trace {
    pub question: Question,
    pub histories: Vec<History>,
    pub hops: Vec<Met>,
    pub venues: Vec<Visited>,
    pub names: VenueNames,
    pub coverage: Coverage,
    pub cuts: Vec<Cut>,
}

/// Where the cases were, and the people who were near.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraceResponse {
    /// The one person of the request; null when it names several cases.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: Option<PersonKey>,
    /// All cases: people first, then venues, as requested. Their numbers here are those in the rest of the answer.
    cases: Vec<CaseAnswer>,
    /// As requested.
    from: DateTime<Utc>,
    /// As requested.
    to: DateTime<Utc>,
    /// As requested, or the default: `window` or `dwell`.
    rule: &'static str,
    /// As requested, or the default; null with `dwell`.
    window_minutes: Option<u32>,
    /// As requested, or the default.
    hops: u8,
    /// As requested, or of the city profile: minutes together after which half is risked.
    halving_minutes: u16,
    /// As requested, or of the city profile: how much of a person's score counts towards the next hop.
    hop_percent: u8,
    /// Scans of the cases, oldest first; one by another method at the same point within minutes is the same visit (S3).
    visits: Vec<TracedVisit>,
    /// People who were near: nearer hops first, then the longest overlap, then by key.
    contacts: Vec<ContactAnswer>,
    /// How many people were near, listed or not.
    contact_count: usize,
    /// The same for each hop that was followed.
    contact_counts: Vec<usize>,
    /// Where it happened: the longest time together first, then the most contacts.
    venues: Vec<VenueAnswer>,
    /// What two or more cases have in common; of one case nothing.
    shared: Shared,
    /// Whether a limit left anything out; `cuts` says what.
    truncated: bool,
    /// What was left out.
    cuts: Vec<Cut>,
    /// The limits.
    limits: TraceLimits,
    /// How much of what happened the scans can tell.
    coverage: Coverage,
}

/// An index case.
#[derive(Debug, Serialize, ToSchema)]
struct CaseAnswer {
    /// Its number.
    case: CaseNumber,
    /// Who; null when the case is a venue.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: Option<PersonKey>,
    /// Where; null when the case is a person.
    venue: Option<VenueId>,
    /// First second that counts.
    from: DateTime<Utc>,
    /// First second after.
    to: DateTime<Utc>,
}

/// A visit of a case.
#[derive(Debug, Serialize, ToSchema)]
struct TracedVisit {
    /// Number of the case.
    case: CaseNumber,
    /// The scan.
    #[serde(flatten)]
    visit: Visit,
    /// With `dwell` the stay that the scan begins, or that an exit alone tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    stay: Option<StayAnswer>,
}

/// How long somebody was there.
#[derive(Debug, Serialize, ToSchema)]
struct StayAnswer {
    /// First second.
    from: DateTime<Utc>,
    /// Last second.
    until: DateTime<Utc>,
    /// What gave the length.
    rule: StayRule,
    /// Whether it was cut to the longest that is believed of the venue's class.
    capped: bool,
}

/// Somebody who was near.
#[derive(Debug, Serialize, ToSchema)]
struct ContactAnswer {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// 1 for who met a case, 2 for who met such a one afterwards.
    hop: u8,
    /// From 0 to 1: more the longer the encounters, less the further from a case. It ranks; it foretells nothing.
    score: f64,
    /// When the first encounter that counts began.
    exposed_at: DateTime<Utc>,
    /// Which cases it leads back to.
    cases: Vec<CaseNumber>,
    /// Each stay of a case, or of a contact one hop nearer, with each stay of this one that meets it.
    encounters: Vec<EncounterAnswer>,
    /// How many they are.
    encounter_count: usize,
    /// Sum of their overlaps.
    overlap_minutes_total: f64,
}

/// Two stays at one venue that meet.
#[derive(Debug, Serialize, ToSchema)]
struct EncounterAnswer {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// When the case, or the contact one hop nearer, was scanned; the start of the time that a request names for a venue.
    index_at: DateTime<Utc>,
    /// When the contact was scanned.
    contact_at: DateTime<Utc>,
    /// Minutes between the two, never negative.
    gap_minutes: f64,
    /// Minutes that both were there, none before the source's own exposure.
    overlap_minutes: f64,
    /// How the contact was scanned.
    method: Method,
    /// Colour of the contact in force at the scan.
    colour: Colour,
    /// The rule that gave the contact's dwell.
    rule: StayRule,
    /// Whom the contact met: a case, or a contact one hop nearer; null when the case is a venue.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    source: Option<PersonKey>,
    /// How long each was there; left out with `window`, where it is the window from the scan on.
    #[serde(skip_serializing_if = "Option::is_none")]
    stays: Option<BothStays>,
}

/// The stays of an encounter.
#[derive(Debug, Serialize, ToSchema)]
struct BothStays {
    /// Of the source.
    index: StayAnswer,
    /// Of the contact.
    contact: StayAnswer,
}

/// What happened at a venue.
#[derive(Debug, Serialize, ToSchema)]
struct VenueAnswer {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// The cases that were there.
    cases: Vec<CaseNumber>,
    /// Distinct people who were reached there, over all hops.
    contacts: u64,
    /// Their encounters there.
    encounters: u64,
    /// Sum of the overlaps.
    overlap_minutes: f64,
}

/// What two or more cases have in common.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Shared {
    /// People who lead back to two or more of them, in the order of all contacts; the limit of those holds here as well.
    contacts: Vec<SharedContact>,
    /// Venues where two or more of them were, in the order of all venues.
    venues: Vec<SharedVenue>,
}

/// A contact of two or more cases.
#[derive(Debug, Serialize, ToSchema)]
struct SharedContact {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    person: PersonKey,
    /// How far from the nearest case.
    hop: u8,
    /// Which cases.
    cases: Vec<CaseNumber>,
}

/// A venue of two or more cases.
#[derive(Debug, Serialize, ToSchema)]
struct SharedVenue {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Which cases.
    cases: Vec<CaseNumber>,
}

/// What a limit left out.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Cut {
    /// Of what there was too much.
    what: Limit,
    /// Of which case; null when of all.
    case: Option<CaseNumber>,
    /// In which hop; null when in none or all.
    hop: Option<u8>,
    /// The limit.
    limit: u64,
    /// How much there was, or more.
    at_least: u64,
}

/// What is limited.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Visits of a case: the later ones were not followed.
    Visits,
    /// People of a hop: those with lower scores were not followed to the next.
    FollowedPeople,
    /// Scans that are read: the hop and all after it are left out.
    Scans,
    /// Pairs of stays that are looked at: the hop and all after it are left out.
    Pairs,
    /// Contacts that are listed.
    Contacts,
    /// Encounters that are listed; a contact is listed with all or not at all.
    Encounters,
    /// Venues that are ranked.
    Venues,
}

/// How much a trace follows and lists.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct TraceLimits {
    /// Visits of a case that are followed, oldest first.
    max_visits: u32,
    /// People of a hop who are followed to the next, the highest score first.
    max_followed: u32,
    /// Scans that are read; the first hop alone is refused beyond them.
    max_scans: u32,
    /// Pairs of stays that are looked at in a hop; as for scans.
    max_pairs: u32,
    /// Contacts that are listed.
    max_contacts: u32,
    /// Encounters of all listed contacts together; a contact is listed with all its encounters or not at all.
    max_encounters: u32,
    /// Venues that are ranked.
    max_venues: u32,
}

impl Cut {
    pub(super) const fn of(what: Limit, limit: u64, at_least: u64) -> Self {
        Self { what, case: None, hop: None, limit, at_least }
    }

    pub(super) fn visits(case: CaseNumber, limit: u32) -> Self {
        Self { case: Some(case), ..Self::of(Limit::Visits, limit.into(), u64::from(limit) + 1) }
    }

    pub(super) const fn in_hop(self, hop: u8) -> Self {
        Self { hop: Some(hop), ..self }
    }
}

impl StayAnswer {
    fn of(stay: &Stay) -> Self {
        let Stay { from, until, rule, capped, .. } = *stay;
        Self { from: answer::time(from), until: answer::time(until), rule, capped }
    }
}

/// Puts a trace into words.
pub(super) fn report(state: &AppState, trace: Trace) -> TraceResponse {
    let Trace { question, histories, hops, venues, names, coverage, cuts } = trace;
    let limits = TraceLimits {
        max_visits: state.limits().max_visits,
        max_followed: state.limits().max_followed,
        max_scans: state.limits().max_contact_scans,
        max_pairs: state.limits().max_pairs,
        max_contacts: question.limit,
        max_encounters: state.limits().max_encounters,
        max_venues: state.limits().max_trace_venues,
    };
    let ranked = venues.iter().take(limits.max_venues as usize);
    let person = match question.cases[..] {
        [Case::Person(person)] => Some(person),
        _ => None,
    };
    let (rule, window_minutes) = match question.rule {
        DwellRule::Window { seconds } => ("window", Some(seconds / 60)),
        DwellRule::Dwell => ("dwell", None),
    };
    TraceResponse {
        person,
        cases: question.cases.iter().zip(0..).map(|(case, number)| case_answer(case, number, &question)).collect(),
        from: answer::time(question.time.from),
        to: answer::time(question.time.to),
        rule,
        window_minutes,
        hops: question.hops,
        halving_minutes: question.tracing.halving_minutes,
        hop_percent: question.tracing.hop_percent,
        visits: visits(&histories, &question, &names, state),
        contacts: contacts(&hops, &question, &names),
        contact_count: hops.iter().map(|met| met.people.len()).sum(),
        contact_counts: hops.iter().map(|met| met.people.len()).collect(),
        venues: ranked.map(|visited| venue_answer(visited, &names)).collect(),
        shared: shared(&hops, &venues, &question, &names),
        truncated: !cuts.is_empty(),
        cuts,
        limits,
        coverage,
    }
}

fn case_answer(case: &Case, number: CaseNumber, question: &Question) -> CaseAnswer {
    let (person, venue, time) = match case {
        Case::Person(person) => (Some(*person), None, question.time),
        Case::Venue { venue, time } => (None, Some(*venue), *time),
    };
    CaseAnswer { case: number, person, venue, from: answer::time(time.from), to: answer::time(time.to) }
}

fn visits(histories: &[History], question: &Question, names: &VenueNames, state: &AppState) -> Vec<TracedVisit> {
    let asked_for = question.time.from..question.time.to;
    let has_stays = question.rule == DwellRule::Dwell;
    let mut visits = Vec::new();
    for history in histories {
        let of_case = answer::visits(&history.visits, names, state.beliefs());
        let rows = history.visits.asked_for().zip(&history.followed);
        for (visit, (row, stay)) in of_case.into_iter().zip(rows) {
            if asked_for.contains(&row.scanned_at) || stay.is_some() {
                let stay = stay.as_ref().filter(|_| has_stays).map(StayAnswer::of);
                visits.push(TracedVisit { case: history.case, visit, stay });
            }
        }
    }
    // Each case's are in order; this keeps theirs and those of one case as they are.
    visits.sort_by_key(|visit| visit.visit.scanned_at);
    visits
}

fn contacts(hops: &[Met], question: &Question, names: &VenueNames) -> Vec<ContactAnswer> {
    let encounter = |encounter: &Encounter, sources: &[Source]| {
        let (index, contact) = (&encounter.index.stay, &encounter.contact.stay);
        EncounterAnswer {
            venue: contact.venue,
            venue_name: names.of(contact.venue).map(str::to_owned),
            index_at: answer::time(index.at),
            contact_at: answer::time(contact.at),
            gap_minutes: minutes(index.at.abs_diff(contact.at).into()),
            overlap_minutes: minutes(encounter.overlap_s().into()),
            method: encounter.contact.method,
            colour: encounter.contact.colour,
            rule: contact.rule,
            source: sources[encounter.index.source].person,
            stays: (question.rule == DwellRule::Dwell)
                .then(|| BothStays { index: StayAnswer::of(index), contact: StayAnswer::of(contact) }),
        }
    };
    let mut contacts = Vec::with_capacity(hops.iter().map(|met| met.listed.len()).sum());
    for (met, hop) in hops.iter().zip(1..) {
        for (person, encounters) in met.people.iter().zip(&met.listed) {
            contacts.push(ContactAnswer {
                person: person.person,
                hop,
                score: person.score,
                exposed_at: answer::time(person.exposed_at()),
                cases: cases(person),
                encounter_count: encounters.len(),
                overlap_minutes_total: minutes(person.overlap_s),
                encounters: encounters.iter().map(|one| encounter(one, &met.sources)).collect(),
            });
        }
    }
    contacts
}

fn venue_answer(visited: &Visited, names: &VenueNames) -> VenueAnswer {
    let Visited { venue, cases, here } = visited;
    VenueAnswer {
        venue: *venue,
        venue_name: names.of(*venue).map(str::to_owned),
        cases: cases.iter().copied().collect(),
        contacts: here.contacts,
        encounters: here.encounters,
        overlap_minutes: minutes(here.overlap_s),
    }
}

fn shared(hops: &[Met], venues: &[Visited], question: &Question, names: &VenueNames) -> Shared {
    let mut shared = Shared::default();
    for (met, hop) in hops.iter().zip(1..) {
        for person in met.people.iter().filter(|person| person.exposed.len() > 1) {
            if shared.contacts.len() < question.limit as usize {
                shared.contacts.push(SharedContact { person: person.person, hop, cases: cases(person) });
            }
        }
    }
    for Visited { venue, cases, .. } in venues.iter().filter(|visited| visited.cases.len() > 1) {
        let (venue_name, cases) = (names.of(*venue).map(str::to_owned), cases.iter().copied().collect());
        shared.venues.push(SharedVenue { venue: *venue, venue_name, cases });
    }
    shared
}

fn cases(person: &Reached) -> Vec<CaseNumber> {
    person.exposed.iter().map(|(case, _)| *case).collect()
}

fn minutes(seconds: u64) -> f64 {
    seconds as f64 / 60.0
}
