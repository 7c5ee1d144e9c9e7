//! The load generator behind `make bench`: what a scan costs, how long an answer takes, how soon a scan is visible.
//!
//! One thread, so that the services keep the rest of the machine. The last line of output is one line of JSON.

mod bodies;
pub(crate) mod cpu;
mod drive;
pub(crate) mod freshness;
pub(crate) mod machine;
pub(crate) mod overload;
pub(crate) mod report;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use reqwest::Url;
use tokio::time::Instant;

use crate::city::{City, CityPlan};
use crate::gateway::{Gateway, GatewayConfig};
use crate::query::{QueryApi, QueryConfig};
use crate::simulate::CityFeeder;
use crate::stack::Stack;
use crate::tables::TablesReport;
use crate::terminal::{grouped, print};
use crate::tokens::{HOLDER, TokenConfig};
use bodies::Bodies;
use cpu::{Process, Processes};
use drive::{Outcome, Shape, Target};
use freshness::{Probes, Seen};
use overload::Offered;
use report::{PhaseReport, Report};

/// The limits are for clients; what is measured here is the gateway.
pub(crate) const UNLIMITED: [(&str, &str); 3] = [
    ("VENUECODE_LIMIT_SCANS_PER_SECOND", "100000000"),
    ("VENUECODE_LIMIT_SCANS_BURST", "100000000"),
    ("VENUECODE_AUTOMATIC_FEEDS", HOLDER),
];
const WARM_UP: Duration = Duration::from_secs(2);
/// Patience with a stack that has a backlog.
const DRAIN: Duration = Duration::from_secs(300);
const FEED_LINES: usize = 2_000;

/// Measures a running VenueCode, or one that it starts for the purpose
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "load", version)]
pub struct LoadArgs {
    /// Start everything with this `venuecode` binary, on free ports and an empty data directory
    #[arg(long, value_name = "PATH", conflicts_with_all = ["gateway", "query", "pids"])]
    pub venuecode: Option<PathBuf>,
    /// Where to put that data directory, which is removed at the end
    #[arg(long, value_name = "DIR", requires = "venuecode")]
    pub data_in: Option<PathBuf>,
    /// Address of the gateway
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub gateway: Url,
    /// Address of the query API
    #[arg(long, default_value = "http://127.0.0.1:8082", value_name = "URL")]
    pub query: Url,
    /// How requests are let in.
    #[command(flatten)]
    pub tokens: TokenConfig,
    /// Directory with the process ids (ingest.pid, processor.pid, query-api.pid): `run` in the data directory
    #[arg(long, value_name = "DIR")]
    pub pids: Option<PathBuf>,
    /// Length of each measurement in seconds
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Connections that send single scans
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: u16,
    /// Connections that send batches
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub batch_connections: u16,
    /// Scans in a batch
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub per_request: u16,
    /// Scans whose way to the query API is timed
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub probes: u16,
    /// People with a health code and a test
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..))]
    pub people: u32,
    /// Venues
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    pub venues: u32,
    /// People in the gateway's tables when their memory and the time to be ready are measured, only with --venuecode and
    /// on Apache Kafka; 0 leaves that out
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    pub table_people: u32,
    /// Venues in them
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub table_venues: u32,
}

/// Runs all measurements and prints them.
///
/// # Errors
/// When a service cannot be reached or refuses, or scans do not get stored.
pub async fn run(args: LoadArgs) -> anyhow::Result<()> {
    let Some(binary) = &args.venuecode else {
        let processes = Processes::find(args.pids.as_deref())?;
        let versions = machine::versions(None).await;
        return measure(&args, (&args.gateway, &args.query), &args.tokens, processes, versions, None).await;
    };
    let versions = machine::versions(Some(binary)).await;
    let tables = match args.table_people {
        0 => None,
        people => Some(whole_city(binary, people, args.table_venues).await?),
    };
    let mut stack = Stack::start(binary, args.data_in.as_deref(), &[], &UNLIMITED).await?;
    let measured = async {
        let processes = Processes::find(Some(&stack.pids))?;
        measure(&args, (&stack.gateway, &stack.query), &stack.tokens, processes, versions, tables).await
    };
    let outcome = measured.await;
    let stopped = stack.stop().await;
    outcome.and(stopped)
}

