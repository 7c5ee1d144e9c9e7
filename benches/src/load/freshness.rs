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

/// Scans once for each of the probes, who have not been scanned before, and asks until the visit is there.
pub(super) async fn measure(
    load: &Load<'_>,
    feeder: &CityFeeder<'_>,
    sent: &mut u64,
    probes: Range<u32>,
) -> anyhow::Result<Fresh> {
    let mut latency_us = Histogram::<u64>::new_with_max(LONGEST_US, 3)?;
    let mut polls = 0;
    let keys: Option<Vec<PersonKey>> = probes.clone().map(|person| feeder.key_of(person)).collect();
    let keys = keys.context("the gateway gave no key for a person")?;
    let now = Utc::now().timestamp();
    let mut releases = Vec::new();
    for some in keys.chunks(MOST) {
        releases.push(load.query.release(some, (now - HOUR_S, now + HOUR_S), 1).await?);
    }
    let query = load.processes.query.as_ref();
    let before = cpu_of(query)?;
    let probing = async {
        for ((person, key), release) in probes.zip(keys).zip(releases.iter().flat_map(|id| [*id; MOST])) {
            let visible = probe(load, (release, key), person, &mut polls).await?;
            latency_us.saturating_record(u64::try_from(visible.as_micros()).unwrap_or(LONGEST_US));
            *sent += 1;
            tokio::time::sleep(BETWEEN_PROBES).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = probing => done?,
        error = background(load) => error?,
    }
    Ok(Fresh { report: Percentiles::of_us(&latency_us), query_cpu_us: used(query, before, polls)? })
}

async fn probe(
    load: &Load<'_>,
    (release, key): (Uuid, PersonKey),
    person: u32,
    polls: &mut u64,
) -> anyhow::Result<Duration> {
    let at = Utc::now().timestamp();
    let body = load.bodies.one(person, at);
    ensure!(Connection::new(&load.target).send(body, false).await? == 1, "the gateway did not take a scan");
    let accepted = Instant::now();
    loop {
        *polls += 1;
        if !load.query.visits(release, key, (at, at + 1)).await?.visits.is_empty() {
            return Ok(accepted.elapsed());
        }
        ensure!(accepted.elapsed() < PATIENCE, "a scan is not visible after {} s", PATIENCE.as_secs());
        tokio::time::sleep(BETWEEN_POLLS).await;
    }
}

/// Ends only with an error.
async fn background(load: &Load<'_>) -> anyhow::Result<()> {
    load.bodies.renew();
    let mut connection = Connection::new(&load.target);
    let mut ticks = tokio::time::interval(BACKGROUND);
    loop {
        ticks.tick().await;
        connection.send(load.bodies.next(1), false).await.context("scanning in the background")?;
    }
}
