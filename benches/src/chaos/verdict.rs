//! Holds what is stored against what was accepted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use anyhow::Context;
use reqwest::Url;
use schemas::access::Role;
use schemas::{Colour, UnixSeconds};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::book::{self, Entry};
use super::load::Load;
use super::lorries::TripFaults;
use super::paperwork::ApplicationFaults;
use super::readers::{Readers, Reads};
use super::stack::Stack;
use crate::oracle::Sighting;
use crate::tokens::Tokens;

const HOUR_S: i64 = 3600;
/// So long what is polled may be behind what is stored: ClickHouse is looked at every five seconds for late scans, and with
/// longer breaks where that takes long. Who asked at the last comparison polls.
const BEHIND: Duration = Duration::from_secs(30);

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    /// Scans with a receipt.
    pub(super) accepted: u64,
    /// Of these, rows that are missing, over all tables.
    pub(super) lost: u64,
    /// Rows that are there too often, or that nobody sent, over all tables.
    pub(super) doubled: u64,
    /// Abnormal scans without an alert.
    pub(super) alerts_lost: u64,
    /// Alerts that were raised more than once, or of no abnormal scan.
    pub(super) alerts_doubled: u64,
    /// Counts that are not what the rows say, and rows that do not have the colour in force.
    pub(super) wrong_aggregates: u64,
    /// What is wrong with the trips of lorries.
    pub(super) trips: TripFaults,
    /// What is wrong with the applications for venue codes.
    pub(super) applications: ApplicationFaults,
    /// What was read meanwhile.
    pub(super) reads: Reads,
}

impl Verdict {
    pub(super) fn is_clean(&self) -> bool {
        let trips = TripFaults { kept: self.trips.kept, ..TripFaults::default() };
        let ApplicationFaults { kept, over_quota, .. } = self.applications;
        let applications = ApplicationFaults { kept, over_quota, ..ApplicationFaults::default() };
        self.reads.faults() == Reads::default()
            && *self == Self { accepted: self.accepted, trips, applications, reads: self.reads, ..Self::default() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, lost, doubled, alerts_lost, alerts_doubled, wrong_aggregates, trips, applications, reads } =
            self;
        let TripFaults { kept: kept_trips, lost: trips_lost, closed_twice } = trips;
        let ApplicationFaults { kept, lost: applications_lost, decided_twice, over_quota, quota_exceeded } =
            applications;
        let Reads { jobs, stuck, told_lost, vanished, short, wrong_rows, heard, misheard } = reads;
        write!(
            f,
            "accepted={accepted} lost={lost} doubled={doubled} alerts_lost={alerts_lost} \
             alerts_doubled={alerts_doubled} wrong_aggregates={wrong_aggregates} trips={kept_trips} \
             trips_lost={trips_lost} trips_closed_twice={closed_twice} applications={kept} \
             applications_lost={applications_lost} applications_decided_twice={decided_twice} \
             over_quota={over_quota} quota_exceeded={quota_exceeded} jobs={jobs} jobs_stuck={stuck} \
             jobs_told_lost={told_lost} jobs_vanished={vanished} files_short={short} file_rows_wrong={wrong_rows} \
             counts_heard={heard} counts_misheard={misheard}"
        )
    }
}

/// Scans of an hour by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
struct Colours {
    green: u64,
    yellow: u64,
    red: u64,
    unknown: u64,
}

#[derive(Debug, Deserialize)]
struct Footfall {
    buckets: Vec<Bucket>,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    start: chrono::DateTime<chrono::Utc>,
    scans: u64,
    persons: Option<u64>,
    colours: Colours,
}

/// One hour of one scope as it must be.
#[derive(Debug, Default)]
struct Expected {
    scans: u64,
    persons: HashSet<u64>,
    colours: Colours,
}

