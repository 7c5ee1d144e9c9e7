//! `venuecode demo`: a small city lives through a few days, one of its people turns out to be infected, and every
//! answer of the services is checked against an independent count.

mod report;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use schemas::{Method, PersonKey, UnixSeconds, VenueId};
use tokio::time::Instant;

use crate::city::{City, CityPlan};
use crate::gateway::{DocumentLine, Gateway, GatewayConfig, ScanAnswer, ScanLine, http_time};
use crate::oracle::{Oracle, Sighting};
use crate::query::{QueryApi, QueryConfig, Stats};
use crate::simulate::CityFeeder;
use crate::terminal::{Progress, grouped, print};
use crate::verify;

const DAY: i64 = 24 * 3600;
const WINDOW_MINUTES: u32 = 30;
const BATCH: usize = 500;
const BUSIEST: usize = 5;
/// Each demonstration after the first numbers its venues apart, so that several can follow one another.
const MAX_VENUES: u32 = 100_000;
const NUMBER_RANGES: i64 = 42_000;
/// No more scans may turn up in this time once all are there.
const SETTLE: Duration = Duration::from_secs(1);

/// Shows everything on a small simulated city, and checks it
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Residents
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub people: u32,
    /// Venues
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_VENUES as i64))]
    pub venues: u32,
    /// Scans in all
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub scans: u64,
    /// Days that the scans are spread over
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub days: u16,
    /// The same seed and time give the same city
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Seconds to wait until all scans are stored
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub timeout: u64,
    /// Where scans go.
    #[command(flatten)]
    pub gateway: GatewayConfig,
    /// Where answers come from.
    #[command(flatten)]
    pub query: QueryConfig,
}

/// Runs the demonstration and prints what it finds.
///
/// # Errors
/// When a service cannot be reached for long, scans do not get stored in time, or an answer differs from the
/// independent count.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let gateway = Gateway::try_new(&args.gateway)?;
    let query = QueryApi::try_new(&args.query, &args.gateway.gateway, gateway.tokens())?;
    gateway.wait_ready().await?;
    query.wait_ready(Duration::from_secs(args.gateway.patience)).await?;
    let before = query.stats().await?;
    let city = City::try_new(plan(&args, before.scans == 0))?;
    print(&report::opening(&args))?;

    let mut feeder = CityFeeder::new(&city, &gateway, BATCH, None);
    feeder.directory().await?;
    feeder.health().await?;
    feeder.scans().await?;
    feeder.late_change().await?;
    let counts = feeder.counts();
    ensure!(counts.problems == 0, "{} scans were not taken: {}", counts.problems, counts.first_problem);

    let doors = Doors { city: &city, gateway: &gateway, feeder: &feeder };
    let (healthy, infected) = doors.two_people_at_one_door().await?;
    print(&report::at_the_door(&healthy.1, &infected.1, city.profile().utc_offset_minutes))?;

    let mut sightings = all_sightings(&city, &feeder)?;
    for (person, answer) in [&healthy, &infected] {
        let at = answer.scanned_at.timestamp();
        sightings.push(Sighting { person: person.to_u64(), venue: answer.venue.id, at });
    }
    let sent = sightings.len() as u64;
    let waited = until_stored(&query, before, sent, Duration::from_secs(args.timeout)).await?;
    print(&report::stored(sent, waited))?;

    let oracle = Oracle::new(sightings);
    let range = city.start() - DAY..city.plan().until + DAY;
    let (from, to) = (range.start, range.end);
    let release = query.release(&[infected.0], (from, to), 1).await?;
    let started = Instant::now();
    let trace = query.trace(release, infected.0, (from, to), WINDOW_MINUTES).await?;
    let took = started.elapsed();
    verify::trace(&trace, &oracle, infected.0, range.clone(), WINDOW_MINUTES)
        .map_err(|difference| difference_found("the trace", difference))?;
    print(&report::trace(&trace, infected.0, WINDOW_MINUTES, took))?;

    let mut crowds = Vec::new();
    for (venue, _) in oracle.busiest(BUSIEST) {
        crowds.push(crowd(&city, &query, &oracle, venue, (from, to)).await?);
    }
    print(&report::footfall(&crowds, city.profile().utc_offset_minutes))?;
    print(&report::closing())?;
    Ok(())
}

/// Footfall of a venue, checked.
struct Crowd {
    name: String,
    venue: VenueId,
    days: Vec<crate::query::Bucket>,
    hours: Vec<crate::query::Bucket>,
    took: Duration,
}

