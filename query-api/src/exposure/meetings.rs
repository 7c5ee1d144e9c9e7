//! Who met whom: the stays of those who may infect against the stays of others, one hop at a time.

use std::{cmp::Reverse, collections::HashMap, ops::ControlFlow};

use schemas::{Colour, Method, PersonKey, VenueId};

use super::{Stay, StoredSeconds, Weights};

/// Number of a case in its request.
pub type CaseNumber = u8;

/// By which cases somebody may have been infected, and from when on, in the order of the cases.
pub type Exposures = Vec<(CaseNumber, StoredSeconds)>;

/// Who may have infected others: a case, or somebody whom one has reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Who; nobody, when the case is a venue.
    pub person: Option<PersonKey>,
    /// What counts of it: 1 for a case.
    pub weight: f64,
    /// By which cases; a case by itself, always.
    pub exposed: Exposures,
}

impl Source {
    /// The first second in which it may have infected others.
    pub fn since(&self) -> StoredSeconds {
        first(&self.exposed)
    }
}

fn first(exposed: &Exposures) -> StoredSeconds {
    exposed.iter().map(|(_, at)| *at).min().unwrap_or(0)
}

/// A stay of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceStay {
    /// The stay.
    pub stay: Stay,
    /// The second from which on it counts: its first one, or that of the source's own exposure.
    pub since: StoredSeconds,
    /// Whose: the place in the list of sources.
    pub source: usize,
}

/// A stay of somebody who may have been infected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Presence {
    /// The stay.
    pub stay: Stay,
    /// Who.
    pub person: PersonKey,
    /// How the person was scanned.
    pub method: Method,
    /// Colour in force at the scan.
    pub colour: Colour,
}

/// Two stays at one venue that meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encounter {
    /// The stay of the source.
    pub index: SourceStay,
    /// The stay of the contact.
    pub contact: Presence,
}

/// Somebody whom a source met.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// Who.
    pub person: PersonKey,
    /// How often.
    pub encounters: u64,
    /// Seconds together, over all encounters.
    pub overlap_s: u64,
    /// The chance that one of the encounters counted; see [`Weights`].
    pub score: f64,
    /// By which cases, and from when on.
    pub exposed: Exposures,
}

/// What happened at a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VenueExposure {
    /// Distinct people who were reached there.
    pub contacts: u64,
    /// Encounters.
    pub encounters: u64,
    /// Seconds together.
    pub overlap_s: u64,
}

/// There are more pairs of stays than may be looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("more pairs of stays than may be looked at")]
pub struct TooManyPairs;

/// Who was reached, and where.
pub type ReachedAndWhere = (Vec<Reached>, Vec<(VenueId, VenueExposure)>);

/// One hop: everybody who may infect, everybody who may be infected, and no person in both.
#[derive(Debug)]
pub struct Hop {
    sources: Vec<Source>,
    stays: Vec<SourceStay>,
    presences: Vec<Presence>,
}

impl Encounter {
    /// The seconds in which both were there, both ends included; none when the stays do not meet.
    const fn overlap(index: &SourceStay, contact: &Presence) -> Option<(StoredSeconds, StoredSeconds)> {
        let from = if index.since > contact.stay.from { index.since } else { contact.stay.from };
        let (one, other) = (index.stay.until, contact.stay.until);
        let until = if one < other { one } else { other };
        if from <= until { Some((from, until)) } else { None }
    }

    /// Seconds that both were there.
    pub fn overlap_s(&self) -> u32 {
        Self::overlap(&self.index, &self.contact).map_or(0, |(from, until)| until - from)
    }

    /// In the order of the sources' scans, then of the contacts'.
    fn order(&self) -> impl Ord + use<> {
        let Self { index, contact } = *self;
        (index.stay.at, contact.stay.at, index, contact)
    }
}

impl Hop {
    /// Arranges stays. Their order does not matter.
    pub fn new(sources: Vec<Source>, mut stays: Vec<SourceStay>, mut presences: Vec<Presence>) -> Self {
        stays.sort_unstable_by_key(|index| (index.stay.venue, index.since, *index));
        presences.sort_unstable();
        Self { sources, stays, presences }
    }

