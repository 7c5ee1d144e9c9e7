//! The feeds of a simulated city: venues, health, tests, scans, and the late change.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use schemas::{Colour, Method, PersonKey, Verdict};
use tokio::time::Instant;

use crate::city::{City, PersonHealth, Scan};
use crate::gateway::{
    Batch, DocumentLine, Feed, Gateway, HealthLine, LineOutcome, ScanLine, TestLine, VenueLine, batches, describe,
    http_time,
};
use crate::terminal::Progress;

const ISSUER: &str = "Simulated CDC";
const LABORATORY: &str = "Simulated laboratory";
/// From sampling to result.
const LABORATORY_S: i64 = 4 * 3600;

/// What became of the scans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Scans that the gateway took.
    pub taken: u64,
    /// Of these, people who were admitted.
    pub admitted: u64,
    /// Of these, people who were refused.
    pub refused_entry: u64,
    /// Of these, scans too old for a verdict.
    pub recorded: u64,
    /// Scans that the gateway did not take.
    pub problems: u64,
    /// Why it did not take the first of them.
    pub first_problem: String,
}

/// Sends a city to the gateway, and keeps what the gateway says of its people and venues.
#[derive(Debug)]
pub struct CityFeeder<'a> {
    city: &'a City,
    gateway: &'a Gateway,
    batch: usize,
    rate: Option<u32>,
    codes: Vec<String>,
    keys: Vec<Option<PersonKey>>,
    counts: Counts,
}

impl<'a> CityFeeder<'a> {
    /// Nothing is sent yet. `rate` is in scans per second.
    pub fn new(city: &'a City, gateway: &'a Gateway, batch: usize, rate: Option<u32>) -> Self {
        let keys = vec![None; city.plan().people as usize];
        Self { city, gateway, batch, rate, codes: Vec::new(), keys, counts: Counts::default() }
    }

    /// The key of a person, once health has been sent.
    pub fn key_of(&self, person: u32) -> Option<PersonKey> {
        self.keys.get(person as usize).copied().flatten()
    }

    /// The signed code of the nth venue, once the directory has been sent.
    pub fn code_of(&self, nth: usize) -> Option<&str> {
        self.codes.get(nth).map(String::as_str)
    }

