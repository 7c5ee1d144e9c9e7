//! Holds the query API against the oracle: how much is stored, who met whom, and footfall.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use benches::oracle::chains::{Case, Chains, Passage, StayRule, Weights};
use benches::oracle::{Oracle, Sighting};
use benches::query::{QueryApi, TraceRequest};
use benches::releases::MOST;
use benches::verify;
use futures::future::join_all;
use schemas::{CityProfile, Document, DocumentType, KeyRing, PersonKey, UnixSeconds, VenueId};
use uuid::Uuid;

const UTC_OFFSET_MINUTES: i32 = 480;
const HOUR: i64 = 3600;
/// Questions under way at once.
const SIDE_BY_SIDE: usize = 4;

/// Sightings as the test knows them, under the person keys by which the system knows their people.
pub struct Expected {
    sightings: HashSet<Sighting>,
    oracle: Oracle,
    range: Range<UnixSeconds>,
}

impl Expected {
    /// Sightings whose persons are the numbers of documents of the type `other`.
    pub fn new(sightings: impl IntoIterator<Item = Sighting>, ring: &KeyRing) -> anyhow::Result<Self> {
        let known = |sighting: Sighting| -> anyhow::Result<Sighting> {
            let document = Document::try_new(DocumentType::Other, &sighting.person.to_string())?;
            Ok(Sighting { person: PersonKey::derive(ring, &document).to_u64(), ..sighting })
        };
        let sightings: HashSet<Sighting> = sightings.into_iter().map(known).collect::<Result<_, _>>()?;
        let first = sightings.iter().map(|s| s.at).min().context("no sightings")?;
        let last = sightings.iter().map(|s| s.at).max().context("no sightings")?;
        Ok(Self { oracle: Oracle::new(sightings.iter().copied()), sightings, range: first..last + 1 })
    }

    /// How many distinct sightings there are.
    pub fn distinct(&self) -> u64 {
        self.sightings.len() as u64
    }

    /// Compares the trace of every person, contact by contact and encounter by encounter, and returns how many
    /// distinct pairs of people the API found, and how long the slowest trace took.
    pub async fn compare_traces(&self, api: &QueryApi, window_minutes: u32) -> anyhow::Result<(usize, Duration)> {
        let numbers: HashSet<u64> = self.sightings.iter().map(|s| s.person).collect();
        let people: Vec<PersonKey> = numbers.into_iter().filter_map(PersonKey::from_u64).collect();
        let (mut pairs, mut slowest) = (HashSet::new(), Duration::ZERO);
        let time = (self.range.start, self.range.end);
        let mut released = Vec::new();
        for some in people.chunks(MOST) {
            let release = api.release(some, time, 1).await?;
            released.extend(some.iter().map(|person| (release, *person)));
        }
        for some in released.chunks(SIDE_BY_SIDE) {
            let ask = |(release, person): (Uuid, PersonKey)| async move {
                let started = Instant::now();
                let trace = api.trace(release, person, time, window_minutes).await?;
                anyhow::Ok((person, trace, started.elapsed()))
            };
            for answer in join_all(some.iter().copied().map(ask)).await {
                let (person, trace, took) = answer?;
                slowest = slowest.max(took);
                verify::trace(&trace, &self.oracle, person, self.range.clone(), window_minutes)
                    .map_err(|difference| anyhow::anyhow!("the trace of {person}: {difference}"))?;
                pairs.extend(trace.contacts.iter().map(|c| (person.min(c.person), person.max(c.person))));
            }
        }
        let expected = self.oracle.pairs(i64::from(window_minutes) * 60).len();
        ensure!(pairs.len() == expected, "{} pairs instead of {expected}", pairs.len());
        Ok((pairs.len(), slowest))
    }

    /// Compares traces of some people, spread over all, over one hop and two, by a window and by the dwell rule, and returns
    /// how many people all of them reached. The venues are of a category that the city's class of public venues has.
    pub async fn compare_chains(&self, api: &QueryApi, some: usize) -> anyhow::Result<usize> {
        let city = CityProfile::try_built_in("shanghai")?;
        let class = city.class_of("other").context("no class")?;
        let longest_minutes = city.classes.iter().map(|class| class.dwell_cap_minutes).max().context("no class")?;
        let passage = |s: &Sighting| Passage {
            person: s.person,
            at: s.at,
            venue: s.venue,
            is_exit: false,
            usual_s: i64::from(class.dwell_minutes) * 60,
            longest_s: i64::from(class.dwell_cap_minutes) * 60,
        };
        let weights = Weights {
            halving_s: f64::from(city.tracing.halving_minutes) * 60.0,
            hop: f64::from(city.tracing.hop_percent) / 100.0,
        };
        let people: BTreeSet<u64> = self.sightings.iter().map(|s| s.person).collect();
        let every = (people.len() / some).max(1);
        let people: Vec<PersonKey> = people.into_iter().step_by(every).filter_map(PersonKey::from_u64).collect();
        let time = (self.range.start, self.range.end);
        let release = api.release(&people, time, 2).await?;
        let mut reached = 0;
        for rule in [StayRule::Window(1_800), StayRule::Dwell { horizon_s: i64::from(longest_minutes) * 60 }] {
            let chains = Chains::new(self.sightings.iter().map(passage), rule);
            for person in people.iter().copied() {
                for hops in [1, 2] {
                    let request = match rule {
                        StayRule::Window(seconds) => TraceRequest::window(release, person, time, (seconds / 60) as u32),
                        StayRule::Dwell { .. } => TraceRequest::dwell(release, person, time),
                    };
                    let trace = api.ask_trace(&TraceRequest { hops, ..request }).await?;
                    let cases = [Case::Person(person.to_u64())];
                    let expected = chains.reached(&cases, &self.range, hops, weights);
                    verify::chains(&trace, &expected).map_err(|difference| {
                        anyhow::anyhow!("the trace of {person} over {hops} hops, {rule:?}: {difference}")
                    })?;
                    reached += expected.len();
                }
            }
        }
        Ok(reached)
    }

    /// Compares footfall per hour and per day of every venue, and returns how many venues there are.
    pub async fn compare_footfall(&self, api: &QueryApi) -> anyhow::Result<usize> {
        let venues: HashSet<VenueId> = self.sightings.iter().map(|s| s.venue).collect();
        let questions: Vec<(VenueId, &'static str, i64)> =
            venues.iter().flat_map(|venue| [(*venue, "hour", HOUR), (*venue, "day", 24 * HOUR)]).collect();
        for some in questions.chunks(SIDE_BY_SIDE) {
            let ask = |(venue, step, step_s): (VenueId, &'static str, i64)| async move {
                let answer = api.footfall(venue, self.range.start, self.range.end, step).await?;
                let expected = self.oracle.footfall(venue, self.range.clone(), step_s, UTC_OFFSET_MINUTES);
                verify::footfall(&answer.buckets, &expected)
                    .map_err(|difference| anyhow::anyhow!("venue {venue} per {step}: {difference}"))
            };
            join_all(some.iter().copied().map(ask)).await.into_iter().collect::<anyhow::Result<()>>()?;
        }
        Ok(venues.len())
    }
}
