//! The gateway with the tables of a whole city: memory per person and per venue, and how soon it is ready after a
//! restart, from its snapshot and from the topics.
//!
//! A binary of its own, as it needs a Kafka that holds nothing else: `venuecode exec -- tables`, which `make bench` runs.
//! People and venues go straight onto the topics, as the same messages that the feeds store.

mod fill;
mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use schemas::PersonKey;
use serde::{Deserialize, Serialize};
use service::KafkaConfig;

use crate::terminal::{grouped, print};
use crate::tokens::{TokenConfig, Tokens};
pub(crate) use fill::person;
use fill::{Filler, venue_id};
use process::Gateway;

/// How long a gateway gets to read everything.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Scans that a restarted gateway has to answer as before.
const PROBES: u32 = 50;
/// So many people at the end of the topics fall into every partition.
const LAST_PEOPLE: u32 = 100;

/// Measures a gateway with the tables of a whole city
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tables", version)]
pub struct TablesArgs {
    /// The `venuecode` binary
    #[arg(long, value_name = "PATH")]
    pub venuecode: PathBuf,
    /// People, each with a health code and a test
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    pub people: u32,
    /// Venues, with Chinese names and addresses of 30 to 60 bytes each
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub venues: u32,
    /// A Kafka that holds nothing else
    #[command(flatten)]
    pub kafka: KafkaConfig,
    /// How requests are let in.
    #[command(flatten)]
    pub tokens: TokenConfig,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TablesReport {
    people: u32,
    venues: u32,
    /// Resident memory that people add, right after all were read, divided by their number.
    memory_bytes_per_person: f64,
    /// The same of venues.
    memory_bytes_per_venue: f64,
    ready_after_restart_s: Ready,
    /// Resident memory after a restart from the snapshot, in MiB.
    rss_from_snapshot_mib: f64,
    snapshot_mib: f64,
    /// How long the gateway took to end, with the writing of the snapshot.
    stop_s: f64,
}

/// From the start of the process until `/readyz` says so.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ready {
    from_snapshot: f64,
    from_topics: f64,
    /// From the topics, for ten million people and a million venues, at the same messages per second.
    from_topics_city_extrapolated: f64,
}

impl TablesReport {
    /// The figures for people.
    pub fn lines(&self) -> String {
        let ready = &self.ready_after_restart_s;
        format!(
            "  {} people, {} venues: {} bytes a person, {} bytes a venue; ready after a restart in {} s from the \
             snapshot, in {} s from the topics ({} s extrapolated to 10 M people and 1 M venues)",
            grouped(self.people.into()),
            grouped(self.venues.into()),
            self.memory_bytes_per_person,
            self.memory_bytes_per_venue,
            ready.from_snapshot,
            ready.from_topics,
            ready.from_topics_city_extrapolated,
        )
    }
}

/// Runs all measurements and prints them; the last line is JSON.
///
/// # Errors
/// When Kafka or the gateway cannot do what they should, or a restarted gateway answers differently.
pub async fn run(args: TablesArgs) -> anyhow::Result<()> {
    let directory = tempfile::tempdir().context("no place for the gateway's data")?;
    let tokens = Tokens::try_new(&args.tokens)?;
    let start = |snapshot: bool| Gateway::start(&args, &tokens, directory.path(), snapshot);

    // What grows: a gateway that follows.
    let gateway = start(true)?;
    gateway.until_ready(PATIENCE).await?;
    let filler = Filler::try_new(&args.kafka)?;
    let empty = gateway.rss_bytes()?;
    let began = Instant::now();
    filler.venues(args.venues)?;
    gateway.until_rows("venues", args.venues, PATIENCE).await?;
    let with_venues = gateway.rss_bytes()?;
    filler.people(args.people)?;
    gateway.until_rows("health", args.people, PATIENCE).await?;
    // Each partition is read in the order of the people: when the last ones of all partitions are known, all are.
    for last in args.people - LAST_PEOPLE..args.people {
        gateway.until_tested(person(last), PATIENCE).await?;
    }
    let with_people = gateway.rss_bytes()?;
    eprintln!("tables: filled in {:.0} s", began.elapsed().as_secs_f64());
    let before = answers(&gateway, &args).await?;
    let stopping = Instant::now();
    gateway.stop().await?;
    let stop_s = stopping.elapsed().as_secs_f64();

    let gateway = start(true)?;
    let from_snapshot = gateway.until_ready(PATIENCE).await?;
    ensure!(gateway.used_snapshot().await?, "the gateway did not start from its snapshot");
    ensure!(answers(&gateway, &args).await? == before, "from its snapshot the gateway answers differently");
    let rss_from_snapshot = gateway.rss_bytes()?;
    gateway.stop().await?;

    let gateway = start(false)?;
    let from_topics = gateway.until_ready(PATIENCE).await?;
    ensure!(answers(&gateway, &args).await? == before, "from the topics the gateway answers differently");
    gateway.stop().await?;

    let messages = f64::from(args.people) * 2.0 + f64::from(args.venues);
    let report = TablesReport {
        people: args.people,
        venues: args.venues,
        memory_bytes_per_person: per(with_people, with_venues, args.people),
        memory_bytes_per_venue: per(with_venues, empty, args.venues),
        ready_after_restart_s: Ready {
            from_snapshot: rounded(from_snapshot.as_secs_f64()),
            from_topics: rounded(from_topics.as_secs_f64()),
            from_topics_city_extrapolated: (from_topics.as_secs_f64() * 21e6 / messages).round(),
        },
        rss_from_snapshot_mib: rounded(mib(rss_from_snapshot)),
        snapshot_mib: rounded(mib(snapshot_bytes(directory.path())?)),
        stop_s: rounded(stop_s),
    };
    print(&format!("{}\n{}\n", report.lines(), serde_json::to_string(&report)?))?;
    Ok(())
}

/// What some scans are answered: verdict, colour, venue and last test.
async fn answers(gateway: &Gateway, args: &TablesArgs) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut answers = Vec::new();
    for probe in 0..PROBES {
        let of = |all: u32| (u64::from(all) * u64::from(probe) / u64::from(PROBES)) as u32;
        let who: PersonKey = person(of(args.people));
        let mut answer = gateway.scan(venue_id(of(args.venues)), who).await?;
        for field in ["receipt", "scanned_at", "health_age_s"] {
            answer.as_object_mut().context("an answer is an object")?.remove(field);
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn snapshot_bytes(directory: &Path) -> anyhow::Result<u64> {
    let path = directory.join("tables/tables");
    Ok(fs::metadata(&path).with_context(|| format!("no snapshot at {}", path.display()))?.len())
}

fn per(after: u64, before: u64, rows: u32) -> f64 {
    rounded((after as f64 - before as f64) / f64::from(rows))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
