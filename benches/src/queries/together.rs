//! Dashboards poll and analysts trace while scans come in: everybody at once, on a city that is stored already.
//!
//! Scans and probes run on the thread that waits for all, everybody who asks on the others; answers are read to their
//! end and not looked at.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use schemas::access::Role;
use schemas::{PersonKey, UnixSeconds};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::api::Api;
use super::questions::{Ask, contacts_of, visits_of};
use super::{DAY_S, FEED_LINES, HOUR_S, LONGEST_US};
use crate::city::{City, CityPlan};
use crate::gateway::{Gateway, GatewayConfig};
use crate::load::Load;
use crate::load::cpu::{Process, Processes};
use crate::load::machine::{Machine, Versions, describe};
use crate::load::overload::Offered;
use crate::load::report::{Percentiles, rounded};
use crate::polls::kinds::{Screen, polls};
use crate::query::{QueryApi, QueryConfig};
use crate::simulate::CityFeeder;
use crate::stack::Stack;
use crate::tables;
use crate::terminal::{Table, grouped};

/// People who scan, and one more for each probe.
const SCANNING: u32 = 20_000;
/// How often it is asked whether a probe is visible.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// People whom analysts ask about, in turn; one release names them all.
const TRACED: u32 = 500;
/// Venues of which dashboards show one, the most popular ones.
const SHOWN: usize = 100;
const SAMPLED: Duration = Duration::from_millis(500);
/// The aims: of polls, and of freshness.
const POLL_MS: f64 = 50.0;
const FRESH_MS: f64 = 1_000.0;

