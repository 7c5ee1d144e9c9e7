//! Who is reached over several hops, how long people stayed, and what that scores: as the rules say it, without any
//! thought of speed beyond a list by venue.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use schemas::{UnixSeconds, VenueId};

/// Somebody went in or out. Of two methods at one point within minutes only the first is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Passage {
    /// Who.
    pub person: u64,
    /// When.
    pub at: UnixSeconds,
    /// Where.
    pub venue: VenueId,
    /// Out rather than in.
    pub is_exit: bool,
    /// Seconds that a visit there usually takes.
    pub usual_s: i64,
    /// Most seconds that are believed.
    pub longest_s: i64,
}

/// How long people stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StayRule {
    /// So many seconds after each scan.
    Window(i64),
    /// As their passages tell; those that are further apart than so many seconds know nothing of each other.
    Dwell {
        /// So many.
        horizon_s: i64,
    },
}

/// Where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Case {
    /// With a person.
    Person(u64),
    /// With everybody at a venue.
    Venue(VenueId, Range<UnixSeconds>),
}

/// From whom others may have it: which person, unless it is everybody at a venue; with what weight, since when by number of
/// case, and when they were where.
type Source = (Option<u64>, f64, BTreeMap<usize, UnixSeconds>, Vec<Stay>);

/// Somebody who was reached.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reached {
    /// How far from a case.
    pub hop: u8,
    /// Since when, by number of case.
    pub exposed: BTreeMap<usize, UnixSeconds>,
    /// Seconds together.
    pub overlap_s: i64,
    /// From 0 to 1.
    pub score: f64,
    /// Every meeting.
    pub meetings: Vec<Meeting>,
}

/// Two stays that meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meeting {
    /// When the source was scanned.
    pub index_at: UnixSeconds,
    /// When the contact was scanned.
    pub contact_at: UnixSeconds,
    /// Where.
    pub venue: VenueId,
    /// Who the source is, unless it is a venue.
    pub source: Option<u64>,
    /// How long both were there.
    pub overlap_s: i64,
    /// What gave the contact's stay its length.
    pub rule: &'static str,
}

/// How meetings are weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Seconds after which half is risked.
    pub halving_s: f64,
    /// What of a contact's score counts for the next hop.
    pub hop: f64,
}

#[derive(Debug, Clone, Copy)]
struct Stay {
    person: u64,
    venue: VenueId,
    at: UnixSeconds,
    from: UnixSeconds,
    until: UnixSeconds,
    rule: &'static str,
}

/// Everybody's stays.
#[derive(Debug, Clone)]
pub struct Chains {
    by_person: HashMap<u64, Vec<Stay>>,
    by_venue: HashMap<VenueId, Vec<Stay>>,
    is_window: bool,
}

impl Chains {
    /// Works all stays out.
    pub fn new(passages: impl IntoIterator<Item = Passage>, rule: StayRule) -> Self {
        let mut people: BTreeMap<u64, Vec<Passage>> = BTreeMap::new();
        for passage in passages {
            people.entry(passage.person).or_default().push(passage);
        }
        let is_window = matches!(rule, StayRule::Window(_));
        let mut chains = Self { by_person: HashMap::new(), by_venue: HashMap::new(), is_window };
        for (person, mut passages) in people {
            passages.sort_unstable();
            let stays = match rule {
                StayRule::Window(window_s) => {
                    passages.iter().map(|p| p.stay(p.at, p.at + window_s, "window")).collect()
                }
                StayRule::Dwell { horizon_s } => dwelt(&passages, horizon_s),
            };
            for stay in &stays {
                chains.by_venue.entry(stay.venue).or_default().push(*stay);
            }
            chains.by_person.insert(person, stays);
        }
        chains
    }

