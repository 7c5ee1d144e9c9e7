//! Reads the stays of cases and of others, by the rule of the question.

use std::collections::{HashMap, HashSet};

use schemas::{PersonKey, VenueId};

use super::{Case, DwellRule, Question};
use crate::{
    AppState, QueryError,
    exposure::{
        CaseNumber, Dwell, Passage, Presence, Scan, Source, SourceStay, Stay, Window, dwelt, merged, without_repeats,
    },
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
}

impl<'a> Reader<'a> {
    /// Has read nothing yet.
    pub fn new(state: &'a AppState, question: &Question) -> Self {
        let mut dwells = HashMap::new();
        let longest_s = state.dwells().longest_s();
        for case in &question.cases {
            if let Case::Venue { venue, .. } = case {
                dwells.insert(*venue, Dwell { usual_s: longest_s, longest_s });
            }
        }
        let scans_left = state.limits().max_contact_scans as usize;
        Self { state, cases: question.cases.clone(), time: question.time, rule: question.rule, scans_left, dwells }
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
        let mut followed = match self.rule {
            DwellRule::Window { seconds } => scans.iter().map(|(scan, _)| Some(Stay::window(scan, seconds))).collect(),
            DwellRule::Dwell => dwelt(&scans, self.horizon_s()),
        };
        if self.rule == DwellRule::Dwell {
            for stay in &mut followed {
                *stay = stay.filter(|stay| self.is_followed(stay, self.time.from));
            }
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
        let places: HashMap<PersonKey, usize> = people.iter().copied().zip(0..).collect();
        let time = match self.rule {
            DwellRule::Window { seconds } => self.widened(seconds, 0),
            DwellRule::Dwell => self.widened(self.horizon_s(), self.horizon_s() * 2),
        };
        let presences = self.stays_in(people, time).await?;
        let index = |presence: Presence| {
            let (stay, source) = (presence.stay, *places.get(&presence.person)?);
            let since = sources[source].since();
            self.is_followed(&stay, since).then(|| SourceStay { stay, since: since.max(stay.from), source })
        };
        Ok(presences.into_iter().filter_map(index).collect())
    }

    /// The stays of others that may meet these ones.
    pub async fn presences(
        &mut self,
        stays: &[SourceStay],
        known: &HashSet<PersonKey>,
    ) -> Result<Vec<Presence>, QueryError> {
        let windows = merged(stays.iter().map(|index| self.window(index)).collect());
        let cases: Vec<PersonKey> = self.persons().into_iter().map(|(_, person)| person).collect();
        let scans = self.state.store().scans_in_windows(&cases, &windows, self.scans_left).await;
        let scans = scans.map_err(|error| self.of_all(error))?;
        self.scans_left -= scans.len();
        match self.rule {
            DwellRule::Window { seconds } => {
                let scans = without_repeats(scans, self.state.either_or_s(), passage);
                let others = scans.iter().filter(|scan| !known.contains(&scan.person));
                Ok(others.map(|scan| presence(scan, Stay::window(scan, seconds))).collect())
            }
            // How long each was there the scans of that person tell, wherever they were.
            DwellRule::Dwell => {
                let people: HashSet<PersonKey> = scans.iter().map(|scan| scan.person).collect();
                let mut people: Vec<PersonKey> = people.difference(known).copied().collect();
                people.sort_unstable();
                let time = self.widened(self.horizon_s(), self.horizon_s() * 2);
                let venues: HashSet<VenueId> = stays.iter().map(|index| index.stay.venue).collect();
                let mut presences = self.stays_in(&people, time).await?;
                presences.retain(|presence| venues.contains(&presence.stay.venue));
                Ok(presences)
            }
        }
    }

    /// All stays of people that their scans in a time tell of.
    async fn stays_in(&mut self, people: &[PersonKey], time: TimeRange) -> Result<Vec<Presence>, QueryError> {
        let time = TimeRange { from: time.from.saturating_sub(self.state.either_or_s()), ..time };
        let scans = self.state.store().scans_of(people, time, self.scans_left).await;
        let scans = scans.map_err(|error| self.of_all(error))?;
        self.scans_left -= scans.len();
        let mut scans: Vec<(Scan, Dwell)> =
            scans.into_iter().map(|(scan, category)| (scan, self.state.dwells().at(&category))).collect();
        scans = without_repeats(scans, self.state.either_or_s(), |(scan, _)| passage(scan));
        if let DwellRule::Window { seconds } = self.rule {
            return Ok(scans.iter().map(|(scan, _)| presence(scan, Stay::window(scan, seconds))).collect());
        }
        scans.iter().for_each(|(scan, dwell)| self.learn_one(scan.venue, *dwell));
        scans.sort_by_key(|(scan, _)| scan.person);
        let mut presences = Vec::with_capacity(scans.len());
        for of_one in scans.chunk_by(|(one, _), (other, _)| one.person == other.person) {
            let stays = dwelt(of_one, self.horizon_s());
            presences.extend(of_one.iter().zip(stays).filter_map(|((scan, _), stay)| Some(presence(scan, stay?))));
        }
        Ok(presences)
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

    fn is_followed(&self, stay: &Stay, since: u32) -> bool {
        stay.until >= since && stay.from < self.time.to
    }

    fn learn_one(&mut self, venue: VenueId, dwell: Dwell) {
        let known = self.dwells.entry(venue).or_insert(dwell);
        known.usual_s = known.usual_s.max(dwell.usual_s);
        known.longest_s = known.longest_s.max(dwell.longest_s);
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
                QueryError::TraceTooLarge { what, limit: self.state.limits().max_contact_scans.into() }
            }
            error => error,
        }
    }
}

fn passage(scan: &Scan) -> Passage {
    let Scan { person, venue, at, method, direction, .. } = *scan;
    Passage { person, venue, direction, at, method }
}

const fn presence(scan: &Scan, stay: Stay) -> Presence {
    Presence { stay, person: scan.person, method: scan.method, colour: scan.colour }
}
