//! Those who read while the system is struck: an analyst, whose traces are jobs that leave as files, and a listener to the
//! counts of the day.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use rand::{Rng, rngs::StdRng};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};
use schemas::access::Role;
use schemas::{PersonKey, UnixSeconds, VenueId};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::book;
use super::load::Load;
use super::stack::Stack;
use crate::gateway::{http_client, http_time};
use crate::oracle::Sighting;
use crate::releases::{Releases, Wanted};

/// People whom a release is about, and of whom each job traces some.
const RELEASED: u64 = 100;
/// Cases of a job.
const CASES: usize = 10;
const HOUR_S: i64 = 3600;
const PAUSE: Duration = Duration::from_millis(100);
/// How long a job may take, blows included.
const PATIENCE: Duration = Duration::from_secs(180);
/// How soon a system at rest serves another job.
const SERVED: Duration = Duration::from_secs(60);
/// How soon the listener has heard of what is stored.
const HEARD: Duration = Duration::from_secs(30);

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reads {
    /// Jobs that were done and fetched; nothing wrong with that.
    pub(super) jobs: u64,
    /// Whether a system at rest served none: 1 or 0. Without it a service that answers no job at all would pass.
    pub(super) stuck: u64,
    /// Jobs of which was said that they are lost with a restart of their service; nothing wrong with that.
    pub(super) told_lost: u64,
    /// Jobs that are gone without one.
    pub(super) vanished: u64,
    /// Files that ended as if they were whole, and are not.
    pub(super) short: u64,
    /// Rows of files that nobody sent, or that are there twice.
    pub(super) wrong_rows: u64,
    /// Counts that the listener heard; nothing wrong with that, but without any the next number says nothing.
    pub(super) heard: u64,
    /// Whether what it heard last is not what is stored: 1 or 0.
    pub(super) misheard: u64,
}

impl Reads {
    /// Without what is no fault.
    pub(super) fn faults(self) -> Self {
        Self { jobs: 0, told_lost: 0, heard: 0, ..self }
    }
}

/// The readers.
#[derive(Debug)]
pub(super) struct Readers {
    query: Url,
    http: Client,
    releases: Releases,
    load: Arc<Load>,
    /// How often the query API was started.
    starts: Arc<AtomicU64>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    reads: Reads,
    newest: Option<Live>,
}

/// What the listener hears.
#[derive(Debug, Clone, Deserialize)]
struct Live {
    since: DateTime<Utc>,
    counts: Option<LiveCounts>,
}

#[derive(Debug, Clone, Deserialize)]
struct LiveCounts {
    scans: u64,
}

/// A row of the table of visits.
#[derive(Debug, Deserialize)]
struct Row {
    person: PersonKey,
    venue: VenueId,
    scanned_at: DateTime<Utc>,
}

/// What became of a question to the query API.
enum Told {
    /// It was answered.
    Answer(Response),
    /// Not now, or the release does not hold any more.
    Later,
    /// What was asked for is gone, with the kind of the problem.
    Gone(String),
}

impl Readers {
    /// Nobody reads yet.
    pub(super) fn new(stack: &Stack, load: Arc<Load>) -> anyhow::Result<Arc<Self>> {
        let query = stack.query()?;
        let gateway = stack.gateways()?.remove(0);
        let releases = Releases::try_new(&gateway, &query, load.tokens.clone())?;
        let (http, starts, seen) = (http_client()?, stack.query_starts(), Mutex::default());
        Ok(Arc::new(Self { query, http, releases, load, starts, seen }))
    }