/// Who asks at once, and what comes in meanwhile.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Together")]
pub struct TogetherArgs {
    /// Dashboards poll and analysts trace while scans come in, instead of one question after the other
    #[arg(long)]
    pub together: bool,
    /// For so many seconds
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub seconds: u64,
    /// Dashboards
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub dashboards: u16,
    /// Seconds after which each of them polls again
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub poll_every_s: u64,
    /// Analysts, who read a history and trace its contacts, fourteen days of one hop each
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub analysts: u16,
    /// Seconds that they look at what they got
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub think_s: u64,
    /// Scans that come in, a second
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub scans_per_second: u32,
    /// Scans whose way to the query API is timed meanwhile
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    pub probes: u16,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
struct Report {
    rows: u64,
    seconds: u64,
    polls: Answers,
    histories: Answers,
    traces: Answers,
    scans: Answers,
    probes: Answers,
    memory: Vec<Memory>,
    machine: Machine,
    versions: Versions,
}

/// What became of requests of one kind.
#[derive(Debug, Serialize)]
struct Answers {
    asked: u64,
    failed: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    first_failure: String,
    answer_ms: Percentiles,
}

/// Resident memory of a process, in MiB.
#[derive(Debug, Clone, Serialize)]
struct Memory {
    process: String,
    before: f64,
    /// The most of the first half and of the second half of the time: what grows without bound grows in the second too.
    first_half: f64,
    second_half: f64,
}

/// Counts answers.
#[derive(Debug, Clone)]
struct Tally(Arc<Mutex<(Histogram<u64>, u64, String)>>);

/// Measures, and returns the figures for people and as JSON.
pub(super) async fn measure(
    args: &TogetherArgs,
    stack: &Stack,
    stored: &City,
    versions: Versions,
) -> anyhow::Result<String> {
    let config =
        GatewayConfig { gateway: stack.gateway.clone(), connections: 4, patience: 60, tokens: stack.tokens.clone() };
    let gateway = Gateway::try_new(&config)?;
    let query = QueryApi::try_new(&QueryConfig { query: stack.query.clone() }, &config.gateway, gateway.tokens())?;
    let city = City::try_new(scanning(stored.plan(), args.probes))?;
    let mut feeder = CityFeeder::new(&city, &gateway, FEED_LINES, None);
    feeder.directory().await?;
    feeder.health().await?;
    let (seconds, processes) = (Duration::from_secs(args.seconds), Processes::find(Some(&stack.pids))?);
    let load = Load::try_new((&city, &feeder), SCANNING, (&gateway, &config.gateway), (&query, processes), seconds);
    let load = load.await?;

    let time = (stored.start(), stored.plan().until);
    let people = stored.plan().people;
    let traced: Vec<PersonKey> =
        (0..TRACED.min(people)).map(|nth| tables::person(nth * (people / TRACED.min(people)))).collect();
    let release = query.release(&traced, time, 1).await?;
    let api = Arc::new(Api::try_new(stack)?);
    let (of_polls, of_histories, of_traces) = (Tally::try_new()?, Tally::try_new()?, Tally::try_new()?);
    let (mut asking, until) = (JoinSet::new(), Instant::now() + seconds);
    let screens = screens(stored);
    for number in 0..args.dashboards {
        let asked: Vec<Ask> = polls(&screens[usize::from(number) % screens.len()])
            .into_iter()
            .map(|poll| Ask::Get(Role::Dashboard, poll.path))
            .collect();
        let period = Duration::from_secs(args.poll_every_s);
        let offset = period.mul_f64(f64::from(number) / f64::from(args.dashboards));
        asking.spawn(poll(Arc::clone(&api), asked, usize::from(number), (offset, period, until), of_polls.clone()));
    }
    for number in 0..args.analysts {
        let step = usize::from(number) * traced.len() / usize::from(args.analysts);
        let mine = traced.iter().cycle().skip(step).take(traced.len()).copied();
        let asked = mine
            .map(|person| {
                [visits_of(person, &(time.0..time.1), release), contacts_of(person, &(time.0..time.1), release)]
            })
            .collect();
        let think = Duration::from_secs(args.think_s);
        let tallies = [of_histories.clone(), of_traces.clone()];
        asking.spawn(analyse(Arc::clone(&api), asked, usize::from(number), (think, until), tallies));
    }
    let watching = tokio::spawn(watch(stack.pids.clone(), until));
    let probes = SCANNING..SCANNING + u32::from(args.probes);
    eprintln!(
        "together: {} dashboards, {} analysts, {} scans/s for {} s",
        args.dashboards, args.analysts, args.scans_per_second, args.seconds
    );
    let (scans, seen) =
        tokio::try_join!(load.offer(f64::from(args.scans_per_second)), load.freshness(&feeder, probes, BETWEEN_LOOKS))?;
    asking.join_all().await;
    let memory = watching.await.context("nobody watches the memory")??;
    load.drain(scans.accepted + seen.latency_us.len()).await?;
    let report = Report {
        rows: stored.plan().scans,
        seconds: args.seconds,
        polls: of_polls.answers(),
        histories: of_histories.answers(),
        traces: of_traces.answers(),
        scans: Answers::of_scans(&scans),
        probes: Answers::of(&seen.latency_us, seen.failed, &seen.first_failure),
        memory,
        machine: describe(),
        versions,
    };
    Ok(format!("{}\n{}\n", report.table(args), serde_json::to_string(&report)?))
}

/// The people who scan now, at the venues of the stored city.
fn scanning(stored: &CityPlan, probes: u16) -> CityPlan {
    let until = Utc::now().timestamp();
    let people = SCANNING + u32::from(probes);
    CityPlan { people, scans: 0, days: 1, until, tag: format!("NOW-{until:X}"), ..stored.clone() }
}

/// What dashboards show: today, each of a popular venue and of its district and category.
fn screens(city: &City) -> Vec<Screen> {
    let now = Utc::now().timestamp();
    let midnight: UnixSeconds = now - (now + 8 * HOUR_S).rem_euclid(DAY_S);
    let hour = now - now.rem_euclid(HOUR_S);
    let mut venues: Vec<_> = city.venues().iter().collect();
    venues.sort_by(|one, other| other.popularity.total_cmp(&one.popularity));
    let screen = |venue: &&crate::city::Venue| Screen {
        fortnight: midnight - 13 * DAY_S..midnight + DAY_S,
        day: midnight..midnight + DAY_S,
        hour: hour..hour + HOUR_S,
        district: venue.district.code,
        category: venue.category.clone(),
        venue: venue.id,
    };
    venues.iter().take(SHOWN).map(screen).collect()
}

/// One dashboard: it has a screen of each kind and shows them in turn.
async fn poll(
    api: Arc<Api>,
    asked: Vec<Ask>,
    number: usize,
    (offset, period, until): (Duration, Duration, Instant),
    tally: Tally,
) {
    let mut ticks = interval_at(Instant::now() + offset, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let account = format!("dashboard-{number}");
    for ask in asked.iter().cycle().skip(number) {
        if tokio::time::timeout_at(until, ticks.tick()).await.is_err() {
            return;
        }
        tally.time(api.ask_as(ask, &account)).await;
    }
}

/// One analyst: the history of a person, and the contacts.
async fn analyse(
    api: Arc<Api>,
    asked: Vec<[Ask; 2]>,
    number: usize,
    (think, until): (Duration, Instant),
    [of_histories, of_traces]: [Tally; 2],
) {
    // They do not all begin at once.
    tokio::time::sleep(think.mul_f64(number as f64 / 20.0 % 1.0)).await;
    for [history, trace] in asked.iter().cycle() {
        if Instant::now() >= until {
            return;
        }
        of_histories.time(api.ask(history)).await;
        of_traces.time(api.ask(trace)).await;
        tokio::time::sleep(think).await;
    }
}

/// Samples the memory of all processes until then.
async fn watch(pids: std::path::PathBuf, until: Instant) -> anyhow::Result<Vec<Memory>> {
    let processes = Process::all(&pids)?;
    let mut memory = Vec::new();
    for (name, process) in &processes {
        let before = process.rss_mib()?;
        memory.push(Memory { process: name.clone(), before, first_half: 0.0, second_half: 0.0 });
    }
    let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
    while Instant::now() < until {
        for ((_, process), memory) in processes.iter().zip(&mut memory) {
            let now = process.rss_mib()?;
            let most = if Instant::now() < half { &mut memory.first_half } else { &mut memory.second_half };
            *most = most.max(now);
        }
        tokio::time::sleep(SAMPLED).await;
    }
    Ok(memory)
}

impl Tally {
    fn try_new() -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Mutex::new((Histogram::new_with_max(LONGEST_US, 3)?, 0, String::new())))))
    }

    async fn time<T>(&self, asking: impl Future<Output = anyhow::Result<T>>) {
        let start = Instant::now();
        let answer = asking.await;
        let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(LONGEST_US);
        let (micros, failed, first_failure) = &mut *self.0.lock();
        match answer {
            Ok(_) => micros.saturating_record(took_us),
            Err(error) => {
                if *failed == 0 {
                    *first_failure = format!("{error:#}");
                }
                *failed += 1;
            }
        }
    }

    fn answers(&self) -> Answers {
        let (micros, failed, first_failure) = &*self.0.lock();
        Answers::of(micros, *failed, first_failure)
    }
}