    /// Everybody who was met, in no order, and what happened at each venue, in theirs.
    ///
    /// All sums are made in the order of venues, times and people, so that they come out the same to the last bit
    /// in whatever order the stays were read.
    ///
    /// # Errors
    /// When there are more pairs than `most_pairs`.
    pub fn reached(&self, weights: &Weights, most_pairs: u64) -> Result<ReachedAndWhere, TooManyPairs> {
        let mut people: HashMap<PersonKey, Tally> = HashMap::new();
        let mut venues: Vec<(VenueId, VenueExposure)> = Vec::new();
        let mut looked_at = 0;
        let flow = self.each(|contact, near| {
            looked_at += near.len() as u64;
            if looked_at > most_pairs {
                return ControlFlow::Break(());
            }
            let mut met = near.iter().filter_map(|index| Some((index, Encounter::overlap(index, contact)?))).peekable();
            if met.peek().is_none() {
                return ControlFlow::Continue(());
            }
            let venue = contact.stay.venue;
            if venues.last().is_none_or(|(last, _)| *last != venue) {
                venues.push((venue, VenueExposure::default()));
            }
            let tally = people.entry(contact.person).or_insert_with(|| Tally::of(contact.person));
            let before = (tally.reached.encounters, tally.reached.overlap_s);
            for (index, overlap) in met {
                tally.meets(&self.sources[index.source], overlap, weights);
            }
            if let Some((_, here)) = venues.last_mut() {
                here.contacts += u64::from(tally.last_met_at.replace(venue) != Some(venue));
                here.encounters += tally.reached.encounters - before.0;
                here.overlap_s += tally.reached.overlap_s - before.1;
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            return Err(TooManyPairs);
        }
        Ok((people.into_values().map(Tally::into_reached).collect(), venues))
    }

    /// All encounters of these people, each person's in the order of the sources' scans.
    pub fn encounters(&self, of: &[PersonKey]) -> Vec<Vec<Encounter>> {
        let places: HashMap<PersonKey, usize> = of.iter().copied().zip(0..).collect();
        let mut encounters = vec![Vec::new(); of.len()];
        let _ = self.each(|contact, near| {
            if let Some(of_person) = places.get(&contact.person).and_then(|place| encounters.get_mut(*place)) {
                let met = near.iter().filter(|index| Encounter::overlap(index, contact).is_some());
                of_person.extend(met.map(|index| Encounter { index: *index, contact: *contact }));
            }
            ControlFlow::<()>::Continue(())
        });
        for of_person in &mut encounters {
            of_person.sort_unstable_by_key(Encounter::order);
        }
        encounters
    }

    /// The sources, as the places in their list count them.
    pub fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    /// Calls `found` for every presence with the stays of sources that it may meet. All are sorted by venue and time and
    /// walked once: a stay that ends before one presence begins ends before all later ones.
    fn each<B>(&self, mut found: impl FnMut(&Presence, &[SourceStay]) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut first = 0;
        for contact in &self.presences {
            let Stay { venue, from, until, .. } = contact.stay;
            while self.stays.get(first).is_some_and(|SourceStay { stay, .. }| (stay.venue, stay.until) < (venue, from))
            {
                first += 1;
            }
            let rest = &self.stays[first..];
            let near = rest.iter().take_while(|index| (index.stay.venue, index.since) <= (venue, until)).count();
            if near > 0 {
                found(contact, &rest[..near])?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// What adds up while venues are walked.
struct Tally {
    reached: Reached,
    /// The chance that no encounter counted.
    harmless: f64,
    last_met_at: Option<VenueId>,
}

impl Tally {
    const fn of(person: PersonKey) -> Self {
        let reached = Reached { person, encounters: 0, overlap_s: 0, score: 0.0, exposed: Vec::new() };
        Self { reached, harmless: 1.0, last_met_at: None }
    }

    fn meets(&mut self, source: &Source, (from, until): (StoredSeconds, StoredSeconds), weights: &Weights) {
        self.harmless *= 1.0 - source.weight * weights.risk(until - from);
        self.reached.encounters += 1;
        self.reached.overlap_s += u64::from(until - from);
        let exposed = &mut self.reached.exposed;
        // A source that was itself reached by a case only after this meeting brings nothing of that case.
        for (case, at) in source.exposed.iter().filter(|(_, at)| *at <= until) {
            let at = from.max(*at);
            match exposed.binary_search_by_key(case, |(case, _)| *case) {
                Ok(place) => exposed[place].1 = exposed[place].1.min(at),
                Err(place) => exposed.insert(place, (*case, at)),
            }
        }
    }

    fn into_reached(self) -> Reached {
        Reached { score: 1.0 - self.harmless, ..self.reached }
    }
}

impl Reached {
    /// When the first encounter that counts began.
    pub fn exposed_at(&self) -> StoredSeconds {
        first(&self.exposed)
    }

    /// As a source of the next hop.
    pub fn as_source(&self, weights: &Weights) -> Source {
        Source { person: Some(self.person), weight: weights.passed_on(self.score), exposed: self.exposed.clone() }
    }
}

/// People by their time together, the longest first, then by key.
pub fn by_overlap(people: &mut [Reached]) {
    people.sort_unstable_by_key(|person| (Reverse(person.overlap_s), person.person));
}

/// People by their score, the highest first, then by key.
pub fn by_score(people: &mut [Reached]) {
    people.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.person.cmp(&b.person)));
}

#[cfg(test)]
mod tests;