    /// Traces some people as a job, again and again. Ends with an error when an answer is none that the API documents.
    pub(super) async fn analyse(self: Arc<Self>, mut rng: StdRng) -> anyhow::Result<()> {
        loop {
            let now = Utc::now().timestamp();
            let persons: Vec<PersonKey> = (1..=RELEASED).map(book::key).collect();
            let time = (now - 24 * HOUR_S, now + 2 * HOUR_S);
            let release = self.release(&persons, time).await?;
            while Utc::now().timestamp() < now + HOUR_S {
                let cases: Vec<PersonKey> = rand::seq::index::sample(&mut rng, persons.len(), CASES)
                    .iter()
                    .map(|place| persons[place])
                    .collect();
                let question = json!({"persons": cases, "from": http_time(time.0), "to": http_time(time.1), "hops": 1,
                    "window_minutes": 30, "release": release});
                self.trace(&question).await?;
                sleep(PAUSE * rng.random_range(1..5)).await;
            }
        }
    }

    /// A release. Two accounts, a gateway, Kafka, the processor and ClickHouse are needed for it: it may take some attempts.
    async fn release(&self, persons: &[PersonKey], time: (UnixSeconds, UnixSeconds)) -> anyhow::Result<Uuid> {
        let started = Instant::now();
        loop {
            let error = match self.releases.obtain(Wanted { persons, venues: &[], time, hops: 1 }).await {
                Ok(release) => return Ok(release),
                Err(error) => error,
            };
            if started.elapsed() > PATIENCE {
                return Err(error.context("no release to trace by"));
            }
            sleep(PAUSE).await;
        }
    }

