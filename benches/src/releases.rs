//! Gets releases as anyone does: one account asks at the gateway, another one releases, and the query API says when it is
//! in force.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Url, header};
use schemas::access::Role;
use schemas::{PersonKey, UnixSeconds, VenueId};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::gateway::{base_url, http_client, http_time};
use crate::tokens::{HOLDER, Tokens};

/// The account that releases.
const RELEASER: &str = "venuecode-cli-supervisor";
/// The office that asks: the city's, since the venues of simulated cities lie in all of its districts.
const OFFICE: u32 = 310_000;
/// How soon a release is in force.
const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Most persons in one release.
pub const MOST: usize = schemas::events::MAX_SUBJECTS;

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose movements.
    pub persons: &'a [PersonKey],
    /// Whose visitors.
    pub venues: &'a [VenueId],
    /// First second, and first second after it.
    pub time: (UnixSeconds, UnixSeconds),
    /// How many hops of contacts.
    pub hops: u8,
}

impl Wanted<'_> {
    /// The body that asks for it.
    pub fn body(&self) -> Value {
        json!({"district": OFFICE, "case": "SIMULATED", "case_kind": "confirmed", "evidence": "SIMULATED",
            "purpose": "contact_tracing", "persons": self.persons, "venues": self.venues, "from": http_time(self.time.0),
            "to": http_time(self.time.1), "hops": self.hops, "window_minutes": 24 * 60})
    }
}

/// Gets releases. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Releases {
    http: reqwest::Client,
    gateway: Url,
    query: Url,
    tokens: Tokens,
}

impl Releases {
    /// Of a gateway and a query API; nothing is sent yet.
    ///
    /// # Errors
    /// When an address cannot be the start of one.
    pub fn try_new(gateway: &Url, query: &Url, tokens: Tokens) -> anyhow::Result<Self> {
        Ok(Self { http: http_client()?, gateway: base_url(gateway)?, query: base_url(query)?, tokens })
    }

    /// Asks and releases, and waits until the release is in force.
    ///
    /// # Errors
    /// When a service refuses or cannot be reached, or the release does not come.
    pub async fn obtain(&self, wanted: Wanted<'_>) -> anyhow::Result<Uuid> {
        let asked = self.post((Role::Epidemiologist, HOLDER), "v1/releases", &wanted.body()).await?;
        let release: Uuid = asked["command"].as_str().context("no release")?.parse()?;
        let path = format!("v1/releases/{release}/decision");
        self.post((Role::Supervisor, RELEASER), &path, &json!({"outcome": "release"})).await?;
        let deadline = Instant::now() + SOON;
        loop {
            let request = self.http.get(format!("{}v1/releases/{release}", self.query));
            let request = request.header(header::AUTHORIZATION, self.tokens.of(Role::Epidemiologist)?);
            let answer: Value = request.send().await?.json().await?;
            if answer["in_force"] == true {
                return Ok(release);
            }
            ensure!(Instant::now() < deadline, "nothing was released within {} s: {answer}", SOON.as_secs());
            tokio::time::sleep(POLL).await;
        }
    }

    async fn post(&self, (role, account): (Role, &str), path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.gateway)).json(body);
        let request = request.header(header::AUTHORIZATION, self.tokens.of_holder(role, account)?);
        let answer = request.send().await.with_context(|| format!("cannot reach the gateway at {}", self.gateway))?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the gateway refused {path}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
