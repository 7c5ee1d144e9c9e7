//! The client of the query API: what is stored, who met whom, how many came.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use reqwest::{RequestBuilder, Response, Url, header};
use schemas::access::Role;
use schemas::{Colour, Method, PersonKey, UnixSeconds, VenueId, Verdict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service::Problem;
use uuid::Uuid;

use crate::gateway::{describe, http_time};
use crate::releases::{Releases, Wanted};
use crate::tokens::Tokens;

/// Most contacts that are asked for in one trace.
const TRACE_LIMIT: u32 = 100_000;

/// How to reach the query API.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Query API")]
pub struct QueryConfig {
    /// Address of the query API
    #[arg(long, env = "VENUECODE_QUERY", default_value = "http://127.0.0.1:8082", value_name = "URL")]
    pub query: Url,
}

/// What is stored in all.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Stats {
    /// Rows.
    pub scans: u64,
    /// Distinct people.
    pub persons: u64,
    /// Venues with a scan.
    pub venues_scanned: u64,
}

/// One of a person's scans.
#[derive(Debug, Clone, Deserialize)]
pub struct Visit {
    /// Where.
    pub venue: VenueId,
    /// Its name, unless the directory does not have it.
    pub venue_name: Option<String>,
    /// When.
    pub scanned_at: DateTime<Utc>,
    /// How.
    pub method: Method,
    /// What the person was told.
    pub verdict: Verdict,
    /// The colour in force.
    pub colour: Colour,
}

/// A person's scans.
#[derive(Debug, Clone, Deserialize)]
pub struct Visits {
    /// In the order of time.
    pub visits: Vec<Visit>,
}

/// The answer to a trace.
#[derive(Debug, Clone, Deserialize)]
pub struct Trace {
    /// Where the index person was.
    pub visits: Vec<Visit>,
    /// Who else was there, longest overlap first.
    pub contacts: Vec<Contact>,
    /// What several cases have in common.
    pub shared: Shared,
    /// Whether a limit cut something off.
    pub truncated: bool,
}

/// What several cases have in common.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Shared {
    /// People whom two or more of them reached.
    pub contacts: Vec<SharedContact>,
    /// Venues where two or more of them were.
    pub venues: Vec<SharedVenue>,
}

/// A person whom several cases reached.
#[derive(Debug, Clone, Deserialize)]
pub struct SharedContact {
    /// Who.
    pub person: PersonKey,
    /// Which cases.
    pub cases: Vec<usize>,
}

/// A venue where several cases were.
#[derive(Debug, Clone, Deserialize)]
pub struct SharedVenue {
    /// Number.
    pub venue: VenueId,
    /// Which cases.
    pub cases: Vec<usize>,
}

/// A person who was near the index person.
#[derive(Debug, Clone, Deserialize)]
pub struct Contact {
    /// Who.
    pub person: PersonKey,
    /// How far from a case.
    pub hop: u8,
    /// From 0 to 1.
    pub score: f64,
    /// Since when it may have infected others.
    pub exposed_at: DateTime<Utc>,
    /// Numbers of the cases that reached it.
    pub cases: Vec<usize>,
    /// Where and when.
    pub encounters: Vec<TracedEncounter>,
    /// Minutes together, over all encounters.
    pub overlap_minutes_total: f64,
}

/// Two stays at one venue that meet.
#[derive(Debug, Clone, Deserialize)]
pub struct TracedEncounter {
    /// Where.
    pub venue: VenueId,
    /// When the index person was scanned.
    pub index_at: DateTime<Utc>,
    /// When the contact was scanned.
    pub contact_at: DateTime<Utc>,
    /// How long both were there.
    pub overlap_minutes: f64,
    /// What gave the contact's stay its length.
    pub rule: String,
    /// Whom the contact met, unless the case is a venue.
    pub source: Option<PersonKey>,
}

/// Footfall of a venue, by steps of time; only steps with scans.
#[derive(Debug, Clone, Deserialize)]
pub struct FootfallAnswer {
    /// In the order of time.
    pub buckets: Vec<Bucket>,
}

/// Footfall in one step.
#[derive(Debug, Clone, Deserialize)]
pub struct Bucket {
    /// Start of the step.
    pub start: DateTime<Utc>,
    /// Scans.
    pub scans: u64,
    /// Distinct people.
    pub persons: u64,
}

/// A request for a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TraceRequest {
    /// Index cases.
    pub persons: Vec<PersonKey>,
    /// First second.
    pub from: DateTime<Utc>,
    /// First second after.
    pub to: DateTime<Utc>,
    /// `window` or `dwell`.
    pub rule: &'static str,
    /// With `window`, how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
    /// How far.
    pub hops: u8,
    /// Most contacts.
    pub limit: u32,
    /// The release by which it is asked.
    pub release: Uuid,
}