    /// One job, from its question to its file.
    async fn trace(&self, question: &Value) -> anyhow::Result<()> {
        let starts = self.starts.load(Ordering::Acquire);
        let request = self.http.post(self.query.join("v1/traces/jobs")?).json(question);
        let Told::Answer(answer) = self.ask(request).await? else { return Ok(()) };
        let path = answer.headers().get(header::LOCATION).and_then(|path| path.to_str().ok()).context("no Location")?;
        let path = self.query.join(path)?;
        let started = Instant::now();
        loop {
            ensure!(started.elapsed() < PATIENCE, "a job took more than {} s", PATIENCE.as_secs());
            sleep(PAUSE).await;
            let state = match self.ask(self.http.get(path.clone())).await? {
                Told::Gone(kind) => return self.gone(&kind, starts),
                Told::Later => continue,
                Told::Answer(answer) => answer.json::<Value>().await,
            };
            match state.as_ref().map(|job| job["state"].as_str().unwrap_or_default()) {
                Ok("done") => {}
                // ClickHouse was away.
                Ok("failed") => return Ok(()),
                Ok("waiting" | "running") | Err(_) => continue,
                Ok(other) => bail!("a job is {other}"),
            }
            let file = self.http.get(format!("{path}/result?format=ndjson&table=visits"));
            match self.ask(file).await? {
                Told::Gone(kind) => return self.gone(&kind, starts),
                Told::Later => {}
                Told::Answer(answer) => {
                    if self.read(answer).await? {
                        // An account has so many results at a time.
                        self.ask(self.http.delete(path)).await?;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether a file is there whole; one that breaks off is fetched again.
    async fn read(&self, answer: Response) -> anyhow::Result<bool> {
        let rows =
            answer.headers().get("x-row-count").and_then(|count| count.to_str().ok()).context("no x-row-count")?;
        let rows: usize = rows.parse()?;
        let Ok(text) = answer.text().await else { return Ok(false) };
        let sightings: Vec<Sighting> = text
            .lines()
            .map(|line| {
                let Row { person, venue, scanned_at } = serde_json::from_str(line).context("a row of a file")?;
                Ok(Sighting { person: book::number(person), venue, at: scanned_at.timestamp() })
            })
            .collect::<anyhow::Result<_>>()?;
        let sent: HashSet<Sighting> = self.load.book.entries().values().map(|entry| entry.sighting).collect();
        let right: HashSet<&Sighting> = sightings.iter().filter(|sighting| sent.contains(sighting)).collect();
        let mut seen = self.seen();
        seen.reads.jobs += 1;
        seen.reads.short += u64::from(sightings.len() != rows);
        seen.reads.wrong_rows += (sightings.len() - right.len()) as u64;
        Ok(true)
    }

    fn gone(&self, kind: &str, starts: u64) -> anyhow::Result<()> {
        let was_restarted = self.starts.load(Ordering::Acquire) != starts;
        let reads = &mut self.seen().reads;
        match kind {
            "job-lost" if was_restarted => reads.told_lost += 1,
            "job-lost" | "job-expired" | "unknown-job" => reads.vanished += 1,
            other => bail!("a job is gone: {other}"),
        }
        Ok(())
    }

    /// Listens to the counts of the city, and again whenever the stream has ended.
    pub(super) async fn listen(self: Arc<Self>) -> anyhow::Result<()> {
        let url = self.query.join("v1/footfall/live?scope=city")?;
        loop {
            let token = self.load.tokens.of(Role::Regulator)?;
            let answer = self.http.get(url.clone()).header(header::AUTHORIZATION, token).send().await;
            if let Ok(answer) = answer {
                let status = answer.status();
                ensure!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "live counts: {status}");
                if status.is_success() {
                    self.hear(answer).await?;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Server-sent events until the stream ends: each has a line for its data, and an empty line after it.
    async fn hear(&self, answer: Response) -> anyhow::Result<()> {
        let mut pieces = answer.bytes_stream();
        let mut text = String::new();
        while let Some(Ok(piece)) = pieces.next().await {
            text.push_str(std::str::from_utf8(&piece).context("an event")?);
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data.filter(|_| event.contains("event: counts")) {
                    let mut seen = self.seen();
                    seen.newest = Some(serde_json::from_str(data).context("live counts")?);
                    seen.reads.heard += 1;
                }
            }
        }
        Ok(())
    }

    /// What was read so far, held against what is stored, which does not change any more; and whether jobs go on.
    pub(super) async fn reads(&self, stack: &Stack) -> anyhow::Result<Reads> {
        let is_stuck = self.is_stuck().await;
        let mut reads = self.heard(stack).await?;
        reads.stuck = u64::from(is_stuck);
        Ok(reads)
    }

    async fn is_stuck(&self) -> bool {
        let (served, deadline) = (self.seen().reads.jobs, Instant::now() + SERVED);
        while self.seen().reads.jobs == served {
            if Instant::now() > deadline {
                return true;
            }
            sleep(PAUSE).await;
        }
        false
    }

    async fn heard(&self, stack: &Stack) -> anyhow::Result<Reads> {
        let deadline = Instant::now() + HEARD;
        loop {
            let (mut reads, newest) = {
                let seen = self.seen();
                (seen.reads, seen.newest.clone())
            };
            let since = newest.as_ref().map_or(0, |live| live.since.timestamp());
            let sql = format!("SELECT count() FROM scans_by_venue WHERE scanned_at >= {since} FORMAT TSV");
            let stored: u64 = stack.sql(&sql).await?.trim().parse()?;
            let heard = newest.and_then(|live| live.counts).map_or(0, |counts| counts.scans);
            if heard == stored || Instant::now() > deadline {
                reads.misheard = u64::from(heard != stored);
                return Ok(reads);
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks as the account that has the release. A break on the way is no answer, and neither is "not now".
    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Told> {
        let request = request.header(header::AUTHORIZATION, self.load.tokens.of(Role::Epidemiologist)?);
        let Ok(answer) = request.send().await else { return Ok(Told::Later) };
        let status = answer.status();
        if status.is_success() {
            return Ok(Told::Answer(answer));
        }
        let path = answer.url().path().to_owned();
        let Ok(text) = answer.text().await else { return Ok(Told::Later) };
        let problem: Problem = serde_json::from_str(&text).with_context(|| format!("{path}: {status}: {text}"))?;
        let kind = problem.kind.rsplit([':', '/']).next().unwrap_or_default().to_owned();
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Told::Gone(kind)),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Ok(Told::Later),
            _ => bail!("{path}: {status}: {text}"),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
