//! Holds the query API against the oracle: what is stored, who met whom, and footfall.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, ensure};
use benches::oracle::{Encounter, Footfall, Oracle, Sighting};
use benches::query::{QueryApi, Trace};
use schemas::{Document, DocumentType, KeyRing, PersonKey, UnixSeconds, VenueId};

const UTC_OFFSET_MINUTES: i32 = 480;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// Questions under way at once.
const SIDE_BY_SIDE: usize = 4;

/// Sightings as the test knows them, with the person keys under which the system knows their people.
pub struct Expected {
    sightings: HashSet<Sighting>,
    oracle: Oracle,
    keys: BTreeMap<u64, PersonKey>,
    range: std::ops::Range<UnixSeconds>,
}

impl Expected {
    /// Sightings whose persons are the numbers of documents of the type `other`.
    pub fn new(sightings: impl IntoIterator<Item = Sighting>, ring: &KeyRing) -> anyhow::Result<Self> {
        let sightings: HashSet<Sighting> = sightings.into_iter().collect();
        let mut keys = BTreeMap::new();
        for sighting in &sightings {
            let document = Document::try_new(DocumentType::Other, &sighting.person.to_string())?;
            keys.insert(sighting.person, PersonKey::derive(ring, &document));
        }
        let first = sightings.iter().map(|s| s.at).min().context("no sightings")?;
        let last = sightings.iter().map(|s| s.at).max().context("no sightings")?;
        Ok(Self { oracle: Oracle::new(sightings.iter().copied()), sightings, keys, range: first..last + 1 })
    }

    /// How many distinct sightings there are.
    pub fn distinct(&self) -> u64 {
        self.sightings.len() as u64
    }

    /// Compares the trace of every person, contact by contact and encounter by encounter, and returns the distinct
    /// pairs of people that the API found, and how long the slowest trace took.
    pub async fn compare_traces(
        &self,
        api: &QueryApi,
        window_minutes: u32,
    ) -> anyhow::Result<(usize, std::time::Duration)> {
        let numbers: HashMap<PersonKey, u64> = self.keys.iter().map(|(number, key)| (*key, *number)).collect();
        let people: Vec<(u64, PersonKey)> = self.keys.iter().map(|(number, key)| (*number, *key)).collect();
        let mut pairs = HashSet::new();
        let mut slowest = std::time::Duration::ZERO;
        for some in people.chunks(SIDE_BY_SIDE) {
            let answers = some.iter().map(|(number, key)| async {
                let started = std::time::Instant::now();
                let trace = api.trace(*key, self.range.start, self.range.end, window_minutes).await?;
                anyhow::Ok((*number, trace, started.elapsed()))
            });
            for answer in futures::future::join_all(answers).await {
                let (number, trace, took) = answer?;
                slowest = slowest.max(took);
                let found = contacts(&trace, &numbers)?;
                let expected = self.oracle.contacts(number, self.range.clone(), i64::from(window_minutes) * 60);
                ensure!(!trace.truncated, "the trace of person {number} is cut");
                ensure!(
                    trace.visits.len() == self.oracle.visits(number, self.range.clone()).len(),
                    "visits of {number}"
                );
                ensure!(found == expected, "person {number}: found {found:?}, expected {expected:?}");
                pairs.extend(found.keys().map(|other| (number.min(*other), number.max(*other))));
            }
        }
        ensure!(pairs == self.oracle.pairs(i64::from(window_minutes) * 60), "the pairs differ");
        Ok((pairs.len(), slowest))
    }

    /// Compares footfall per hour and per day of every venue, and returns how many venues there are.
    pub async fn compare_footfall(&self, api: &QueryApi) -> anyhow::Result<usize> {
        let venues: HashSet<VenueId> = self.sightings.iter().map(|s| s.venue).collect();
        let mut questions: Vec<(VenueId, &str, i64)> =
            venues.iter().flat_map(|venue| [(*venue, "hour", HOUR), (*venue, "day", DAY)]).collect();
        questions.sort_unstable();
        for some in questions.chunks(SIDE_BY_SIDE) {
            let answers = some.iter().copied().map(|(venue, step, step_s)| async move {
                let answer = api.footfall(venue, self.range.start, self.range.end, step).await?;
                let buckets = answer.buckets.into_iter();
                let found: BTreeMap<UnixSeconds, Footfall> =
                    buckets.map(|b| (b.start.timestamp(), Footfall { scans: b.scans, persons: b.persons })).collect();
                let expected = self.oracle.footfall(venue, self.range.clone(), step_s, UTC_OFFSET_MINUTES);
                ensure!(found == expected, "venue {venue} per {step}: found {found:?}, expected {expected:?}");
                Ok(())
            });
            for answer in futures::future::join_all(answers).await {
                answer?;
            }
        }
        Ok(venues.len())
    }
}

fn contacts(trace: &Trace, numbers: &HashMap<PersonKey, u64>) -> anyhow::Result<BTreeMap<u64, Vec<Encounter>>> {
    let mut found = BTreeMap::new();
    for contact in &trace.contacts {
        let number = *numbers.get(&contact.person).context("a contact that nobody sent")?;
        let encounter = |e: &benches::query::TracedEncounter| Encounter {
            venue: e.venue,
            index_at: e.index_at.timestamp(),
            contact_at: e.contact_at.timestamp(),
        };
        let mut encounters: Vec<Encounter> = contact.encounters.iter().map(encounter).collect();
        encounters.sort_unstable();
        ensure!(found.insert(number, encounters).is_none(), "a contact is listed twice");
    }
    Ok(found)
}
