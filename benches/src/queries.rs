//! What questions cost over a whole city's fortnight: histories, traces, visitors and polls, asked of the real query API
//! by releases, and for comparison of a self-join over one plain table and of DuckDB, over the same rows.
//!
//! The city is stored straight into the tables of a `venuecode up` of its own and can be kept for the next run. With
//! [`TogetherArgs`] dashboards and analysts ask at the same time, while scans come in.

mod api;
mod city;
mod fill;
mod questions;
mod report;
mod rivals;
mod together;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use schemas::{PersonKey, UnixSeconds};

use crate::city::City;
use crate::gateway::{Gateway, GatewayConfig};
use crate::load::{UNLIMITED, machine};
use crate::polls::kinds::Screen;
use crate::polls::store::Store;
use crate::releases::{Releases, Wanted};
use crate::simulate::CityFeeder;
use crate::stack::Stack;
use crate::terminal::print;
use api::Api;
use fill::Kept;
use questions::{Question, Subjects, questions};
pub use report::QueriesReport;
use report::{Compared, Measured, Peaks, Sizes};
use rivals::{Duck, Plain, Rival};
pub use together::TogetherArgs;

/// Midnight in Shanghai after Saturday, 21 May 2022: the same city on whichever day it is asked for.
const UNTIL: UnixSeconds = 1_653_148_800;
const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;
/// People of each kind who are asked about in turn.
const EACH: usize = 10;
/// The district with most people, and a category with many venues.
const DISTRICT: u32 = 310_115;
const CATEGORY: &str = "catering";
const LONGEST_US: u64 = 600_000_000;
const FEED_LINES: usize = 2_000;
/// How the query API refuses a trace that would look at too many scans.
const TOO_LARGE: &str = "urn:venuecode:problem:trace-too-large";
/// How long the directory takes to be stored.
const STORED: Duration = Duration::from_secs(300);

/// Measures questions over a city's fortnight
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "queries", version)]
pub struct QueriesArgs {
    /// The `venuecode` binary; everything is started with it, on free ports
    #[arg(long, value_name = "PATH")]
    pub venuecode: PathBuf,
    /// Scans of the city
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=2_000_000_000))]
    pub rows: u64,
    /// The same seed and end give the same city
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// End of the city's days [default: 2022-05-21T16:00:00Z; with --together, midnight of today in Shanghai]
    #[arg(long, value_name = "RFC3339")]
    pub until: Option<DateTime<Utc>>,
    /// Directory where cities are kept for further runs; otherwise a temporary one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How often each question is asked, for up to a minute
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub times: u32,
    /// How often the others are asked each question; 0 leaves them out
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub rival_times: u32,
    /// A Python that has DuckDB, as deploy/duckdb/fetch.sh prints it; without it DuckDB is left out
    #[arg(long, value_name = "PATH")]
    pub duckdb: Option<PathBuf>,
    /// What an earlier run printed, whose times stand beside those of this one
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// Dashboards and analysts at once, instead of one question after the other.
    #[command(flatten)]
    pub together: TogetherArgs,
}

impl QueriesArgs {
    fn kept(&self, now: UnixSeconds) -> Kept {
        const CHINA_S: i64 = 8 * HOUR_S;
        let fixed = if self.together.together { now - (now + CHINA_S).rem_euclid(DAY_S) } else { UNTIL };
        Kept { rows: self.rows, seed: self.seed, until: self.until.map_or(fixed, |until| until.timestamp()) }
    }
}

/// Runs all measurements and prints them; the last line is JSON.
///
/// # Errors
/// When something cannot be started, stored or asked, or answers differ.
pub async fn run(args: QueriesArgs) -> anyhow::Result<()> {
    if args.together.together {
        return in_a_stack(&args, &[], async |stack, city| {
            let versions = machine::versions(Some(&args.venuecode)).await;
            print(&together::measure(&args.together, stack, city, versions).await?)?;
            Ok(())
        })
        .await;
    }
    let report = measure(&args).await?;
    let before = args.before.as_deref().map(QueriesReport::read).transpose()?;
    print(&format!("{}\n{}\n", report.tables(before.as_ref()), serde_json::to_string(&report)?))?;
    ensure!(report.agree(), "answers differ");
    Ok(())
}