async fn measure(
    args: &LoadArgs,
    (gateway, query): (&Url, &Url),
    tokens: &TokenConfig,
    processes: Processes,
    versions: machine::Versions,
    tables: Option<TablesReport>,
) -> anyhow::Result<()> {
    let config = GatewayConfig { gateway: gateway.clone(), connections: 4, patience: 60, tokens: tokens.clone() };
    let gateway = Gateway::try_new(&config)?;
    let query = QueryApi::try_new(&QueryConfig { query: query.clone() }, &config.gateway, gateway.tokens())?;
    gateway.wait_ready().await?;
    query.wait_ready(Duration::from_secs(60)).await?;

    let city = City::try_new(plan(args))?;
    let mut feeder = CityFeeder::new(&city, &gateway, FEED_LINES, None);
    feeder.directory().await?;
    feeder.health().await?;
    let seconds = Duration::from_secs(args.seconds);
    let load =
        Load::try_new((&city, &feeder), args.people, (&gateway, &config.gateway), (&query, processes), seconds).await?;

    let empty_request_us = load.empty_requests(args.connections).await?;
    let single = Shape { connections: args.connections, per_request: 1 };
    let batch = Shape { connections: args.batch_connections, per_request: args.per_request };
    let mut sent = 0;
    let (singles, _) = load.phase("singles", single, &mut sent).await?;
    let (batches, processor_us) = load.phase("batches", batch, &mut sent).await?;
    let overload = overload::measure(&load, singles.scans_per_s, args.per_request, &mut sent).await?;
    load.drain(sent).await?;
    eprintln!("freshness: {} probes among 200 scans/s", args.probes);
    let fresh = freshness::measure(&load, &feeder, args.people..args.people + u32::from(args.probes)).await?;

    let report = Report {
        gateway_cpu_us_per_empty_request: empty_request_us,
        singles,
        batches,
        overload,
        processor_cpu_us_per_scan: processor_us,
        query_cpu_us_per_request: fresh.query_cpu_us,
        freshness_ms: fresh.report,
        tables,
        machine: machine::describe(),
        versions,
    };
    print(&format!("{}\n{}\n", report.table(), serde_json::to_string(&report)?))?;
    Ok(())
}

/// Everything that the measurements share.
pub(crate) struct Load<'a> {
    bodies: Bodies,
    target: Target,
    stored_before: u64,
    seconds: Duration,
    query: &'a QueryApi,
    processes: Processes,
}

impl<'a> Load<'a> {
    /// The first `people` of a city scan at its venues, which the feeder has sent.
    ///
    /// # Errors
    /// When a service cannot be reached.
    pub(crate) async fn try_new(
        (city, feeder): (&City, &CityFeeder<'_>),
        people: u32,
        (gateway, address): (&Gateway, &Url),
        (query, processes): (&'a QueryApi, Processes),
        seconds: Duration,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            bodies: Bodies::new(city, feeder, people),
            target: Target::resolve(address, &gateway.tokens()).await?,
            stored_before: query.stats().await?.scans,
            seconds,
            query,
            processes,
        })
    }

    /// Offers so many single scans a second for the seconds of a measurement.
    ///
    /// # Errors
    /// When nothing can be measured; scans that are not taken are counted.
    pub(crate) async fn offer(&self, rate: f64) -> anyhow::Result<Offered> {
        overload::offer(self, rate, self.seconds).await
    }

    /// How long the scans of these people, who have not been scanned before, take to be visible.
    ///
    /// # Errors
    /// When nobody can be asked about; scans that are not taken or not visible for long are counted.
    pub(crate) async fn freshness(
        &self,
        feeder: &CityFeeder<'_>,
        people: std::ops::Range<u32>,
        pause: Duration,
    ) -> anyhow::Result<Seen> {
        Probes::prepare(self, feeder, people).await?.go(self, pause).await
    }

