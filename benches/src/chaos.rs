//! Strikes a running system at random moments, then compares every receipt with what is stored: `make chaos`.
//! Receipts are those of scans, of trips of lorries, and of applications for venue codes. Meanwhile an analyst traces by
//! jobs, and somebody listens to the counts.
//!
//! Real processes: engines, several gateways and processors, a steady load. The seed fixes which blows come in which
//! order and for how long; when exactly they hit what is left to the machine.

mod book;
mod load;
mod lorries;
mod paperwork;
mod plan;
mod readers;
mod stack;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rand::{SeedableRng, rngs::StdRng};
use schemas::access::Role;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::gateway::http_time;
use crate::terminal::{grouped, print};
use load::Load;
use plan::{Blow, Round, Target, Way};
use readers::Readers;
use stack::{Plan, Stack};
use verdict::Verdict;

/// Gateways that share the load.
const GATEWAYS: usize = 2;
/// How long a quiet system may take to store what it has accepted.
const SETTLE: Duration = Duration::from_secs(180);
/// Nothing is on its way any more when the number of outstanding scans has not changed for so long.
const STANDSTILL: Duration = Duration::from_secs(60);
/// After that, so that what is stored too often can show.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Strikes gateways, processors, query API, broker and ClickHouse under load, and looks what became of each scan
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "chaos", version)]
pub struct ChaosArgs {
    /// The `venuecode` binary that is put to the test
    #[arg(long, value_name = "PATH")]
    pub venuecode: PathBuf,
    /// How many blows; the first ones are of each kind once
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub rounds: usize,
    /// Fixes the blows and what is sent; without it, a new one every time
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// The Kafka to run on
    #[arg(long, default_value = "embedded", value_parser = ["embedded", "apache"], value_name = "ENGINE")]
    pub kafka: String,
    /// Scans a second
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub rate: u32,
    /// Rounds between two comparisons of everything that is stored; there is one at the end in any case
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub compare_every: u32,
    /// A mistake on purpose in the processors, to see that it is found
    #[arg(long, value_parser = ["commit-before-insert", "token-left-out", "read-back-left-out"], value_name = "FAULT")]
    pub fault: Option<String>,
    /// Where to keep data and logs; without it they are removed at the end, unless something is wrong
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Runs all rounds and prints what was found; the last line has the figures.
///
/// # Errors
/// When something was lost, doubled or counted wrong, or the system does not come back.
pub async fn run(args: ChaosArgs) -> anyhow::Result<()> {
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let scratch = tempfile::tempdir().context("no place for the data")?;
    let data = args.data.clone().unwrap_or_else(|| scratch.path().to_owned());
    // The embedded Kafka has one processor; a second one comes while the first one sleeps.
    let processors = if args.kafka == "embedded" { 1 } else { 2 };
    say(&format!("seed {seed}, {} rounds on {} Kafka, {} scans/s", args.rounds, args.kafka, args.rate))?;
    let plan = Plan {
        venuecode: args.venuecode.clone(),
        data: data.clone(),
        kafka: args.kafka.clone(),
        gateways: GATEWAYS,
        processors,
        fault: args.fault.clone(),
    };
    let mut stack = Stack::start(plan).await?;
    let outcome = strike(&args, seed, processors, &mut stack).await;
    let stopped = stack.stop().await;
    if outcome.as_ref().is_ok_and(Verdict::is_clean) {
        stopped?;
    } else if args.data.is_none() {
        say(&format!("data and logs are kept in {}", scratch.keep().display()))?;
    }
    let verdict = outcome?;
    say(&format!("{verdict} rounds={}", args.rounds))?;
    ensure!(verdict.is_clean(), "a promise was broken; seed {seed}");
    Ok(())
}

async fn strike(args: &ChaosArgs, seed: u64, processors: usize, stack: &mut Stack) -> anyhow::Result<Verdict> {
    let load = Arc::new(Load::new(stack.gateways()?, stack.tokens()?)?);
    introduce(stack).await?;
    let readers = Readers::new(stack, Arc::clone(&load))?;
    let mut clients = load.clients(seed, args.rate);
    clients.spawn(Arc::clone(&readers).analyse(StdRng::seed_from_u64(seed)));
    clients.spawn(Arc::clone(&readers).listen());
    load.resume();
    let rounds = plan::rounds(seed, args.rounds, GATEWAYS, processors);
    let mut verdict = Verdict::default();
    for (number, round) in (1..).zip(&rounds) {
        let before = load.book.accepted();
        let struck = round.strike(stack, args.kafka == "embedded").await;
        let detail = struck.with_context(|| format!("round {number}: {}", round.blow))?;
        sleep(round.then).await;
        still_sending(&mut clients)?;
        let (accepted, refused) = (load.book.accepted(), load.refused.swap(0, Ordering::Relaxed));
        say(&format!(
            "{number:>4}/{}  {:<36} {:>5.1} s  accepted {:>9} (+{}), sent again {refused}{detail}",
            args.rounds,
            round.blow.to_string(),
            round.lasts.as_secs_f64(),
            grouped(accepted),
            accepted - before
        ))?;
        for ended in stack.revive()? {
            say(&format!("           {ended} ended by itself and was started again"))?;
        }
        if number % args.compare_every as usize == 0 || number == rounds.len() {
            verdict = compare(stack, &load, &readers, &mut clients).await?;
            say(&format!("           {verdict}"))?;
            if !verdict.is_clean() {
                break;
            }
            load.resume();
        }
    }
    clients.shutdown().await;
    Ok(verdict)
}

impl Round {
    /// Strikes, and returns what is to be added about it.
    async fn strike(&self, stack: &mut Stack, is_embedded: bool) -> anyhow::Result<String> {
        match self.blow {
            Blow::Kill(target) => {
                stack.kill(target).await?;
                sleep(self.lasts).await;
                stack.start_again(target)?;
            }
            Blow::Restart(target) => {
                stack.terminate(target).await?;
                sleep(self.lasts).await;
                stack.start_again(target)?;
            }
            Blow::Pause(target) => {
                stack.pause(target)?;
                sleep(self.lasts).await;
                stack.resume(target)?;
            }
            Blow::Cut(way) => {
                stack.link(way).cut();
                sleep(self.lasts).await;
                stack.link(way).mend();
            }
            Blow::KillWhileCut(number) => {
                let target = Target::Processor(number);
                stack.link(Way::ProcessorsToClickHouse).cut();
                sleep(self.lasts).await;
                stack.kill(target).await?;
                stack.link(Way::ProcessorsToClickHouse).mend();
                stack.start_again(target)?;
            }
            Blow::KillInTheHole => {
                let folder = stack.folder_of("scans_by_venue").await?;
                stack.link(Way::ProcessorsToClickHouse).mute();
                let known = stack::inserted_parts(&folder)?;
                sleep(self.lasts).await;
                let parts = stack.kill_in_the_hole(&folder, &known).await?;
                // An answer from before the kill may still be under way, and must not say that a part is kept that is not.
                stack.link(Way::ProcessorsToClickHouse).cut_all().await;
                stack.link(Way::ProcessorsToClickHouse).mend();
                return Ok(format!(", {parts} taken"));
            }
            Blow::WakeLate(number) => {
                let target = Target::Processor(number);
                stack.pause(target)?;
                if is_embedded {
                    stack.start_substitute()?;
                }
                sleep(self.lasts).await;
                stack.resume(target)?;
                // Both are awake for a while.
                if is_embedded {
                    sleep(self.then).await;
                    stack.kill_substitute().await?;
                }
            }
        }
        Ok(String::new())
    }
}

/// Tells the system of its venues and of everybody's colour.
async fn introduce(stack: &Stack) -> anyhow::Result<()> {
    let venues: Vec<String> = (1..=book::DESTINATION)
        .map(|venue| {
            let (district, category) = book::place(venue);
            let (name, address) = (format!("Venue {venue}"), format!("{venue} Chaos Road"));
            json!({"venue": venue, "name": name, "category": category, "district": district, "address": address})
                .to_string()
        })
        .collect();
    let since = http_time(chrono::Utc::now().timestamp() - 30 * 24 * 3600);
    let health: Vec<String> = (1..=book::PEOPLE)
        .map(|person| {
            let (key, colour) = (book::key(person).to_string(), book::colour(person));
            json!({"person": key, "colour": colour, "since": since, "issuer": "CDC", "evidence": "E-1", "reason": "test"})
                .to_string()
        })
        .collect();
    let gateway = stack.gateways()?.remove(0);
    let tokens = stack.tokens()?;
    let feeds = [("v1/venues:batch", Role::Admin, venues), ("v1/health-codes:batch", Role::Feed, health)];
    for (path, role, lines) in feeds {
        let request = reqwest::Client::new().post(gateway.join(path)?).header("authorization", tokens.of(role)?);
        let request = request.header("content-type", "application/x-ndjson");
        let response = request.body(lines.join("\n")).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success() && !text.contains("\"problem\":{"), "{path}: {status} {text:.500}");
    }
    // The other gateways and the processors learn of it from Kafka.
    sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// Lets the system come to rest, and holds all that is stored against all that was accepted.
async fn compare(
    stack: &mut Stack,
    load: &Load,
    readers: &Readers,
    clients: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<Verdict> {
    stack.until_ready().await?;
    tokio::time::timeout(SETTLE, load.pause()).await.context("scans are not taken any more")?;
    still_sending(clients)?;
    let deadline = Instant::now() + SETTLE;
    let entries = load.book.entries();
    let (mut last, mut since) = (usize::MAX, Instant::now());
    while Instant::now() < deadline && since.elapsed() < STANDSTILL {
        // ClickHouse may still be on its way back.
        let outstanding = verdict::outstanding(stack, load, &entries).await.unwrap_or(usize::MAX);
        if outstanding == 0 {
            break;
        }
        if outstanding != last {
            (last, since) = (outstanding, Instant::now());
        }
        sleep(Duration::from_millis(300)).await;
    }
    sleep(AFTERMATH).await;
    verdict::reach(stack, load, readers, &entries).await
}

/// Fails when a client has ended: it found a broken promise.
fn still_sending(clients: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match clients.try_join_next() {
        None => Ok(()),
        Some(ended) => {
            ended?.context("a client")?;
            bail!("a client has ended")
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(print(&format!("{text}\n"))?)
}