/// How many accepted scans and alerts about them, trips and applications are not stored yet.
pub(super) async fn outstanding(stack: &Stack, load: &Load, entries: &HashMap<Uuid, Entry>) -> anyhow::Result<usize> {
    let (stored, raised) = (stored_ids(stack).await?, raised_alerts(stack).await?);
    let is_raised = |id: Uuid, entry: &Entry| book::alerts(id, entry).all(|alert| raised.contains_key(&alert));
    let is_there = |id: &Uuid, entry: &Entry| stored.contains_key(id) && is_raised(*id, entry);
    let scans = entries.iter().filter(|(id, entry)| entry.accepted && !is_there(id, entry)).count();
    let others = load.trips.outstanding(stack).await? + load.applications.outstanding(stack).await?;
    Ok(scans + usize::try_from(others)?)
}

/// Compares every table and every aggregate.
pub(super) async fn reach(
    stack: &Stack,
    load: &Load,
    readers: &Readers,
    entries: &HashMap<Uuid, Entry>,
) -> anyhow::Result<Verdict> {
    let mut verdict =
        Verdict { accepted: entries.values().filter(|e| e.accepted).count() as u64, ..Verdict::default() };
    let stored = stored_ids(stack).await?;
    verdict.lost += entries.iter().filter(|(id, entry)| entry.accepted && !stored.contains_key(*id)).count() as u64;
    verdict.doubled += stored.iter().map(|(id, count)| count - u64::from(entries.contains_key(id))).sum::<u64>();

    // A scan of which nobody knows whether it was accepted may be stored, but then everywhere.
    let kept: HashSet<Sighting> =
        entries.iter().filter(|(id, e)| e.accepted || stored.contains_key(*id)).map(|(_, e)| e.sighting).collect();
    for table in ["scans_by_venue", "scans_by_person"] {
        let rows = rows(stack, table).await?;
        verdict.lost += kept.iter().filter(|sighting| !rows.contains_key(*sighting)).count() as u64;
        for (sighting, (count, colour)) in &rows {
            verdict.doubled += count - u64::from(kept.contains(sighting));
            verdict.wrong_aggregates += u64::from(colour != book::colour(sighting.person).as_str());
        }
    }
    let kept_ids = entries.iter().filter(|(id, e)| e.accepted || stored.contains_key(*id));
    let expected: HashSet<Uuid> = kept_ids.flat_map(|(id, entry)| book::alerts(*id, entry)).collect();
    let raised = raised_alerts(stack).await?;
    verdict.alerts_lost += expected.iter().filter(|alert| !raised.contains_key(*alert)).count() as u64;
    verdict.alerts_doubled +=
        raised.iter().map(|(alert, count)| count - u64::from(expected.contains(alert))).sum::<u64>();
    verdict.trips = load.trips.faults(stack).await?;
    verdict.applications = load.applications.faults(stack).await?;
    verdict.reads = readers.reads(stack).await?;
    verdict.wrong_aggregates += lasting_wrong_footfall(stack, &kept).await?;
    Ok(verdict)
}

/// How often each identity is stored.
async fn stored_ids(stack: &Stack) -> anyhow::Result<HashMap<Uuid, u64>> {
    counts(stack, "SELECT event_id, count() FROM scan_ids GROUP BY event_id FORMAT TSV").await
}

/// How often each alert was raised. A record that was written again is one row of the table, a second record is another.
async fn raised_alerts(stack: &Stack) -> anyhow::Result<HashMap<Uuid, u64>> {
    let raised = "SELECT alert_id, count() FROM alerts FINAL WHERE action = 'raised' GROUP BY alert_id FORMAT TSV";
    counts(stack, raised).await
}

async fn counts(stack: &Stack, sql: &str) -> anyhow::Result<HashMap<Uuid, u64>> {
    let text = stack.sql(sql).await?;
    text.lines()
        .map(|line| {
            let (id, count) = line.split_once('\t').context("two columns")?;
            Ok((id.parse()?, count.parse()?))
        })
        .collect()
}