fn plan(args: &DemoArgs, first: bool) -> CityPlan {
    let until = Utc::now().timestamp();
    let range = if first { 0 } else { 1 + until.rem_euclid(NUMBER_RANGES) };
    let range = u32::try_from(range).unwrap_or(0);
    CityPlan {
        people: args.people,
        venues: args.venues,
        scans: args.scans,
        days: args.days,
        seed: args.seed,
        until,
        first_venue: 1 + range * MAX_VENUES,
        tag: format!("DEMO-{until:X}"),
    }
}

/// Scans at a door, here and now.
struct Doors<'a> {
    city: &'a City,
    gateway: &'a Gateway,
    feeder: &'a CityFeeder<'a>,
}

impl Doors<'_> {
    /// A healthy person and the infected one scan the code of the same public venue.
    async fn two_people_at_one_door(&self) -> anyhow::Result<((PersonKey, ScanAnswer), (PersonKey, ScanAnswer))> {
        let city = self.city;
        let now = Utc::now().timestamp();
        let public = |category: &str| city.profile().class_of(category).is_some_and(|class| class.id == "public");
        let find = |wanted: &dyn Fn(&str) -> bool| city.venues().iter().position(|v| wanted(&v.category));
        let venue = find(&|category| category == "catering").or_else(|| find(&public)).unwrap_or(0);
        let index = city.index_person();
        let healthy = (0..city.plan().people)
            .find(|person| *person != index && city.health(*person).is_admissible(now))
            .context("nobody in this city is healthy: simulate more people")?;
        Ok((self.scan(healthy, venue, now).await?, self.scan(index, venue, now + 1).await?))
    }

    async fn scan(&self, person: u32, venue: usize, at: UnixSeconds) -> anyhow::Result<(PersonKey, ScanAnswer)> {
        let (kind, number) = self.city.document(person);
        let scan = ScanLine {
            code: Some(self.feeder.code_of(venue).context("the gateway gave no code for a venue")?),
            venue: None,
            document: DocumentLine { kind, number: &number },
            method: Method::VenueCode,
            direction: schemas::Direction::Entry,
            scanned_at: Some(http_time(at)),
            offline_reason: None,
        };
        Ok((key_of(self.feeder, person)?, self.gateway.scan(&scan).await?))
    }
}

fn key_of(feeder: &CityFeeder<'_>, person: u32) -> anyhow::Result<PersonKey> {
    feeder.key_of(person).context("the gateway gave no key for a person")
}

fn all_sightings(city: &City, feeder: &CityFeeder<'_>) -> anyhow::Result<Vec<Sighting>> {
    let sighting = |scan: crate::city::Scan| {
        let person = key_of(feeder, scan.person)?.to_u64();
        Ok(Sighting { person, venue: scan.venue, at: scan.at })
    };
    city.scans().map(sighting).collect()
}

/// Waits until exactly the scans that were sent are stored, and a moment longer to see that no more turn up.
async fn until_stored(query: &QueryApi, before: Stats, sent: u64, patience: Duration) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut progress = Progress::start("stored", sent);
    loop {
        let stored = query.stats().await?.scans.saturating_sub(before.scans);
        progress.advance_to(stored, stored);
        if stored >= sent {
            break;
        }
        ensure!(
            start.elapsed() < patience,
            "only {} of {} scans are stored after {} s: is the processor running?",
            grouped(stored),
            grouped(sent),
            patience.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let waited = start.elapsed();
    tokio::time::sleep(SETTLE).await;
    let stored = query.stats().await?.scans.saturating_sub(before.scans);
    progress.finish();
    if stored != sent {
        bail!("{} scans are stored, but {} were sent: does somebody else send scans?", grouped(stored), grouped(sent));
    }
    Ok(waited)
}

async fn crowd(
    city: &City,
    query: &QueryApi,
    oracle: &Oracle,
    venue: VenueId,
    (from, to): (UnixSeconds, UnixSeconds),
) -> anyhow::Result<Crowd> {
    let started = Instant::now();
    let days = query.footfall(venue, from, to, "day").await?.buckets;
    let hours = query.footfall(venue, from, to, "hour").await?.buckets;
    let took = started.elapsed() / 2;
    let offset = city.profile().utc_offset_minutes;
    for (buckets, step_s) in [(&days, DAY), (&hours, 3600)] {
        verify::footfall(buckets, &oracle.footfall(venue, from..to, step_s, offset))
            .map_err(|difference| difference_found(&format!("the footfall of venue {venue}"), difference))?;
    }
    let name = city.venues().iter().find(|v| v.id == venue).map(|v| v.name.clone()).unwrap_or_default();
    Ok(Crowd { name, venue, days, hours, took })
}

fn difference_found(what: &str, difference: String) -> anyhow::Error {
    anyhow::anyhow!("{what} differs from the independent count: {difference}")
}