    /// Warms up, measures, and waits until all is stored. Returns the gateway's figures, and the processor's CPU per
    /// scan from the first scan until the last one is stored.
    async fn phase(&self, name: &str, shape: Shape, sent: &mut u64) -> anyhow::Result<(PhaseReport, Option<f64>)> {
        eprintln!("{name}: {} connections, {} scans a request", shape.connections, shape.per_request);
        *sent += drive::drive(&self.target, shape, &self.bodies, WARM_UP).await?.scans;
        self.drain(*sent).await?;
        let (gateway, processor) = (self.processes.gateway.as_ref(), self.processes.processor.as_ref());
        let (gateway_before, processor_before) = (cpu_of(gateway)?, cpu_of(processor)?);
        let outcome = drive::drive(&self.target, shape, &self.bodies, self.seconds).await?;
        let gateway_us = used(gateway, gateway_before, outcome.scans)?;
        ensure!(outcome.scans > 0, "the gateway took no scan: {}", outcome.first_failure);
        *sent += outcome.scans;
        let draining = Instant::now();
        self.drain(*sent).await?;
        let processor_us = used(processor, processor_before, outcome.scans)?;
        eprintln!(
            "{name}: {} scans in {:.1} s, stored {:.1} s later{}",
            grouped(outcome.scans),
            outcome.elapsed.as_secs_f64(),
            draining.elapsed().as_secs_f64(),
            failures(&outcome),
        );
        Ok((PhaseReport::new(shape, &outcome, gateway_us), processor_us))
    }

    /// The gateway's CPU per request that asks nothing of it: with it, runs on machines of different speed can be compared.
    async fn empty_requests(&self, connections: u16) -> anyhow::Result<Option<f64>> {
        eprintln!("empty requests: {connections} connections");
        let shape = Shape { connections, per_request: 0 };
        drive::drive(&self.target, shape, &self.bodies, WARM_UP).await?;
        let gateway = self.processes.gateway.as_ref();
        let before = cpu_of(gateway)?;
        let outcome = drive::drive(&self.target, shape, &self.bodies, self.seconds).await?;
        ensure!(outcome.failed == 0, "an empty request failed: {}", outcome.first_failure);
        used(gateway, before, outcome.scans)
    }

    /// Waits until so many scans are stored.
    pub(crate) async fn drain(&self, sent: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let stored = self.query.stats().await?.scans.saturating_sub(self.stored_before);
            if stored >= sent {
                return Ok(());
            }
            let (seen, all) = (grouped(stored), grouped(sent));
            ensure!(start.elapsed() < DRAIN, "only {seen} of {all} scans are stored after {} s", DRAIN.as_secs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Runs the measurement of [`crate::tables`] on a Kafka of its own: an Apache Kafka, since the embedded broker takes many
/// minutes for a city.
async fn whole_city(binary: &Path, people: u32, venues: u32) -> anyhow::Result<TablesReport> {
    eprintln!("tables: {} people, {} venues", grouped(people.into()), grouped(venues.into()));
    let own = std::env::current_exe().context("cannot find our own executable")?;
    let mut command = tokio::process::Command::new(binary);
    command
        .args(["exec", "--kafka-engine", "apache", "--"])
        .arg(own.with_file_name("tables"))
        .arg("--venuecode")
        .arg(binary);
    command.args(["--people", &people.to_string(), "--venues", &venues.to_string()]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "the measurement of the tables ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).context("the measurement of the tables says nothing")
}

/// The people who send scans, and one more for each probe.
fn plan(args: &LoadArgs) -> CityPlan {
    let until = Utc::now().timestamp();
    CityPlan {
        people: args.people + u32::from(args.probes),
        venues: args.venues,
        scans: 0,
        days: 1,
        seed: 1,
        until,
        first_venue: 1,
        tag: format!("LOAD-{until:X}"),
    }
}

fn cpu_of(process: Option<&Process>) -> anyhow::Result<Duration> {
    process.map_or(Ok(Duration::ZERO), Process::cpu)
}

/// CPU per scan in µs since a reading, to two decimals.
fn used(process: Option<&Process>, before: Duration, scans: u64) -> anyhow::Result<Option<f64>> {
    let Some(process) = process else { return Ok(None) };
    let used = process.cpu()?.checked_sub(before).context("a service was restarted during the measurement")?;
    Ok(Some(report::rounded(used.as_secs_f64() * 1e6 / scans.max(1) as f64)))
}

fn failures(outcome: &Outcome) -> String {
    if outcome.failed == 0 {
        return String::new();
    }
    format!("; {} requests failed, the first because {}", grouped(outcome.failed), outcome.first_failure)
}
