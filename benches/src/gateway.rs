//! The gateway's client: sends batches over a few connections, waits when the gateway is full, and sends again only
//! what was not taken.
//!
//! A scan keeps its identity when it is sent again, so an answer that was lost on the way does no harm.

mod batch;
mod lines;

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode, Url, header};
use schemas::access::Role;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::Problem;

use crate::tokens::{TokenConfig, Tokens};
pub use batch::{Batch, MAX_LINES};
pub use lines::{
    AnsweredTest, AnsweredVenue, BatchAnswer, DocumentLine, HealthLine, LineOutcome, ScanAnswer, ScanLine, Sentence,
    TestLine, VenueLine, http_time,
};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How to reach the gateway, and how hard to try.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewayConfig {
    /// Address of the gateway
    #[arg(long, env = "VENUECODE_GATEWAY", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub gateway: Url,
    /// Batches under way at once
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub connections: u16,
    /// Seconds to keep trying while the gateway takes nothing
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub patience: u64,
    /// How it lets requests in.
    #[command(flatten)]
    pub tokens: TokenConfig,
}

/// What a batch consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Scans.
    Scans,
    /// Health-code changes.
    HealthCodes,
    /// Test results.
    Tests,
    /// Venues of the directory.
    Venues,
}

impl Feed {
    const fn path(self) -> &'static str {
        match self {
            Self::Scans => "v1/scans:batch",
            Self::HealthCodes => "v1/health-codes:batch",
            Self::Tests => "v1/tests:batch",
            Self::Venues => "v1/venues:batch",
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Scans => Role::Device,
            Self::HealthCodes | Self::Tests => Role::Feed,
            Self::Venues => Role::Admin,
        }
    }
}

/// Why the gateway did not take something.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// It cannot take anything now: sending the same again later is right.
    #[error("the gateway at {url} has taken nothing for {waited_s} s: {reason}")]
    Unavailable {
        /// Where.
        url: String,
        /// For how long it was tried.
        waited_s: u64,
        /// What it said last.
        reason: String,
    },
    /// It refused the request as a whole: sending it again would not help.
    #[error("the gateway refused the request with status {}: {}", .0.status, describe(.0))]
    Refused(Box<Problem>),
    /// It keeps the batch until another account releases it.
    #[error(
        "the gateway takes this for a bulk change of health codes, which waits for a second account: start it with \
         --automatic-feeds {}",
        crate::tokens::HOLDER
    )]
    WaitsForRelease,
    /// There is no token to send.
    #[error("{0:#}")]
    NoToken(anyhow::Error),
    /// It answered something else than the contract says.
    #[error("what {url} answered is not an answer of the gateway: {reason}")]
    Unreadable {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A problem in one line: what is wrong, with the field.
pub fn describe(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or(&problem.title);
    match &problem.field {
        Some(field) => format!("{field}: {detail}"),
        None => detail.to_owned(),
    }
}

/// A client of the gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    http: reqwest::Client,
    base: Url,
    connections: usize,
    patience: Duration,
    tokens: Tokens,
}

/// One attempt that did not succeed.
enum Failure {
    /// Worth another try, after that long if it was said.
    Again(String, Option<Duration>),
    Final(GatewayError),
}

impl Gateway {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// When the address cannot be the start of one, or the key for tokens cannot be used.
    pub fn try_new(config: &GatewayConfig) -> anyhow::Result<Self> {
        Ok(Self {
            http: http_client()?,
            base: base_url(&config.gateway)?,
            connections: usize::from(config.connections),
            patience: Duration::from_secs(config.patience),
            tokens: Tokens::try_new(&config.tokens)?,
        })
    }

    /// The tokens that it sends.
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Waits until the gateway says that it is ready.
    ///
    /// # Errors
    /// When it does not within the configured patience.
    pub async fn wait_ready(&self) -> Result<(), GatewayError> {
        let mut patience = Patience::new(self.patience);
        loop {
            let answer = self.http.get(self.url("readyz")).send().await;
            let reason = match answer.and_then(Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(error) => root_cause(&error),
            };
            self.wait(&mut patience, None, reason).await?;
        }
    }

