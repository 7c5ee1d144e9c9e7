//! Reads the stays of cases and of others, by the rule of the question.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use schemas::{PersonKey, VenueId};

use super::{
    Case, DwellRule, Progress, Question,
    stays::{Telling, learn, passage, presence},
};
use crate::{
    AppState, QueryError,
    exposure::{CaseNumber, Dwell, Presence, Scan, Source, SourceStay, Stay, Window, merged, without_repeats},
    store::{TimeRange, VisitRow, Visits},
};

/// Where a case was.
pub struct History {
    /// Which case.
    pub case: CaseNumber,
    /// The scans, with those that tell how long stays were and what is plausible.
    pub visits: Visits,
    /// For each of the visits the stay that it begins, if that is followed.
    pub followed: Vec<Option<Stay>>,
}

/// Reads what a question needs, and no more than one trace may.
pub struct Reader<'a> {
    state: &'a AppState,
    cases: Vec<Case>,
    time: TimeRange,
    rule: DwellRule,
    scans_left: usize,
    /// The longest dwell times that the scans read so far have at each venue.
    dwells: HashMap<VenueId, Dwell>,
    pub progress: &'a Progress,
}

impl<'a> Reader<'a> {
    /// Has read nothing yet.
    pub fn new(state: &'a AppState, question: &Question, progress: &'a Progress) -> Self {
        let mut dwells = HashMap::new();
        let longest_s = state.dwells().longest_s();
        for case in &question.cases {
            if let Case::Venue { venue, .. } = case {
                dwells.insert(*venue, Dwell { usual_s: longest_s, longest_s });
            }
        }
        let scans_left = state.limits().max_contact_scans as usize;
        let (cases, time, rule) = (question.cases.clone(), question.time, question.rule);
        Self { state, cases, time, rule, scans_left, dwells, progress }
    }

    /// The cases that are people.
    pub fn persons(&self) -> Vec<(CaseNumber, PersonKey)> {
        let person = |(number, case): (usize, &Case)| match case {
            Case::Person(person) => Some((number as CaseNumber, *person)),
            Case::Venue { .. } => None,
        };
        self.cases.iter().enumerate().filter_map(person).collect()
    }

    /// Where a case was, and which of its stays are followed: with a window those that begin in the time asked for, else
    /// those that reach into it.
    pub async fn history(&self, case: CaseNumber, person: PersonKey) -> Result<History, QueryError> {
        let (limit, either_or_s) = (self.state.limits().max_visits as usize, self.state.either_or_s());
        let time = match self.rule {
            DwellRule::Window { .. } => self.time,
            DwellRule::Dwell => self.widened(self.horizon_s(), self.horizon_s()),
        };
        let visits = self.state.store().visits(person, time, limit, either_or_s).await?;
        let scan = |row: &VisitRow| {
            let VisitRow { venue_id: venue, scanned_at: at, method, direction, colour, .. } = *row;
            (Scan { person, venue, at, method, direction, colour }, self.state.dwells().at(&row.category))
        };
        let scans: Vec<(Scan, Dwell)> = visits.asked_for().map(scan).collect();
        let (telling, time) = (self.telling(), self.time);
        let followed = on_a_thread(move || {
            let mut stays = telling.of_one(&scans);
            if telling.rule == DwellRule::Dwell {
                stays.iter_mut().for_each(|stay| *stay = stay.and_then(|stay| telling.followed(stay, time.from, time)));
            }
            stays
        });
        let mut followed = followed.await?;
        if self.rule == DwellRule::Dwell {
            // The scan after the last one was not read, so that its end is not known.
            if visits.more {
                followed.pop();
                followed.push(None);
            }
        }
        Ok(History { case, visits, followed })
    }

    /// Keeps in mind how long people stay at the venues of the cases.
    pub fn learn(&mut self, histories: &[History]) {
        if self.rule == DwellRule::Dwell {
            for row in histories.iter().flat_map(|history| history.visits.asked_for()) {
                let dwell = self.state.dwells().at(&row.category);
                self.learn_one(row.venue_id, dwell);
            }
        }
    }

    /// The stays of people from when on they count, up to the end of the time asked for.
    pub async fn source_stays(
        &mut self,
        people: &[PersonKey],
        sources: &[Source],
    ) -> Result<Vec<SourceStay>, QueryError> {
        let sources = sources.iter().map(Source::since).enumerate();
        let sources: HashMap<PersonKey, (usize, u32)> = people.iter().copied().zip(sources).collect();
        let time = match self.rule {
            DwellRule::Window { seconds } => self.widened(seconds, 0),
            DwellRule::Dwell => self.widened(self.horizon_s(), self.horizon_s()),
        };
        let (telling, asked_for) = (self.telling(), self.time);
        let index = move |presence: Presence| {
            let (source, since) = *sources.get(&presence.person)?;
            let stay = telling.followed(presence.stay, since, asked_for)?;
            Some(SourceStay { stay, since: since.max(stay.from), source })
        };
        self.stays_in(people, time, index).await
    }