    /// Everybody who is reached from the cases within some hops, where stays count that lie in the range.
    pub fn reached(
        &self,
        cases: &[Case],
        range: &Range<UnixSeconds>,
        hops: u8,
        weights: Weights,
    ) -> BTreeMap<u64, Reached> {
        let mut found: BTreeMap<u64, Reached> = BTreeMap::new();
        let mut known: HashSet<u64> = HashSet::new();
        let mut sources: Vec<Source> = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let exposed = BTreeMap::from([(number, i64::MIN)]);
            match case {
                Case::Person(person) => {
                    known.insert(*person);
                    sources.push((Some(*person), 1.0, exposed, self.stays_of_case(*person, range)));
                }
                Case::Venue(venue, time) => {
                    let (from, until) = (time.start, time.end - 1);
                    let stay = Stay { person: 0, venue: *venue, at: from, from, until, rule: "asked" };
                    sources.push((None, 1.0, exposed, vec![stay]));
                }
            }
        }
        for hop in 1..=hops {
            let mut met: BTreeMap<u64, Reached> = BTreeMap::new();
            for (source, weight, exposed, stays) in &sources {
                for index in stays {
                    for contact in self.by_venue.get(&index.venue).into_iter().flatten() {
                        let (from, until) = (index.from.max(contact.from), index.until.min(contact.until));
                        if from > until || known.contains(&contact.person) {
                            continue;
                        }
                        let reached = met.entry(contact.person).or_default();
                        reached.hop = hop;
                        reached.overlap_s += until - from;
                        let risk = weight * (1.0 - 0.5f64.powf((until - from) as f64 / weights.halving_s));
                        reached.score = 1.0 - (1.0 - reached.score) * (1.0 - risk);
                        for (case, at) in exposed.iter().filter(|(_, at)| **at <= until) {
                            let known = reached.exposed.entry(*case).or_insert(i64::MAX);
                            *known = (*known).min(from.max(*at));
                        }
                        reached.meetings.push(Meeting {
                            index_at: index.at,
                            contact_at: contact.at,
                            venue: index.venue,
                            source: *source,
                            overlap_s: until - from,
                            rule: contact.rule,
                        });
                    }
                }
            }
            known.extend(met.keys());
            sources = met.iter().map(|(person, reached)| self.as_source(*person, reached, range, weights)).collect();
            found.extend(met);
        }
        found.values_mut().for_each(|reached| reached.meetings.sort_unstable());
        found
    }

    /// The venues where two or more cases were.
    pub fn shared_venues(&self, cases: &[Case], range: &Range<UnixSeconds>) -> BTreeMap<VenueId, BTreeSet<usize>> {
        let mut venues: BTreeMap<VenueId, BTreeSet<usize>> = BTreeMap::new();
        for (number, case) in cases.iter().enumerate() {
            let there = match case {
                Case::Person(person) => self.stays_of_case(*person, range).iter().map(|stay| stay.venue).collect(),
                Case::Venue(venue, _) => vec![*venue],
            };
            there.into_iter().for_each(|venue| {
                venues.entry(venue).or_default().insert(number);
            });
        }
        venues.retain(|_, cases| cases.len() > 1);
        venues
    }

    fn stays_of_case(&self, person: u64, range: &Range<UnixSeconds>) -> Vec<Stay> {
        let counts = |stay: &Stay| match self.is_window {
            true => range.contains(&stay.at),
            false => stay.until >= range.start && stay.from < range.end,
        };
        let cut = |stay: &Stay| self.cut(stay, range.start, range);
        self.by_person.get(&person).into_iter().flatten().filter(|stay| counts(stay)).map(cut).collect()
    }

    /// The part of a source's stay that counts. What a window is long, the question says; a dwell ends with the range.
    fn cut(&self, stay: &Stay, since: UnixSeconds, range: &Range<UnixSeconds>) -> Stay {
        let until = if self.is_window { stay.until } else { stay.until.min(range.end - 1) };
        Stay { from: stay.from.max(since), until, ..*stay }
    }

    fn as_source(&self, person: u64, reached: &Reached, range: &Range<UnixSeconds>, weights: Weights) -> Source {
        let since = reached.exposed.values().copied().min().unwrap_or(i64::MAX);
        let of_person = self.by_person.get(&person).into_iter().flatten();
        let later = of_person.filter(|stay| stay.until >= since && stay.from < range.end);
        let stays = later.map(|stay| self.cut(stay, since, range)).collect();
        (Some(person), reached.score * weights.hop, reached.exposed.clone(), stays)
    }
}

impl Reached {
    /// When the first meeting that counts began.
    pub fn exposed_at(&self) -> UnixSeconds {
        self.exposed.values().copied().min().unwrap_or(i64::MAX)
    }
}

impl Passage {
    const fn stay(&self, from: UnixSeconds, until: UnixSeconds, rule: &'static str) -> Stay {
        Stay { person: self.person, venue: self.venue, at: self.at, from, until, rule }
    }
}

/// The stays of one person, whose passages come in order: each is usual until the next passage says otherwise.
fn dwelt(passages: &[Passage], horizon_s: i64) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    let mut last: Option<Passage> = None;
    for passage in passages {
        let before = last.filter(|last| passage.at - last.at <= horizon_s);
        let entered = before.filter(|before| !before.is_exit);
        let ends = entered.is_some_and(|entered| passage.is_exit && passage.venue == entered.venue);
        if let (Some(entered), Some(stay)) = (entered, stays.last_mut()) {
            stay.until = passage.at.min(entered.at + entered.longest_s);
            stay.rule = if ends { "exit_scan" } else { "next_scan" };
        }
        if !passage.is_exit {
            stays.push(passage.stay(passage.at, passage.at + passage.usual_s, "class_default"));
        } else if !ends {
            let usual = passage.at - passage.usual_s;
            let from = before.map_or(usual, |before| usual.max(before.at));
            stays.push(passage.stay(from, passage.at, "exit_only"));
        }
        last = Some(*passage);
    }
    stays
}

#[cfg(test)]
mod tests;