/// Asks every question of everyone.
///
/// # Errors
/// When something cannot be started, stored or asked.
pub async fn measure(args: &QueriesArgs) -> anyhow::Result<QueriesReport> {
    // Each question asks ClickHouse.
    in_a_stack(args, &[("VENUECODE_SHARE_ANSWERS_MS", "0")], async |stack, city| {
        let api = Api::try_new(stack)?;
        let store = Store::new(stack.clickhouse.clone());
        let subjects = subjects(stack, city).await?;
        let people: Vec<PersonKey> = subjects.heaviest.iter().chain(&subjects.median).copied().collect();
        let time = (subjects.time.start, subjects.time.end);
        let wanted = Wanted { persons: &people, venues: &[subjects.busiest], time, hops: 2 };
        let release = Releases::try_new(&stack.gateway, &stack.query, api.tokens.clone())?.obtain(wanted).await?;
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for question in questions(&subjects, release) {
            eprintln!("queries: {}", question.name);
            let said = match api.said(&question).await {
                // What has an aim is to be answered in any city.
                Err(error) if question.aim.is_none() && error.to_string().contains(TOO_LARGE) => {
                    eprintln!("queries: {} is left out: in a city of this size it is refused", question.name);
                    continue;
                }
                said => said.with_context(|| question.name.clone())?,
            };
            let figures = api.figures(&store, &question, args.times).await.with_context(|| question.name.clone())?;
            answered.push(Measured::new(&question, said, figures));
            asked.push(question);
        }
        let sizes = Sizes { scan_tables: scan_bytes(&store).await?, plain_table: None, duckdb: None };
        let (versions, engine) = (machine::versions(Some(&args.venuecode)).await, engine_version(stack).await?);
        let peaks = peaks(&store, &subjects).await?;
        let mut report =
            QueriesReport::new((city.plan(), peaks), answered, sizes, (machine::describe(), versions), engine);
        if args.rival_times > 0 {
            compare(args, stack, (&asked, &subjects), &mut report).await?;
        }
        Ok(report)
    })
    .await
}