    /// What became of the scans so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Sends the venues.
    ///
    /// # Errors
    /// When the gateway cannot be reached for long or refuses one.
    pub async fn directory(&mut self) -> anyhow::Result<()> {
        let lines = self.city.venues().iter().map(|venue| {
            let line = VenueLine {
                venue: venue.id,
                name: &venue.name,
                category: &venue.category,
                district: venue.district.code,
                address: &venue.address,
                latitude: Some(venue.latitude),
                longitude: Some(venue.longitude),
            };
            (line, ())
        });
        let answers = self.feed_all("venues", Feed::Venues, batches(lines, self.batch)?).await?;
        self.codes = answers.into_iter().map(|((), o)| o.code.context("no code")).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Sends everybody's health code and last test.
    ///
    /// # Errors
    /// When the gateway cannot be reached for long or refuses one.
    pub async fn health(&mut self) -> anyhow::Result<()> {
        let people = 0..self.city.plan().people;
        self.health_of(people.map(|number| (number, self.city.health(number))).collect()).await
    }

    /// Sends that the index person is infected.
    ///
    /// # Errors
    /// When the gateway cannot be reached for long or refuses it.
    pub async fn late_change(&mut self) -> anyhow::Result<()> {
        self.health_of(vec![(self.city.index_person(), self.city.late_change())]).await
    }

    /// Sends all scans in the order of time, and shows the progress.
    ///
    /// # Errors
    /// When the gateway cannot be reached for long. Scans that it refuses are counted.
    pub async fn scans(&mut self) -> anyhow::Result<()> {
        let Self { city, gateway, batch: size, codes, counts, .. } = self;
        let mut progress = Progress::start("scans", city.plan().scans);
        let start = Instant::now();
        let pause = self.rate.map(|rate| Duration::from_secs_f64(*size as f64 / f64::from(rate)));
        let batches = ScanBatches { city, codes, scans: city.scans(), size: *size };
        let paced = futures::stream::iter(batches).enumerate().then(|(nth, batch)| async move {
            if let Some(pause) = pause {
                tokio::time::sleep_until(start + pause.mul_f64(nth as f64)).await;
            }
            batch
        });
        let mut answers = std::pin::pin!(gateway.feed(Feed::Scans, paced));
        let mut done = 0;
        while let Some(answer) = answers.next().await {
            let (_, outcomes) = answer?;
            done += outcomes.len() as u64;
            outcomes.iter().for_each(|outcome| counts.add(outcome));
            progress.advance_to(done, done);
        }
        progress.finish();
        Ok(())
    }

    async fn health_of(&mut self, people: Vec<(u32, PersonHealth)>) -> anyhow::Result<()> {
        let documents: Vec<_> = people.iter().map(|(number, _)| self.city.document(*number)).collect();
        let document = |nth: usize| DocumentLine { kind: documents[nth].0, number: &documents[nth].1 };
        let codes = people.iter().enumerate().map(|(nth, (number, health))| {
            let line = HealthLine {
                document: document(nth),
                colour: health.colour,
                since: http_time(health.since),
                expires_at: health.expires_at.map(http_time),
                issuer: ISSUER,
                evidence: if health.colour == Colour::Green { "SIM-0" } else { "SIM-1" },
                reason: health.reason,
            };
            (line, *number)
        });
        for (number, outcome) in self.feed_all("health codes", Feed::HealthCodes, batches(codes, self.batch)?).await? {
            self.keys[number as usize] = outcome.person;
        }
        let until = self.city.plan().until;
        let tests = people.iter().enumerate().filter_map(|(nth, (number, health))| {
            let (sampled, result) = health.test?;
            let line = TestLine {
                document: document(nth),
                sampled_at: http_time(sampled),
                resulted_at: http_time((sampled + LABORATORY_S).min(until)),
                result,
                laboratory: LABORATORY,
            };
            Some((line, *number))
        });
        self.feed_all("tests", Feed::Tests, batches(tests, self.batch)?).await?;
        Ok(())
    }

    /// Sends batches of which every line must be taken.
    async fn feed_all<T>(
        &self,
        what: &str,
        feed: Feed,
        batches: Vec<Batch<T>>,
    ) -> anyhow::Result<Vec<(T, LineOutcome)>> {
        let total: usize = batches.iter().map(Batch::len).sum();
        let mut progress = (total > 1).then(|| Progress::start(what, total as u64));
        let mut all = Vec::with_capacity(total);
        let mut answers = std::pin::pin!(self.gateway.feed(feed, futures::stream::iter(batches)));
        while let Some(answer) = answers.next().await {
            let (batch, outcomes) = answer.with_context(|| format!("sending {what}"))?;
            if let Some(problem) = outcomes.iter().find_map(|o| o.problem.as_ref()) {
                bail!("the gateway refused one of the {what}: {}", describe(problem));
            }
            all.extend(batch.into_tags().into_iter().zip(outcomes));
            if let Some(progress) = &mut progress {
                progress.advance_to(all.len() as u64, all.len() as u64);
            }
        }
        if let Some(progress) = progress {
            progress.finish();
        }
        Ok(all)
    }
}

impl Counts {
    fn add(&mut self, outcome: &LineOutcome) {
        if let Some(problem) = &outcome.problem {
            if self.problems == 0 {
                self.first_problem = describe(problem);
            }
            self.problems += 1;
            return;
        }
        self.taken += 1;
        match outcome.verdict {
            Some(Verdict::Admit) => self.admitted += 1,
            Some(Verdict::Refuse) => self.refused_entry += 1,
            Some(Verdict::Recorded) | None => self.recorded += 1,
        }
    }
}

/// The stream of scans, cut into batches. Phones send the code that they read, everything else the venue's number.
struct ScanBatches<'a> {
    city: &'a City,
    codes: &'a [String],
    scans: crate::city::Scans<'a>,
    size: usize,
}

impl Iterator for ScanBatches<'_> {
    type Item = Batch<()>;

    fn next(&mut self) -> Option<Batch<()>> {
        let mut batch = Batch::default();
        while batch.len() < self.size {
            let Some(Scan { at, person, venue, method, direction }) = self.scans.next() else { break };
            let (kind, number) = self.city.document(person);
            let nth = (venue - self.city.plan().first_venue) as usize;
            let code = self.codes.get(nth).filter(|_| method == Method::VenueCode).map(String::as_str);
            let line = ScanLine {
                code,
                venue: code.is_none().then_some(venue),
                document: DocumentLine { kind, number: &number },
                method,
                direction,
                scanned_at: Some(http_time(at)),
                // Only old people are registered by others here.
                offline_reason: matches!(method, Method::ReverseScan | Method::Manual).then_some("senior"),
            };
            // A struct of strings and numbers always serialises.
            let _ = batch.push(&line, ());
        }
        (!batch.is_empty()).then_some(batch)
    }
}