impl Answers {
    /// What was not sent, since nobody had answered for long, was not answered either.
    fn of_scans(scans: &Offered) -> Self {
        let failed = scans.sent + scans.not_sent - scans.accepted;
        let shed: Vec<_> = scans.shed.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        Self {
            asked: scans.sent + scans.not_sent,
            failed,
            first_failure: if failed == 0 {
                String::new()
            } else {
                format!("scans: {} not sent, {}", scans.not_sent, shed.join(", "))
            },
            answer_ms: scans.answer_ms,
        }
    }

    fn of(micros: &Histogram<u64>, failed: u64, first_failure: &str) -> Self {
        Self {
            asked: micros.len() + failed,
            failed,
            first_failure: first_failure.to_owned(),
            answer_ms: Percentiles::of_us(micros),
        }
    }
}

impl Report {
    fn table(&self, args: &TogetherArgs) -> String {
        let mut table = Table::new(&["what", "asked", "failed", "p50 ms", "p99 ms", "aim"]);
        let aim = |ms: f64, answers: &Answers| {
            let reached = if answers.answer_ms.p99 < ms { "reached" } else { "missed" };
            format!("p99 < {ms} ms: {reached}")
        };
        for (what, answers, aim) in [
            ("polls for footfall", &self.polls, aim(POLL_MS, &self.polls)),
            ("histories", &self.histories, String::new()),
            ("traces of one hop, 14 days", &self.traces, String::new()),
            ("scans", &self.scans, String::new()),
            ("scans until they are visible", &self.probes, aim(FRESH_MS, &self.probes)),
        ] {
            let Percentiles { p50, p99 } = answers.answer_ms;
            let (asked, failed) = (grouped(answers.asked), answers.failed.to_string());
            table.row(vec![what.to_owned(), asked, failed, p50.to_string(), p99.to_string(), aim]);
        }
        let mut memory = Table::new(&["process", "MiB before", "most in the first half", "most in the second half"]);
        for Memory { process, before, first_half, second_half } in &self.memory {
            let mib = |mib: &f64| rounded(*mib).to_string();
            memory.row(vec![process.clone(), mib(before), mib(first_half), mib(second_half)]);
        }
        let all = [&self.polls, &self.histories, &self.traces, &self.scans, &self.probes];
        let failure = all.into_iter().map(|answers| &answers.first_failure).find(|failure| !failure.is_empty());
        format!(
            "{} dashboards, a poll every {} s; {} analysts; {} scans/s; {} s; {} scans stored before\n{}, {} cores, Linux {}; {}\n\n{}\n{}{}",
            args.dashboards,
            args.poll_every_s,
            args.analysts,
            args.scans_per_second,
            self.seconds,
            grouped(self.rows),
            self.machine.cpu,
            self.machine.cores,
            self.machine.kernel,
            self.versions.venuecode.as_deref().unwrap_or("venuecode of unknown version"),
            table.render(),
            memory.render(),
            failure.map(|failure| format!("\nthe first failure: {failure}\n")).unwrap_or_default(),
        )
    }
}