/// Starts everything on the city of the arguments, stores that where it is not there yet, and stops everything.
async fn in_a_stack<T>(
    args: &QueriesArgs,
    environment: &[(&str, &str)],
    then: impl AsyncFnOnce(&Stack, &Arc<City>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let temporary = tempfile::tempdir().context("no place for the data")?;
    let kept = args.kept(Utc::now().timestamp());
    let (directory, is_whole) = kept.find(args.data.as_deref().unwrap_or_else(|| temporary.path()))?;
    let city = Arc::new(City::try_new(city::plan(kept.rows, kept.seed, kept.until))?);
    // The city is of another time: nothing of it is to be forgotten.
    let forgets_nothing = [("VENUECODE_RETENTION", "off")];
    let environment: Vec<_> = UNLIMITED.iter().chain(&forgets_nothing).chain(environment).copied().collect();
    let mut stack = Stack::start_in(&args.venuecode, &directory, &[], &environment).await?;
    let outcome = async {
        let store = Store::new(stack.clickhouse.clone());
        if !is_whole {
            directory_of(&stack, &city, &store).await?;
            fill::fill(&stack.clickhouse, Arc::clone(&city)).await?;
            store.until_merged().await?;
        }
        kept.check(&store, city.start()).await?;
        kept.mark(&directory)?;
        then(&stack, &city).await
    }
    .await;
    let stopped = stack.stop().await;
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

/// Sends the venues to the gateway, and waits until all are stored: answers name them.
async fn directory_of(stack: &Stack, city: &City, store: &Store) -> anyhow::Result<()> {
    let config =
        GatewayConfig { gateway: stack.gateway.clone(), connections: 4, patience: 60, tokens: stack.tokens.clone() };
    let gateway = Gateway::try_new(&config)?;
    CityFeeder::new(city, &gateway, FEED_LINES, None).directory().await?;
    let began = Instant::now();
    while store.number("SELECT uniqExact(venue_id) FROM venues").await? < city.venues().len() as u64 {
        ensure!(began.elapsed() < STORED, "the venues are not stored after {} s", STORED.as_secs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Who and what is asked about: chosen by how many scans there are.
async fn subjects(stack: &Stack, city: &City) -> anyhow::Result<Subjects> {
    let (since, until) = (city.start(), city.plan().until);
    let client = stack.clickhouse.query_client();
    let ranked = |of: &str, table: &str, order: &str, offset: usize, limit: usize| {
        let sql = format!(
            "SELECT toUInt64({of}) FROM {table} WHERE scanned_at >= toDateTime({since}, 'UTC') AND scanned_at < \
             toDateTime({until}, 'UTC') GROUP BY {of} ORDER BY count() {order}, {of} LIMIT {offset}, {limit}"
        );
        let query = client.query(&sql);
        async move { query.fetch_all::<u64>().await.context("cannot rank people and venues") }
    };
    let keys = |numbers: Vec<u64>| numbers.into_iter().filter_map(PersonKey::from_u64).collect::<Vec<_>>();
    let middle = city.plan().people as usize / 2;
    let heaviest = keys(ranked("person_id", "scans_by_person", "DESC", 0, EACH).await?);
    let median = keys(ranked("person_id", "scans_by_person", "DESC", middle, EACH).await?);
    let busiest = ranked("venue_id", "scans_by_venue", "DESC", 0, 1).await?;
    let (Some(busiest), false) = (busiest.first(), median.is_empty()) else { bail!("nobody is stored") };
    let busiest = u32::try_from(*busiest)?;
    // Schools and offices are empty on some days.
    let days = format!(
        "SELECT toUInt64(intDiv(toUnixTimestamp(scanned_at) + 28800, 86400) * 86400 - 28800) AS day FROM scans_by_venue \
         WHERE venue_id = {busiest} GROUP BY day HAVING day >= {since} AND day + 86400 <= {until} \
         ORDER BY count() DESC, day LIMIT 1"
    );
    let day = i64::try_from(client.query(&days).fetch_one::<u64>().await.context("no whole day is stored")?)?;
    Ok(Subjects { heaviest, median, busiest, time: since..until, screen: screen(since..until, day, busiest) })
}

async fn peaks(store: &Store, of: &Subjects) -> anyhow::Result<Peaks> {
    let (since, until) = (of.time.start, of.time.end);
    let time = format!("scanned_at >= toDateTime({since}, 'UTC') AND scanned_at < toDateTime({until}, 'UTC')");
    let days = format!(
        "SELECT max(scans) FROM (SELECT count() AS scans FROM scans_by_venue WHERE venue_id = {} AND {time} \
         GROUP BY toDate(scanned_at + 28800))",
        of.busiest
    );
    let scans_of = |person: Option<&PersonKey>| {
        let key = person.map_or(0, |person| person.to_u64());
        format!("SELECT count() FROM scans_by_person WHERE person_id = {key} AND {time}")
    };
    Ok(Peaks {
        venue_day: store.number(&days).await?,
        person: store.number(&scans_of(of.heaviest.first())).await?,
        median: store.number(&scans_of(of.median.first())).await?,
    })
}

/// A day and its hour from six in the evening on.
fn screen(fortnight: std::ops::Range<UnixSeconds>, day: UnixSeconds, venue: u32) -> Screen {
    Screen {
        fortnight,
        day: day..day + DAY_S,
        hour: day + 18 * HOUR_S..day + 19 * HOUR_S,
        district: DISTRICT,
        category: CATEGORY.to_owned(),
        venue,
    }
}

/// Asks the others, and removes their copies.
async fn compare(
    args: &QueriesArgs,
    stack: &Stack,
    (asked, subjects): (&[Question], &Subjects),
    report: &mut QueriesReport,
) -> anyhow::Result<()> {
    let common: Vec<&Question> = asked.iter().filter(|question| question.is_for_others()).collect();
    eprintln!("queries: a plain table of the same rows");
    let files = stack.data.join("clickhouse/user_files");
    let plain = Plain::fill(&stack.clickhouse, files, &subjects.time).await?;
    let outcome = ask_others(args, &plain, &common).await;
    let bytes = plain.bytes().await;
    plain.remove().await?;
    let (plain, duck) = outcome?;
    report.sizes.plain_table = Some(bytes?);
    let mut ducks: Vec<Option<Rival>> = vec![None; plain.len()];
    if let Some(duck) = duck {
        (report.sizes.duckdb, report.duckdb) = (Some(duck.bytes), Some(duck.version.clone()));
        ducks = duck.rivals()?.into_iter().map(Some).collect();
    }
    for ((question, plain), duck) in common.iter().zip(plain).zip(ducks) {
        report.compare(&question.name, Compared::new(plain, duck));
    }
    Ok(())
}

async fn ask_others(
    args: &QueriesArgs,
    plain: &Plain,
    common: &[&Question],
) -> anyhow::Result<(Vec<Rival>, Option<Duck>)> {
    let times = args.rival_times as usize;
    let mut answers = Vec::new();
    for question in common {
        eprintln!("queries: {}, by a self-join", question.name);
        answers.push(plain.ask(question, times).await?);
    }
    let Some(python) = &args.duckdb else { return Ok((answers, None)) };
    let parquet = plain.hand_over().await?;
    eprintln!("queries: the same by DuckDB");
    Ok((answers, Some(Duck::ask(python, &parquet, common, times).await?)))
}

/// Bytes on disk of all tables of scans.
async fn scan_bytes(store: &Store) -> anyhow::Result<u64> {
    let sql =
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'venuecode' AND table LIKE 'scan%'";
    store.number(sql).await
}

async fn engine_version(stack: &Stack) -> anyhow::Result<String> {
    stack.clickhouse.query_client().query("SELECT version()").fetch_one().await.context("ClickHouse has no version")
}

impl Question {
    /// Whether each instance has SQL.
    fn is_for_others(&self) -> bool {
        !self.instances.is_empty() && self.instances.iter().all(|instance| instance.sql.is_some())
    }
}

impl QueriesReport {
    /// What an earlier run printed.
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let last = text.lines().rev().find(|line| line.starts_with('{')).context("no line of JSON in it")?;
        serde_json::from_str(last).with_context(|| format!("{} is of another version", path.display()))
    }
}
