//! Polls for footfall while more and more scans are stored: what ClickHouse reads for each, and how long it takes.
//!
//! A binary of its own, as it needs a ClickHouse that holds nothing else: `venuecode exec -- polls`. Scans go straight
//! into their table; answers are not shared, so that each poll asks ClickHouse.

mod api;
pub(crate) mod kinds;
pub(crate) mod store;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::Serialize;
use service::ClickHouseConfig;

use crate::terminal::{Table, grouped, print};
use crate::tokens::{TokenConfig, Tokens};
use api::Api;
use kinds::{Screen, polls};
use store::{Store, Work};

/// 8 May 2022, midnight in Shanghai; the scans are those of the fourteen days from then on.
const SINCE: u32 = 1_651_939_200;
const DAY_S: i64 = 24 * 3_600;
const HOUR_S: i64 = 3_600;

/// No poll takes longer.
const MOST_MICROS: u64 = 3_600_000_000;

/// Measures polls for footfall
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "polls", version)]
pub struct PollsArgs {
    /// The `venuecode` binary
    #[arg(long, value_name = "PATH")]
    pub venuecode: PathBuf,
    /// Scans that are stored when it is measured; may be given several times, ascending
    #[arg(long, default_values_t = [1_000_000, 10_000_000], value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub scans: Vec<u64>,
    /// How often each poll is asked
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,
    /// A ClickHouse that holds nothing else
    #[command(flatten)]
    pub clickhouse: ClickHouseConfig,
    /// How requests are let in.
    #[command(flatten)]
    pub tokens: TokenConfig,
}

/// What was measured of one poll.
#[derive(Debug, Clone, Serialize)]
struct Measured {
    scans: u64,
    poll: &'static str,
    rows_read: u64,
    bytes_read: u64,
    cpu_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Runs all measurements and prints them; the last line is JSON.
///
/// # Errors
/// When ClickHouse or the query API cannot do what they should.
pub async fn run(args: PollsArgs) -> anyhow::Result<()> {
    let directory = tempfile::tempdir().context("no place for the keys")?;
    let store = Store::new(args.clickhouse.clone());
    service::migrate::migrate(&args.clickhouse).await?;
    let tokens = Tokens::try_new(&args.tokens)?;
    let (mut stored, mut all) = (0, Vec::new());
    for scans in args.scans {
        store.fill(stored, scans, SINCE).await?;
        stored = stored.max(scans);
        let api = Api::start(&args.venuecode, &args.clickhouse, &tokens, directory.path()).await?;
        let mut table = Table::new(&["poll", "rows read", "KiB read", "CPU ms", "p50 ms", "p99 ms"]);
        for poll in polls(&screen()) {
            let measured = measure(&store, &api, (stored, poll.name), &poll.path, args.times).await?;
            table.row(measured.cells().into());
            all.push(measured);
        }
        print(&format!("{} scans stored\n{}\n", grouped(stored), table.render()))?;
    }
    print(&format!("{}\n", serde_json::to_string(&all)?))?;
    Ok(())
}

/// What the dashboards show: the last of the days and its hour from eight in the evening on, of the places that `fill.sql`
/// makes.
fn screen() -> Screen {
    let until = i64::from(SINCE) + 14 * DAY_S;
    Screen {
        fortnight: i64::from(SINCE)..until,
        day: until - DAY_S..until,
        hour: until - 4 * HOUR_S..until - 3 * HOUR_S,
        district: 310_103,
        category: "category_7".to_owned(),
        venue: 5_000,
    }
}

async fn measure(
    store: &Store,
    api: &Api,
    (scans, poll): (u64, &'static str),
    path: &str,
    times: u32,
) -> anyhow::Result<Measured> {
    api.ask(path).await.with_context(|| poll)?;
    let before = store.work().await?;
    let mut micros = Histogram::<u64>::new_with_bounds(1, MOST_MICROS, 3)?;
    for _ in 0..times {
        let began = Instant::now();
        api.ask(path).await.with_context(|| poll)?;
        micros.saturating_record(began.elapsed().as_micros() as u64);
    }
    let Work { rows, bytes, micros: cpu } = store.work().await?.since(before);
    let (each, ms) = (u64::from(times), |micros: u64| micros as f64 / 1_000.0);
    Ok(Measured {
        scans,
        poll,
        rows_read: rows / each,
        bytes_read: bytes / each,
        cpu_ms: ms(cpu / each),
        p50_ms: ms(micros.value_at_quantile(0.5)),
        p99_ms: ms(micros.value_at_quantile(0.99)),
    })
}

impl Measured {
    fn cells(&self) -> [String; 6] {
        let ms = |ms: f64| format!("{ms:.1}");
        [
            self.poll.to_owned(),
            grouped(self.rows_read),
            grouped(self.bytes_read / 1_024),
            ms(self.cpu_ms),
            ms(self.p50_ms),
            ms(self.p99_ms),
        ]
    }
}
