//! Puts what a trace has found into words.

use super::{
    Case, DwellRule, Question, Visited,
    coverage::Coverage,
    hops::Met,
    reading::History,
    response::{
        BothStays, CaseAnswer, ContactAnswer, Cut, EncounterAnswer, Shared, SharedContact, SharedVenue, StayAnswer,
        TraceLimits, TraceResponse, TracedVisit, VenueAnswer,
    },
};
use crate::{
    AppState, answer,
    exposure::{CaseNumber, Encounter, Reached, Source},
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
