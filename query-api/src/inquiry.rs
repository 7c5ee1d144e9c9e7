//! A trace from end to end: reads hop by hop, and leaves it to [`crate::exposure`] who met whom.
//!
//! Whether the question may be asked is settled before it comes here.

mod coverage;
mod hops;
mod progress;
mod reading;
mod report;
mod response;
mod stays;
mod tables;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use schemas::{PersonKey, VenueId, city::Tracing};

use crate::{
    AppState, QueryError,
    exposure::{CaseNumber, Source, SourceStay, Stay, VenueExposure},
    store::{TimeRange, VenueNames},
};
use hops::{Met, Round, Walk};
use reading::{History, Reader};
use report::Trace;
use response::{Cut, Limit};

pub use progress::Progress;
pub use response::TraceResponse;
pub use tables::{TableOf, TraceTable};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Whose contacts are looked for; numbered as they stand here.
    pub cases: Vec<Case>,
    /// When the visits were that are followed.
    pub time: TimeRange,
    /// How long people stay.
    pub rule: DwellRule,
    /// How far: 1 for contacts, 2 for theirs as well.
    pub hops: u8,
    /// How contacts are weighed.
    pub tracing: Tracing,
    /// Most contacts that are listed.
    pub limit: u32,
    /// Whether to say of each venue how complete its scans look.
    pub with_venue_coverage: bool,
}

/// An index case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// A person.
    Person(PersonKey),
    /// Everybody who was at a venue.
    Venue {
        /// Where.
        venue: VenueId,
        /// When.
        time: TimeRange,
    },
}

/// How long people stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DwellRule {
    /// So many seconds after each scan.
    Window {
        /// That many.
        seconds: u32,
    },
    /// As their scans and the classes of venues tell.
    Dwell,
}

impl DwellRule {
    /// So many minutes around a visit it may look, and the field of a request that says so. Stays may take a day.
    pub fn window(self) -> (u16, &'static str) {
        match self {
            Self::Window { seconds } => (u16::try_from(seconds.div_ceil(60)).unwrap_or(u16::MAX), "window_minutes"),
            Self::Dwell => (24 * 60, "rule"),
        }
    }
}

/// Answers a question as of `now`, and says meanwhile how far it is. Whoever drops it stops it, and what ClickHouse is doing
/// for it.
///
/// # Errors
/// When ClickHouse does not answer, or there is more within the first hop than one trace looks at.
pub async fn trace(
    state: AppState,
    question: Question,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<TraceResponse, QueryError> {
    progress.begin(1);
    let mut reader = Reader::new(&state, &question, progress);
    let histories =
        try_join_all(reader.persons().into_iter().map(|(case, person)| reader.history(case, person))).await?;
    let cut_off = histories.iter().filter(|history| history.visits.more);
    let cuts: Vec<Cut> = cut_off.map(|history| Cut::visits(history.case, state.limits().max_visits)).collect();
    reader.learn(&histories);

    let (sources, stays) = first_sources(&question, &histories);
    let cases: HashSet<PersonKey> = reader.persons().into_iter().map(|(_, person)| person).collect();
    let cases = Arc::new(cases);
    // The first contacts are met where the cases were, so the names of venues need not wait for them.
    let mut visited: Vec<VenueId> = stays.iter().map(|index| index.stay.venue).collect();
    for history in &histories {
        visited.extend(history.visits.scans.iter().map(|(row, _)| row.venue_id));
    }
    let (presences, mut names) = tokio::try_join!(reader.presences(&stays, &cases), state.directory().names(visited))?;
    let mut walk = Walk::new(&state, &question, cases, cuts);
    walk.go(&mut reader, Round { sources, stays, presences }, question.hops).await?;
    let Walk { met: hops, mut cuts, .. } = walk;

    let venues = ranked_venues(&histories, &question, &hops);
    let most_venues = state.limits().max_trace_venues;
    if venues.len() > most_venues as usize {
        cuts.push(Cut::of(Limit::Venues, most_venues.into(), venues.len() as u64));
    }
    names_of_later_hops(&state, &hops, &venues, &mut names).await?;
    let coverage = coverage::of(&state, &question, &venues, now).await?;
    let trace = Trace { question, histories, hops, venues, names, coverage, cuts };
    // Long lists take long to write; on a thread of its own that holds up no other request.
    tokio::task::spawn_blocking(move || report::report(&state, trace)).await.map_err(|_| QueryError::Aborted)
}

/// The cases as sources, and the stays that are followed.
fn first_sources(question: &Question, histories: &[History]) -> (Vec<Source>, Vec<SourceStay>) {
    let mut stays = Vec::new();
    for History { case, followed, .. } in histories {
        let source = usize::from(*case);
        let since = |stay: &Stay| stay.from.max(question.time.from);
        stays.extend(followed.iter().flatten().map(|stay| SourceStay { stay: *stay, since: since(stay), source }));
    }
    let mut sources = Vec::new();
    for (number, case) in question.cases.iter().enumerate() {
        let person = match case {
            Case::Person(person) => Some(*person),
            Case::Venue { venue, time } => {
                let stay = Stay::asked(*venue, time.from, time.to);
                stays.push(SourceStay { stay, since: stay.from, source: number });
                None
            }
        };
        sources.push(Source { person, weight: 1.0, exposed: vec![(number as CaseNumber, 0)] });
    }
    (sources, stays)
}

/// A venue where a case was or somebody was met.
struct Visited {
    venue: VenueId,
    /// The cases that were there.
    cases: BTreeSet<CaseNumber>,
    /// What happened.
    here: VenueExposure,
}

/// All of them, the longest time together first, then the most contacts, then by number.
fn ranked_venues(histories: &[History], question: &Question, hops: &[Met]) -> Vec<Visited> {
    let mut venues: BTreeMap<VenueId, (BTreeSet<CaseNumber>, VenueExposure)> = BTreeMap::new();
    for History { case, followed, .. } in histories {
        for stay in followed.iter().flatten() {
            venues.entry(stay.venue).or_default().0.insert(*case);
        }
    }
    for (number, case) in question.cases.iter().enumerate() {
        if let Case::Venue { venue, .. } = case {
            venues.entry(*venue).or_default().0.insert(number as CaseNumber);
        }
    }
    for (venue, here) in hops.iter().flat_map(|met| &met.venues) {
        let total = &mut venues.entry(*venue).or_default().1;
        total.contacts += here.contacts;
        total.encounters += here.encounters;
        total.overlap_s += here.overlap_s;
    }
    let mut ranked: Vec<Visited> =
        venues.into_iter().map(|(venue, (cases, here))| Visited { venue, cases, here }).collect();
    ranked.sort_by_key(|visited| Reverse((visited.here.overlap_s, visited.here.contacts)));
    ranked
}

async fn names_of_later_hops(
    state: &AppState,
    hops: &[Met],
    venues: &[Visited],
    names: &mut VenueNames,
) -> Result<(), QueryError> {
    if hops.len() > 1 {
        let unknown = venues.iter().map(|visited| visited.venue).filter(|venue| !names.has(*venue)).collect::<Vec<_>>();
        names.extend(state.directory().names(unknown).await?);
    }
    Ok(())
}
