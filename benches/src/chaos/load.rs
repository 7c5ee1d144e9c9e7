//! The steady load: clients that send scans, one by one and in batches, until each is taken; and others that drive lorries
//! and apply for venue codes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::header::{self, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use schemas::access::Role;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep};

use super::book::{Book, Scan};
use super::lorries::{self, Trips};
use super::paperwork::{self, Applications};
use crate::gateway::{BatchAnswer, ScanAnswer};
use crate::tokens::Tokens;

/// Clients that send scans one by one; as many send batches.
const CLIENTS: u32 = 4;
const PER_BATCH: usize = 20;
/// One scan in so many is sent once more after it was taken, as clients do whose answer got lost.
const SENT_AGAIN: u32 = 10;
/// A gateway that does not answer for so long is left for the other one.
const TIMEOUT: Duration = Duration::from_secs(12);
/// How long a scan may be refused by all gateways.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// Clients with another errand than scans.
const ERRANDS: usize = 2;

/// What a client does again and again.
#[derive(Debug, Clone, Copy)]
enum Errand {
    /// Sends so many scans.
    Scans(usize),
    /// Drives a lorry.
    Lorry,
    /// Applies for a venue code.
    Application,
}

/// What the clients share.
#[derive(Debug)]
pub(super) struct Load {
    gateways: Vec<Url>,
    http: Client,
    pub(super) tokens: Tokens,
    pub(super) book: Book,
    pub(super) trips: Trips,
    pub(super) applications: Applications,
    /// Requests that were not answered with 2xx, and are sent again.
    pub(super) refused: AtomicU64,
    /// Whether the clients send; they stop between two scans.
    sending: watch::Sender<bool>,
}