impl TraceRequest {
    /// One hop from one person, by a window.
    pub fn window(
        release: Uuid,
        person: PersonKey,
        (from, to): (UnixSeconds, UnixSeconds),
        window_minutes: u32,
    ) -> Self {
        let (from, to) = (http_time(from), http_time(to));
        let (persons, window_minutes) = (vec![person], Some(window_minutes));
        Self { persons, from, to, rule: "window", window_minutes, hops: 1, limit: TRACE_LIMIT, release }
    }

    /// The same by the dwell rule.
    pub fn dwell(release: Uuid, person: PersonKey, time: (UnixSeconds, UnixSeconds)) -> Self {
        Self { rule: "dwell", window_minutes: None, ..Self::window(release, person, time, 0) }
    }
}

/// A client of the query API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryApi {
    http: reqwest::Client,
    base: Url,
    tokens: Tokens,
    releases: Releases,
}

impl QueryApi {
    /// A client, which asks for releases at a gateway; nothing is sent yet.
    ///
    /// # Errors
    /// When an address cannot be the start of one.
    pub fn try_new(config: &QueryConfig, gateway: &Url, tokens: Tokens) -> anyhow::Result<Self> {
        let releases = Releases::try_new(gateway, &config.query, tokens.clone())?;
        let base = crate::gateway::base_url(&config.query)?;
        Ok(Self { http: crate::gateway::http_client()?, base, tokens, releases })
    }

    /// A release for the movements of these persons, up to 500, from a time, included, to another, not included, and so many
    /// hops of contacts.
    ///
    /// # Errors
    /// When a service refuses or cannot be reached, or the release does not come.
    pub async fn release(
        &self,
        persons: &[PersonKey],
        time: (UnixSeconds, UnixSeconds),
        hops: u8,
    ) -> anyhow::Result<Uuid> {
        self.releases.obtain(Wanted { persons, venues: &[], time, hops }).await.context("cannot get a release")
    }

    /// Waits until the API says that it is ready.
    ///
    /// # Errors
    /// When it does not within the time.
    pub async fn wait_ready(&self, patience: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let answer = self.http.get(self.url("readyz")).send().await;
            match answer.and_then(Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(error) if tokio::time::Instant::now() >= deadline => {
                    bail!("the query API at {} is not ready: {}", self.base, crate::gateway::root_cause(&error))
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// What is stored in all.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses.
    pub async fn stats(&self) -> anyhow::Result<Stats> {
        self.send(Role::Regulator, self.http.get(self.url("v1/stats"))).await
    }

    /// A person's scans from a time, included, to another, not included.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses.
    pub async fn visits(
        &self,
        release: Uuid,
        person: PersonKey,
        (from, to): (UnixSeconds, UnixSeconds),
    ) -> anyhow::Result<Visits> {
        let request = self.http.get(self.url(&format!("v1/persons/{person}/visits")));
        let request = request.query(&[("from", http_time(from)), ("to", http_time(to))]);
        self.send(Role::Epidemiologist, request.query(&[("release", release)])).await
    }

    /// Who was near a person.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses.
    pub async fn trace(
        &self,
        release: Uuid,
        person: PersonKey,
        time: (UnixSeconds, UnixSeconds),
        window_minutes: u32,
    ) -> anyhow::Result<Trace> {
        self.ask_trace(&TraceRequest::window(release, person, time, window_minutes)).await
    }

    /// Who was near some people, and whom these met.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses.
    pub async fn ask_trace(&self, request: &TraceRequest) -> anyhow::Result<Trace> {
        self.send(Role::Epidemiologist, self.http.post(self.url("v1/traces")).json(request)).await
    }

    /// How many came to a venue; `step` is `hour` or `day`.
    ///
    /// # Errors
    /// When the API cannot be reached or refuses.
    pub async fn footfall(
        &self,
        venue: VenueId,
        from: UnixSeconds,
        to: UnixSeconds,
        step: &str,
    ) -> anyhow::Result<FootfallAnswer> {
        let time = |at| http_time(at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let (id, from, to) = (venue.to_string(), time(from), time(to));
        let query = [("scope", "venue"), ("id", &id), ("from", &from), ("to", &to), ("step", step)];
        // Dashboards see rounded counts.
        self.send(Role::Regulator, self.http.get(self.url("v1/footfall")).query(&query)).await
    }

    async fn send<A: DeserializeOwned>(&self, role: Role, request: RequestBuilder) -> anyhow::Result<A> {
        let request = request.header(header::AUTHORIZATION, self.tokens.of(role)?);
        let response = request.send().await.with_context(|| format!("cannot reach the query API at {}", self.base))?;
        let (status, path) = (response.status(), response.url().path().to_owned());
        let body = response.bytes().await.with_context(|| format!("the answer to {path} ended early"))?;
        if !status.is_success() {
            let reason = serde_json::from_slice::<Problem>(&body).map_or_else(|_| status.to_string(), |p| describe(&p));
            bail!("the query API refused {path} with status {}: {reason}", status.as_u16());
        }
        serde_json::from_slice(&body).with_context(|| format!("the answer to {path} is not as the contract says"))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