    /// The stays of others that may meet these ones.
    pub async fn presences(
        &mut self,
        stays: &[SourceStay],
        known: &Arc<HashSet<PersonKey>>,
    ) -> Result<Vec<Presence>, QueryError> {
        let windows = merged(stays.iter().map(|index| self.window(index)).collect());
        let cases: Vec<PersonKey> = self.persons().into_iter().map(|(_, person)| person).collect();
        let scans = self.state.store().scans_in_windows(&cases, &windows, self.scans_left).await;
        let (scans, looked_at) = scans.map_err(|error| self.of_all(error))?;
        self.scans_left -= looked_at;
        let (telling, known) = (self.telling(), Arc::clone(known));
        match self.rule {
            DwellRule::Window { seconds } => {
                on_a_thread(move || {
                    let scans = without_repeats(scans, telling.either_or_s, passage);
                    let others = scans.iter().filter(|scan| !known.contains(&scan.person));
                    others.map(|scan| presence(scan, Stay::window(scan, seconds))).collect()
                })
                .await
            }
            // How long each was there the scans of that person tell, wherever they were.
            DwellRule::Dwell => {
                let people = on_a_thread(move || {
                    let people: HashSet<PersonKey> = scans.iter().map(|scan| scan.person).collect();
                    let mut people: Vec<PersonKey> = people.difference(&known).copied().collect();
                    people.sort_unstable();
                    people
                });
                let people = people.await?;
                let time = self.widened(self.horizon_s(), self.horizon_s());
                let venues: HashSet<VenueId> = stays.iter().map(|index| index.stay.venue).collect();
                let there = move |presence: Presence| venues.contains(&presence.stay.venue).then_some(presence);
                self.stays_in(&people, time, there).await
            }
        }
    }

    /// What is wanted of the stays of people that their scans in a time tell of.
    async fn stays_in<T: Send + 'static>(
        &mut self,
        people: &[PersonKey],
        time: TimeRange,
        wanted: impl Fn(Presence) -> Option<T> + Send + 'static,
    ) -> Result<Vec<T>, QueryError> {
        let time = TimeRange { from: time.from.saturating_sub(self.state.either_or_s()), ..time };
        self.progress.people(0, people.len());
        let seen = |done| self.progress.people(done, people.len());
        let scans = self.state.store().scans_of(people, time, self.scans_left, seen).await;
        let scans = scans.map_err(|error| self.of_all(error))?;
        self.scans_left -= scans.len();
        let (telling, state) = (self.telling(), self.state.clone());
        let told = on_a_thread(move || {
            let with_dwell = |(scan, category): (Scan, String)| (scan, state.dwells().at(&category));
            let (presences, dwells) = telling.of_many(scans.into_iter().map(with_dwell).collect());
            (presences.into_iter().filter_map(wanted).collect(), dwells)
        });
        let (wanted, dwells) = told.await?;
        if self.rule == DwellRule::Dwell {
            dwells.into_iter().for_each(|(venue, dwell)| self.learn_one(venue, dwell));
        }
        Ok(wanted)
    }

    /// When a scan of somebody else would begin or end a stay that meets this one. With the dwell rule an exit tells of a
    /// stay that ends with it.
    fn window(&self, index: &SourceStay) -> Window {
        let SourceStay { stay: Stay { venue, until, .. }, since, .. } = *index;
        let (back_s, forward_s) = match self.rule {
            DwellRule::Window { seconds } => (seconds.saturating_add(self.state.either_or_s()), 0),
            DwellRule::Dwell => {
                let longest_s = self.horizon_s();
                let Dwell { usual_s, longest_s } =
                    self.dwells.get(&venue).copied().unwrap_or(Dwell { usual_s: longest_s, longest_s });
                (longest_s, usual_s)
            }
        };
        Window { venue, opens: since.saturating_sub(back_s), closes: until.saturating_add(forward_s) }
    }

    fn learn_one(&mut self, venue: VenueId, dwell: Dwell) {
        learn(&mut self.dwells, venue, dwell);
    }

    fn telling(&self) -> Telling {
        Telling { rule: self.rule, horizon_s: self.horizon_s(), either_or_s: self.state.either_or_s() }
    }

    fn horizon_s(&self) -> u32 {
        self.state.dwells().longest_s()
    }

    /// The time asked for and so many seconds before and after it, both ends included.
    fn widened(&self, before_s: u32, after_s: u32) -> TimeRange {
        TimeRange { from: self.time.from.saturating_sub(before_s), to: self.time.to.saturating_add(after_s) }
    }

    /// The limit is that of all reads of a trace together.
    fn of_all(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::TraceTooLarge { what, .. } => {
                let has_window = matches!(self.rule, DwellRule::Window { .. });
                let limit = self.state.limits().max_contact_scans.into();
                QueryError::TraceTooLarge { what, limit, has_window }
            }
            error => error,
        }
    }
}

/// Work on as many scans as a trace may read holds up no other request.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, QueryError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| QueryError::Aborted)
}
