//! How long it takes from the gateway's answer until the query API shows the scan, while others scan as well. Each look
//! is a read by a release, and in the audit log before it is answered.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use hdrhistogram::Histogram;
use schemas::PersonKey;
use tokio::time::Instant;
use uuid::Uuid;

use super::drive::Connection;
use super::report::Percentiles;
use super::{Load, cpu_of, used};
use crate::releases::MOST;
use crate::simulate::CityFeeder;

const BETWEEN_POLLS: Duration = Duration::from_millis(2);
const BETWEEN_PROBES: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);
const HOUR_S: i64 = 3600;
const LONGEST_US: u64 = 60_000_000;
/// Of the scans around it: one every so often, 200 a second.
const BACKGROUND: Duration = Duration::from_millis(5);

/// Freshness, and what a look-up costs.
pub(super) struct Fresh {
    pub(super) report: Percentiles,
    pub(super) query_cpu_us: Option<f64>,
}

/// People who have not been scanned before, with the releases by which their visits are read.
pub(super) struct Probes {
    people: Range<u32>,
    keys: Vec<(Uuid, PersonKey)>,
}

impl Probes {
    /// Gets the releases.
    pub(super) async fn prepare(load: &Load<'_>, feeder: &CityFeeder<'_>, people: Range<u32>) -> anyhow::Result<Self> {
        let keys: Option<Vec<PersonKey>> = people.clone().map(|person| feeder.key_of(person)).collect();
        let keys = keys.context("the gateway gave no key for a person")?;
        let now = Utc::now().timestamp();
        let mut released = Vec::new();
        for some in keys.chunks(MOST) {
            let release = load.query.release(some, (now - HOUR_S, now + HOUR_S), 1).await?;
            released.extend(some.iter().map(|key| (release, *key)));
        }
        Ok(Self { people, keys: released })
    }

    /// Scans once for each of them and asks, with a pause between two looks, until the visit is there.
    pub(super) async fn go(&self, load: &Load<'_>, pause: Duration) -> anyhow::Result<Seen> {
        let latency_us = Histogram::new_with_max(LONGEST_US, 3)?;
        let mut seen = Seen { latency_us, looks: 0, failed: 0, first_failure: String::new() };
        for (person, released) in self.people.clone().zip(&self.keys) {
            match probe(load, *released, person, &mut seen.looks, pause).await {
                Ok(visible) => {
                    let us = u64::try_from(visible.as_micros()).unwrap_or(LONGEST_US);
                    seen.latency_us.saturating_record(us);
                }
                Err(error) => {
                    if seen.failed == 0 {
                        seen.first_failure = format!("{error:#}");
                    }
                    seen.failed += 1;
                }
            }
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
        Ok(seen)
    }
}

/// What became of probes.
pub(crate) struct Seen {
    /// Until they were visible.
    pub(crate) latency_us: Histogram<u64>,
    /// How often it was looked.
    pub(crate) looks: u64,
    /// Probes that were not taken, or not visible for long.
    pub(crate) failed: u64,
    pub(crate) first_failure: String,
}

/// Times the way of the probes among the background.
pub(super) async fn measure(load: &Load<'_>, feeder: &CityFeeder<'_>, probes: Range<u32>) -> anyhow::Result<Fresh> {
    let probes = Probes::prepare(load, feeder, probes).await?;
    let query = load.processes.query.as_ref();
    let before = cpu_of(query)?;
    let seen = tokio::select! {
        done = probes.go(load, BETWEEN_POLLS) => done?,
        error = background(load) => return Err(error),
    };
    ensure!(seen.failed == 0, "{} of the probes failed: {}", seen.failed, seen.first_failure);
    Ok(Fresh { report: Percentiles::of_us(&seen.latency_us), query_cpu_us: used(query, before, seen.looks)? })
}

async fn probe(
    load: &Load<'_>,
    (release, key): (Uuid, PersonKey),
    person: u32,
    looks: &mut u64,
    pause: Duration,
) -> anyhow::Result<Duration> {
    let at = Utc::now().timestamp();
    let body = load.bodies.one(person, at);
    ensure!(Connection::new(&load.target).send(body, false).await? == 1, "the gateway did not take a scan");
    let accepted = Instant::now();
    loop {
        *looks += 1;
        if !load.query.visits(release, key, (at, at + 1)).await?.visits.is_empty() {
            return Ok(accepted.elapsed());
        }
        ensure!(accepted.elapsed() < PATIENCE, "a scan is not visible after {} s", PATIENCE.as_secs());
        tokio::time::sleep(pause).await;
    }
}

/// Ends only with an error.
async fn background(load: &Load<'_>) -> anyhow::Error {
    load.bodies.renew();
    let mut connection = Connection::new(&load.target);
    let mut ticks = tokio::time::interval(BACKGROUND);
    loop {
        ticks.tick().await;
        if let Err(error) = connection.send(load.bodies.next(1), false).await {
            return error.context("scanning in the background");
        }
    }
}