impl Load {
    /// Nothing is sent until [`Self::resume`].
    pub(super) fn new(gateways: Vec<Url>, tokens: Tokens) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).build().context("no HTTP client")?;
        let (sending, _) = watch::channel(false);
        let (book, trips, applications) = Default::default();
        Ok(Self { gateways, http, tokens, book, trips, applications, refused: AtomicU64::new(0), sending })
    }

    /// The clients: each ends with an error when a promise is broken. Together they send `rate` scans a second, and lorries
    /// and applications besides.
    pub(super) fn clients(self: &Arc<Self>, seed: u64, rate: u32) -> tokio::task::JoinSet<anyhow::Result<()>> {
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..2 * CLIENTS {
            let rng = rng_of(seed, number);
            // Half of the scans come in batches.
            let scans = if number < CLIENTS { 1 } else { PER_BATCH };
            let period = Duration::from_secs_f64(f64::from(2 * CLIENTS) * scans as f64 / f64::from(rate));
            clients.spawn(Arc::clone(self).send_for_ever(rng, Errand::Scans(scans), period));
        }
        for (number, errand, period) in
            [(2 * CLIENTS, Errand::Lorry, lorries::EVERY), (2 * CLIENTS + 1, Errand::Application, paperwork::EVERY)]
        {
            clients.spawn(Arc::clone(self).send_for_ever(rng_of(seed, number), errand, period));
        }
        clients
    }

    /// Lets the clients send.
    pub(super) fn resume(&self) {
        self.sending.send_replace(true);
    }

    /// Lets every client finish what it sends, and none begin anew.
    pub(super) async fn pause(&self) {
        self.sending.send_replace(false);
        // A client that is sending holds a receiver of its own.
        while self.sending.receiver_count() > 2 * CLIENTS as usize + ERRANDS {
            sleep(PAUSE).await;
        }
    }

    async fn send_for_ever(self: Arc<Self>, mut rng: StdRng, errand: Errand, period: Duration) -> anyhow::Result<()> {
        let mut allowed = self.sending.subscribe();
        let mut clock = interval(period);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while allowed.wait_for(|sending| *sending).await.is_ok() {
            clock.tick().await;
            let _busy = self.sending.subscribe();
            if !*self.sending.borrow() {
                continue;
            }
            match errand {
                Errand::Scans(scans) => {
                    let scans: Vec<Scan> = (0..scans).map(|_| self.book.invent(&mut rng)).collect();
                    self.insist(&mut rng, &scans).await?;
                    if rng.random_ratio(1, SENT_AGAIN) {
                        self.insist(&mut rng, &scans).await?;
                    }
                }
                Errand::Lorry => self.drive(&mut rng).await?,
                Errand::Application => self.apply(&mut rng).await?,
            }
        }
        Ok(())
    }

    /// Sends a command to any gateway until it is taken, and returns the answer.
    pub(super) async fn insist_on(
        &self,
        rng: &mut StdRng,
        path: &str,
        token: &HeaderValue,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let gateway = &self.gateways[rng.random_range(0..self.gateways.len())];
            let request = self.http.post(gateway.join(path)?).json(body).header(header::AUTHORIZATION, token);
            if let Ok(response) = request.send().await {
                let status = response.status();
                match response.bytes().await {
                    Ok(answer) if status.is_success() => return Ok(serde_json::from_slice(&answer)?),
                    Ok(answer) => {
                        ensure!(may_come_again(status), "{path}: {status}: {}", String::from_utf8_lossy(&answer))
                    }
                    Err(_) => {}
                }
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            ensure!(started.elapsed() < PATIENCE, "no gateway took {path} for {} s", PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// Sends the scans to any gateway, and those that were not taken again.
    pub(super) async fn insist(&self, rng: &mut StdRng, scans: &[Scan]) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut left = scans.to_vec();
        loop {
            let gateway = &self.gateways[rng.random_range(0..self.gateways.len())];
            left = match left.as_slice() {
                [scan] if scans.len() == 1 => self.send_one(gateway, scan).await?,
                some => self.send_batch(gateway, some).await?,
            };
            if left.is_empty() {
                return Ok(());
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            ensure!(started.elapsed() < PATIENCE, "no gateway took a scan for {} s", PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// Sends one scan and returns it if it was not taken.
    async fn send_one(&self, gateway: &Url, scan: &Scan) -> anyhow::Result<Vec<Scan>> {
        let request = self.http.post(gateway.join("v1/scans")?).json(&scan.body());
        let request = request.header(header::AUTHORIZATION, self.tokens.of(Role::Device)?);
        // Whatever breaks on the way: nobody knows, so it is sent again.
        let Ok(response) = request.send().await else { return Ok(vec![*scan]) };
        let status = response.status();
        let Ok(body) = response.bytes().await else { return Ok(vec![*scan]) };
        if !status.is_success() {
            ensure!(may_come_again(status), "{status}: {}", String::from_utf8_lossy(&body));
            return Ok(vec![*scan]);
        }
        let answer: ScanAnswer = serde_json::from_slice(&body).context("the answer to a scan")?;
        ensure!(answer.receipt == scan.id, "receipt {} instead of {}", answer.receipt, scan.id);
        self.book.accept(scan.id);
        Ok(Vec::new())
    }

    /// Sends a batch and returns the scans that were not taken.
    async fn send_batch(&self, gateway: &Url, scans: &[Scan]) -> anyhow::Result<Vec<Scan>> {
        let body: Vec<String> = scans.iter().map(|scan| scan.body().to_string()).collect();
        let request = self.http.post(gateway.join("v1/scans:batch")?);
        let request = request.header(header::AUTHORIZATION, self.tokens.of(Role::Device)?);
        let request = request.header(header::CONTENT_TYPE, "application/x-ndjson").body(body.join("\n"));
        let Ok(response) = request.send().await else { return Ok(scans.to_vec()) };
        let status = response.status();
        let Ok(body) = response.bytes().await else { return Ok(scans.to_vec()) };
        if !status.is_success() && status != StatusCode::MULTI_STATUS {
            ensure!(may_come_again(status), "{status}: {}", String::from_utf8_lossy(&body));
            return Ok(scans.to_vec());
        }
        let answer: BatchAnswer = serde_json::from_slice(&body).context("the answer to a batch")?;
        ensure!(answer.lines.len() == scans.len(), "{} outcomes of {} lines", answer.lines.len(), scans.len());
        let mut left = Vec::new();
        for (outcome, scan) in answer.lines.iter().zip(scans) {
            match (&outcome.receipt, &outcome.problem) {
                (Some(receipt), None) => {
                    ensure!(*receipt == scan.id, "receipt {receipt} instead of {}", scan.id);
                    self.book.accept(scan.id);
                }
                (_, Some(problem)) if problem.status == 503 || problem.status == 429 => left.push(*scan),
                (_, problem) => anyhow::bail!("a line of a batch has no receipt: {problem:?}"),
            }
        }
        Ok(left)
    }
}

fn rng_of(seed: u64, client: u32) -> StdRng {
    StdRng::seed_from_u64(seed ^ u64::from(client + 1).rotate_left(32))
}

fn may_come_again(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}