    /// Sends one scan and returns what the person would see.
    ///
    /// # Errors
    /// When the gateway refuses it, or cannot be reached for longer than the configured patience.
    pub async fn scan(&self, scan: &ScanLine<'_>) -> Result<ScanAnswer, GatewayError> {
        let mut patience = Patience::new(self.patience);
        loop {
            let request = self.post("v1/scans", Role::Device)?.json(scan);
            match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(reason, after)) => self.wait(&mut patience, after, reason).await?,
            }
        }
    }

    /// Sends a batch until every line has an outcome: taken, or refused for good. Outcomes are in the order of the
    /// lines.
    ///
    /// # Errors
    /// When the gateway takes nothing for longer than the configured patience, or refuses the batch as a whole.
    pub async fn push<T>(&self, feed: Feed, batch: &Batch<T>) -> Result<Vec<LineOutcome>, GatewayError> {
        let mut outcomes: Vec<Option<LineOutcome>> = vec![None; batch.len()];
        let mut open: Vec<usize> = (0..batch.len()).collect();
        let mut patience = Patience::new(self.patience);
        while !open.is_empty() {
            let request = self.post(feed.path(), feed.role())?.header(header::CONTENT_TYPE, "application/x-ndjson");
            let (reason, after) = match self.attempt::<BatchAnswer>(request.body(batch.select(&open))).await {
                Ok(answer) => {
                    let before = open.len();
                    let busy = self.settle(answer, &mut open, &mut outcomes)?;
                    if open.len() < before {
                        patience.renew();
                    }
                    busy
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(reason, after)) => (reason, after),
            };
            if !open.is_empty() {
                self.wait(&mut patience, after, reason).await?;
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Sends batches, several at once, and returns each with its outcomes in the order in which they came.
    pub fn feed<'a, T: 'a>(
        &'a self,
        feed: Feed,
        batches: impl Stream<Item = Batch<T>> + 'a,
    ) -> impl Stream<Item = Result<(Batch<T>, Vec<LineOutcome>), GatewayError>> + 'a {
        let send = move |batch: Batch<T>| async move {
            let outcomes = self.push(feed, &batch).await?;
            Ok((batch, outcomes))
        };
        batches.map(send).buffered(self.connections)
    }

    /// Files the outcomes of the open lines and keeps those open that are worth another try.
    fn settle(
        &self,
        answer: BatchAnswer,
        open: &mut Vec<usize>,
        outcomes: &mut [Option<LineOutcome>],
    ) -> Result<(String, Option<Duration>), GatewayError> {
        let mut still_open = Vec::new();
        let mut busy = (String::new(), None);
        if answer.lines.len() != open.len() {
            let reason = format!("{} outcomes for {} lines", answer.lines.len(), open.len());
            return Err(GatewayError::Unreadable { url: self.base.to_string(), reason });
        }
        for (index, mut outcome) in open.iter().zip(answer.lines) {
            match outcome.problem.as_ref().filter(|p| is_temporary(p.status)) {
                Some(problem) => {
                    busy = (describe(problem), problem.retry_after_s.map(Duration::from_secs));
                    still_open.push(*index);
                }
                None => {
                    outcome.line = index + 1;
                    outcomes[*index] = Some(outcome);
                }
            }
        }
        *open = still_open;
        Ok(busy)
    }

    async fn attempt<A: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<A, Failure> {
        let response = request.send().await.map_err(|error| Failure::Again(root_cause(&error), None))?;
        let status = response.status();
        let after = retry_after(&response);
        let body = response.bytes().await.map_err(|error| Failure::Again(root_cause(&error), None))?;
        if status == StatusCode::ACCEPTED {
            return Err(Failure::Final(GatewayError::WaitsForRelease));
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                let reason = error.to_string();
                Failure::Final(GatewayError::Unreadable { url: self.base.to_string(), reason })
            });
        }
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| unnamed(status));
        if is_temporary(status.as_u16()) {
            let after = after.or(problem.retry_after_s.map(Duration::from_secs));
            Err(Failure::Again(describe(&problem), after))
        } else {
            Err(Failure::Final(GatewayError::Refused(Box::new(problem))))
        }
    }

    async fn wait(&self, patience: &mut Patience, after: Option<Duration>, reason: String) -> Result<(), GatewayError> {
        match patience.next(after) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => {
                let waited_s = patience.since.elapsed().as_secs();
                return Err(GatewayError::Unavailable { url: self.base.to_string(), waited_s, reason });
            }
        }
        Ok(())
    }

    fn post(&self, path: &str, role: Role) -> Result<reqwest::RequestBuilder, GatewayError> {
        let token = self.tokens.of(role).map_err(GatewayError::NoToken)?;
        Ok(self.http.post(self.url(path)).header(header::AUTHORIZATION, token))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// An HTTP client as all parts of this crate use it.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(120));
    builder.build().context("cannot set up the HTTP client")
}

/// The address with a slash at its end.
pub(crate) fn base_url(url: &Url) -> anyhow::Result<Url> {
    let text = url.as_str();
    let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    anyhow::ensure!(url.scheme() == "http", "{url} cannot be reached: expected an address that starts with http://");
    Url::parse(&text).with_context(|| format!("{url} is not an address"))
}

/// The innermost cause, which names what went wrong; the outer ones repeat the address.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

const fn is_temporary(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn unnamed(status: StatusCode) -> Problem {
    Problem::new(status, &status.canonical_reason().unwrap_or("unknown").to_lowercase().replace(' ', "-"))
}

fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// How long to wait before the next try, and when to give up.
struct Patience {
    limit: Duration,
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, since: Instant::now(), pause: FIRST_WAIT }
    }

    /// Something was taken: the limit counts from now.
    fn renew(&mut self) {
        *self = Self::new(self.limit);
    }

    /// The pause that was asked for, or twice the last one; `None` when it would go beyond the limit.
    fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let pause = asked.unwrap_or(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_WAIT);
        (self.since.elapsed() + pause <= self.limit).then_some(pause)
    }
}

/// Collects lines into batches of a size.
///
/// # Errors
/// When a value does not serialise.
pub fn batches<T, L: Serialize>(
    lines: impl IntoIterator<Item = (L, T)>,
    size: usize,
) -> serde_json::Result<Vec<Batch<T>>> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for (line, tag) in lines {
        batch.push(&line, tag)?;
        if batch.len() >= size.clamp(1, MAX_LINES) {
            batches.push(std::mem::take(&mut batch));
        }
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests;