/// How often each sighting is stored, and with which colour.
async fn rows(stack: &Stack, table: &str) -> anyhow::Result<HashMap<Sighting, (u64, String)>> {
    let sql = format!(
        "SELECT bitAnd(person_id, 0xfffffffffffffff), venue_id, toUnixTimestamp(scanned_at), count(), any(colour) \
         FROM {table} GROUP BY 1, 2, 3 FORMAT TSV"
    );
    let text = stack.sql(&sql).await?;
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let &[person, venue, at, count, colour] = fields.as_slice() else { anyhow::bail!("not five columns") };
            let sighting = Sighting { person: person.parse()?, venue: venue.parse()?, at: at.parse()? };
            Ok((sighting, (count.parse()?, colour.to_owned())))
        })
        .collect()
}

/// What is wrong with the footfall once it may not be behind any more.
async fn lasting_wrong_footfall(stack: &Stack, kept: &HashSet<Sighting>) -> anyhow::Result<u64> {
    let (query, tokens, deadline) = (stack.query()?, stack.tokens()?, Instant::now() + BEHIND);
    loop {
        let wrong = wrong_footfall(&query, &tokens, kept).await?;
        if wrong == 0 || Instant::now() > deadline {
            return Ok(wrong);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// How many hours of the city, its districts, categories and venues are not what they must be, asked with people, which
/// counts the scans, and without, which counts kept hours, or kept minutes where the time begins at another one.
async fn wrong_footfall(query: &Url, tokens: &Tokens, kept: &HashSet<Sighting>) -> anyhow::Result<u64> {
    let Some(first) = kept.iter().map(|sighting| sighting.at).min() else { return Ok(0) };
    let last = kept.iter().map(|sighting| sighting.at).max().unwrap_or(first);
    let mut expected: BTreeMap<(&str, String), BTreeMap<UnixSeconds, Expected>> = BTreeMap::new();
    for Sighting { person, venue, at } in kept {
        let (district, category) = book::place(*venue);
        let scopes = [
            ("city", String::new()),
            ("district", district.to_string()),
            ("category", category.to_owned()),
            ("venue", venue.to_string()),
        ];
        for scope in scopes {
            let hour = expected.entry(scope).or_default().entry(at.div_euclid(HOUR_S) * HOUR_S).or_default();
            hour.scans += 1;
            hour.persons.insert(*person);
            match book::colour(*person) {
                Colour::Green => hour.colours.green += 1,
                Colour::Yellow => hour.colours.yellow += 1,
                Colour::Red => hour.colours.red += 1,
                Colour::Unknown => hour.colours.unknown += 1,
            }
        }
    }
    let time = |at: i64| crate::gateway::http_time(at.div_euclid(HOUR_S) * HOUR_S).to_rfc3339();
    let (from, to) = (time(first), time(last + HOUR_S));
    let minute_before = crate::gateway::http_time(first.div_euclid(HOUR_S) * HOUR_S - 60).to_rfc3339();
    let http = crate::gateway::http_client()?;
    let mut wrong = 0;
    for ((scope, id), hours) in &expected {
        for (people, from) in [("true", &from), ("false", &from), ("false", &minute_before)] {
            let mut parameters =
                vec![("scope", *scope), ("from", from), ("to", &to), ("step", "hour"), ("people", people)];
            if !id.is_empty() {
                parameters.push(("id", id));
            }
            let request = http.get(query.join("v1/footfall")?).query(&parameters);
            let request = request.header("authorization", tokens.of(Role::Regulator)?);
            let footfall: Footfall = request.send().await?.error_for_status()?.json().await?;
            wrong += differences(&footfall, hours);
        }
    }
    Ok(wrong)
}

fn differences(footfall: &Footfall, hours: &BTreeMap<UnixSeconds, Expected>) -> u64 {
    let counted: BTreeMap<UnixSeconds, &Bucket> = footfall.buckets.iter().map(|b| (b.start.timestamp(), b)).collect();
    let starts: HashSet<UnixSeconds> = counted.keys().chain(hours.keys()).copied().collect();
    let is_right = |start: &UnixSeconds| match (counted.get(start), hours.get(start)) {
        (Some(bucket), Some(hour)) => {
            bucket.scans == hour.scans
                && bucket.colours == hour.colours
                && bucket.persons.is_none_or(|persons| persons == hour.persons.len() as u64)
        }
        _ => false,
    };
    starts.iter().filter(|start| !is_right(start)).count() as u64
}
