//! The processor: joins each scan with its venue and with its person's health as of the scan, and stores it in
//! ClickHouse exactly once.
//!
//! The way of a scan: [`group`] (which partitions are ours) → [`worker`] (one partition, step by step) →
//! [`batch`] (enrich, pure) → [`ledger`] (write the range down) → [`sink`] (store it). What ClickHouse refuses is
//! narrowed down to the row at fault (`worker/storing.rs`).
//!
//! Beside it state machines over logs of commands ([`machine`]): the [`registry`] decides applications for venue codes, the
//! book of [`alerts`] knows what became of each abnormal scan, the loop of [`freight`] what became of each lorry's trip, and
//! bulk changes of health codes wait for their release ([`proposals`]), as does the reading of anyone's movements
//! ([`releases`]) and the erasure of a person, which is carried out here as well ([`erasures`]); [`reminders`] of codes that
//! are missing or not used are answered, settled or escalated. Changes of health codes and registrations, which stay
//! sealed, become rows in the same way. How far the log of such reads is, [`anchors`] say to Kafka. What is older than the
//! city keeps it, [`retention`] forgets.

pub mod alerts;
pub mod anchors;
pub mod backoff;
pub mod batch;
mod beginning;
pub mod config;
pub mod dead_letters;
mod deed;
pub mod directory;
pub mod erasures;
pub mod fault;
pub mod freight;
mod grace;
pub mod group;
mod health_changes;
pub mod history;
mod identities;
pub mod ledger;
pub mod machine;
pub mod metrics;
mod outdated;
pub mod progress;
pub mod proposals;
pub mod recent;
pub mod refusal;
pub mod registry;
pub mod releases;
pub mod reminders;
pub mod retention;
pub mod sink;
pub mod worker;
pub mod workers;

use std::sync::Arc;

use ::metrics::gauge;
use anyhow::{Context, anyhow, bail, ensure};
use axum::Router;
use rdkafka::producer::{FutureProducer, Producer};
use schemas::{CityProfile, Retention};
use service::{
    ErasedPeople, Readiness,
    city::read_city,
    health, http,
    shutdown::{self, WholeOrNone},
    telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

pub use config::{Config, Hold};

use crate::{
    anchors::Anchors,
    backoff::Backoff,
    dead_letters::DeadLetters,
    directory::Directory,
    erasures::carry::Carrier,
    machine::{log, outlet::Outlet, runner},
    progress::Progress,
    registry::rules::Rules,
    sink::Sink,
    workers::Workers,
};

/// Condition of readiness: the tables are at this build's version.
const TABLES: &str = "tables";

/// The processor has no routes of its own.
#[derive(OpenApi)]
#[openapi(info(title = "VenueCode processor", description = "Joins scans with venue and health and stores them."))]
struct Document;

/// Runs the processor until SIGTERM or Ctrl-C, then finishes what is under way.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let listener = config.http.bind().await?;
    serve(config, listener, shutdown::on_signal()?).await
}

/// Runs the processor until `shutdown`; its health endpoints answer on `listener` from the start.
///
/// # Errors
/// When it cannot start, or a part of it fails for good.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let recorder = telemetry::init_metrics()?;
    metrics::describe();
    if let Some(fault) = config.fault {
        tracing::error!(?fault, "this processor makes a mistake on purpose: it loses or doubles scans. Tests only");
    }
    let readiness = Readiness::waiting_for(&[TABLES, directory::READY]);
    let routes = health::with_routes(Router::new(), Document::openapi(), readiness.clone(), recorder);
    let health = tokio::spawn(http::serve(routes, listener, shutdown.clone()));

    let city = read_city(&config.city).context("--city")?;
    if let Some(partitions) = prepare(&config, Retention::of(&city), &readiness, &shutdown).await? {
        process(config, city, partitions, readiness, shutdown.clone()).await?;
    }
    shutdown.cancel();
    health.await.context("the health endpoints failed")?
}

/// Waits for Kafka and ClickHouse and brings both into shape; `None` when asked to stop before.
async fn prepare(
    config: &Config,
    kept: Retention,
    readiness: &Readiness,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<i32>> {
    let prepare = async {
        let partitions = loop {
            match config.kafka.ensure_topics(kept).await {
                Ok(partitions) => break partitions,
                Err(error) => wait(readiness, error).await,
            }
        };
        while let Err(error) = service::migrate::migrate(&config.clickhouse).await {
            wait(readiness, error).await;
        }
        readiness.met(TABLES);
        partitions
    };
    tokio::select! {
        partitions = prepare => Ok(Some(partitions)),
        () = shutdown.cancelled() => Ok(None),
    }
}

async fn wait(readiness: &Readiness, error: anyhow::Error) {
    let error = format!("{error:#}");
    tracing::warn!(error, "not ready yet; trying again");
    readiness.unmet(TABLES, error);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

async fn process(
    config: Config,
    city: CityProfile,
    partitions: i32,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let rules = Rules::of(&city.application);
    let (retention, kept) = (Retention::of(&city), config.retention.of(&city));
    let work = move || {
        let mut producer_config = config.kafka.producer();
        producer_config.set("linger.ms", "0").set("message.timeout.ms", "10000");
        let producer: FutureProducer = producer_config.create().context("cannot set up a Kafka producer")?;
        let dead_letters = open(&stop, || DeadLetters::open(&config.kafka, producer.clone()));
        let directory = open(&stop, || Directory::open(&config.kafka));
        let topics = config.kafka.topics();
        let registry_partitions = open(&stop, || log::partitions(&config.kafka, &topics.applications));
        let alert_partitions = open(&stop, || log::partitions(&config.kafka, &topics.alerts));
        let trip_partitions = open(&stop, || log::partitions(&config.kafka, &topics.trips));
        let proposal_partitions = open(&stop, || log::partitions(&config.kafka, &topics.health_proposals));
        let release_partitions = open(&stop, || log::partitions(&config.kafka, &topics.releases));
        let reminder_partitions = open(&stop, || log::partitions(&config.kafka, &topics.reminders));
        let change_partitions = open(&stop, || log::partitions(&config.kafka, &topics.health));
        let identity_partitions = open(&stop, || log::partitions(&config.kafka, &topics.identities));
        let erasure_partitions = open(&stop, || log::partitions(&config.kafka, &topics.erasures));
        let erased = open(&stop, || ErasedPeople::open(&config.kafka));
        let (Some(dead_letters), Some(directory)) = (dead_letters, directory) else { return Ok(()) };
        let (Some(erasure_partitions), Some(erased)) = (erasure_partitions, erased) else { return Ok(()) };
        ensure!(
            *erasure_partitions == 1,
            "topic {} has {erasure_partitions} partitions: it must have one",
            topics.erasures
        );
        let (Some(registry_partitions), Some(alert_partitions), Some(trip_partitions)) =
            (registry_partitions, alert_partitions, trip_partitions)
        else {
            return Ok(());
        };
        let (Some(proposal_partitions), Some(release_partitions), Some(change_partitions)) =
            (proposal_partitions, release_partitions, change_partitions)
        else {
            return Ok(());
        };
        let (Some(reminder_partitions), Some(identity_partitions)) = (reminder_partitions, identity_partitions) else {
            return Ok(());
        };
        ensure!(
            *registry_partitions <= registry::MAX_PARTITIONS,
            "topic {} has {registry_partitions} partitions: {} are the most",
            topics.applications,
            registry::MAX_PARTITIONS
        );
        let follower = Arc::clone(&directory).follow(
            config.clickhouse.insert_client(),
            Arc::clone(&dead_letters),
            readiness,
            runtime.clone(),
            stop.clone(),
        )?;
        let progress = Arc::new(Progress::default());
        let watch = Arc::clone(&progress).watch(&config.kafka, stop.clone())?;

        let clickhouse = config.clickhouse.query_client();
        let whole = || WholeOrNone(stop.clone());
        let anchors = Anchors { clickhouse, producer: producer.clone(), kafka: config.kafka.clone() };
        let anchors = runtime.spawn(whole().around(anchors.run(stop.clone())));
        let producing = runtime.spawn(whole().around(end_with(producer.clone(), stop.clone())));

        let forgetting = retention::run(config.clickhouse.query_client(), kept, Arc::clone(&progress), stop.clone());
        let forgetting = runtime.spawn(whole().around(forgetting));

        let (kafka, hold) = (config.kafka.clone(), config.hold);
        let machine = |name, topic: &str| runner::Shared {
            name,
            kafka: kafka.clone(),
            topic: topic.to_owned(),
            outlet: Outlet::new(producer.clone(), &config.clickhouse),
            dead_letters: Arc::clone(&dead_letters),
            erased: Arc::clone(&erased),
            runtime: runtime.clone(),
        };
        let carrier = Carrier {
            clickhouse: config.clickhouse.unlogged_client(),
            producer: producer.clone(),
            kafka: kafka.clone(),
            progress: Arc::clone(&progress),
            retention,
            runtime: runtime.clone(),
        };
        let registry = registry::job(machine("registry", &topics.applications), rules, Arc::clone(&directory));
        let alerts = alerts::job(machine("alerts", &topics.alerts), config.escalate_after(), kept);
        let freight = freight::job(machine("freight", &topics.trips), retention);
        let proposals = proposals::job(machine("proposals", &topics.health_proposals));
        let releases = releases::job(machine("releases", &topics.releases));
        let reminders = reminders::job(machine("reminders", &topics.reminders));
        let changes = health_changes::job(machine("health-changes", &topics.health));
        let identities = identities::job(machine("identities", &topics.identities));
        let erasures = erasures::job(machine("erasures", &topics.erasures), carrier);
        let scans = worker::job(worker::Shared {
            sink: Sink::new(&config.clickhouse, config.batch.insert_timeout(), config.fault),
            erased,
            progress,
            retention: kept,
            fault: config.fault,
            kafka: config.kafka,
            batch: config.batch,
            producer: producer.clone(),
            directory,
            dead_letters,
            runtime: runtime.clone(),
        });
        let machine_count = |machine: &'static str| gauge!(metrics::MACHINE_PARTITIONS, "machine" => machine);
        let scans = Workers::new("scans", scans, gauge!(metrics::PARTITIONS), stop.clone());
        let registry = Workers::new("registry", registry, machine_count("registry"), stop.clone());
        let alerts = Workers::new("alerts", alerts, machine_count("alerts"), stop.clone());
        let freight = Workers::new("freight", freight, machine_count("freight"), stop.clone());
        let proposals = Workers::new("proposals", proposals, machine_count("proposals"), stop.clone());
        let releases = Workers::new("releases", releases, machine_count("releases"), stop.clone());
        let reminders = Workers::new("reminders", reminders, machine_count("reminders"), stop.clone());
        let changes = Workers::new("health-changes", changes, machine_count("health-changes"), stop.clone());
        let identities = Workers::new("identities", identities, machine_count("identities"), stop.clone());
        let erasures = Workers::new("erasures", erasures, machine_count("erasures"), stop.clone());
        let result = match hold {
            Hold::Group => {
                let take_part = |group: &str, topic: &str, workers| {
                    let group = format!("{}{group}", kafka.topic_prefix);
                    let result = group::take_part(&kafka, (&group, topic), workers, &stop);
                    // Without its partitions the rest is no processor.
                    stop.cancel();
                    result
                };
                std::thread::scope(|scope| {
                    let machines = [
                        scope.spawn(|| take_part("registry", &topics.applications, registry)),
                        scope.spawn(|| take_part("alerts", &topics.alerts, alerts)),
                        scope.spawn(|| take_part("freight", &topics.trips, freight)),
                        scope.spawn(|| take_part("proposals", &topics.health_proposals, proposals)),
                        scope.spawn(|| take_part("releases", &topics.releases, releases)),
                        scope.spawn(|| take_part("reminders", &topics.reminders, reminders)),
                        scope.spawn(|| take_part("health-changes", &topics.health, changes)),
                        scope.spawn(|| take_part("identities", &topics.identities, identities)),
                        scope.spawn(|| take_part("erasures", &topics.erasures, erasures)),
                    ];
                    let scans = take_part("processor", &topics.scans, scans);
                    let ended =
                        machines.map(|machine| machine.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))));
                    ended.into_iter().fold(scans, Result::and)
                })
            }
            Hold::All => {
                let workers = [
                    (scans, partitions),
                    (registry, *registry_partitions),
                    (alerts, *alert_partitions),
                    (freight, *trip_partitions),
                    (proposals, *proposal_partitions),
                    (releases, *release_partitions),
                    (reminders, *reminder_partitions),
                    (changes, *change_partitions),
                    (identities, *identity_partitions),
                    (erasures, *erasure_partitions),
                ];
                workers::hold_all(workers, &runtime, &stop)
            }
        };
        stop.cancel();
        let tasks = runtime.block_on(async { [anchors.await, forgetting.await, producing.await] });
        let threads = [follower.join(), watch.join()];
        let has_panicked = tasks.iter().any(Result::is_err) || threads.iter().any(Result::is_err);
        if let Some((code, reason)) = producer.client().fatal_error() {
            bail!("the Kafka producer cannot go on: {code}: {reason}");
        }
        producer.flush(std::time::Duration::from_secs(5)).context("cannot flush the producer")?;
        ensure!(!has_panicked, "a part of the processor has panicked");
        result
    };
    tokio::task::spawn_blocking(work).await.context("the processor failed")?
}

/// Ends the processor once its producer has failed for good, as an idempotent one does when the broker has lost what it
/// acknowledged: it takes nothing any more, and another one goes on.
async fn end_with(producer: FutureProducer, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if producer.client().fatal_error().is_some() {
            stop.cancel();
        }
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), stop.cancelled()).await;
    }
}

/// Tries until Kafka answers, which was there a moment ago; `None` when asked to stop before.
fn open<T>(stop: &CancellationToken, try_open: impl Fn() -> anyhow::Result<T>) -> Option<Arc<T>> {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        match try_open() {
            Ok(opened) => return Some(Arc::new(opened)),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot read from Kafka yet; trying again"),
        }
        backoff.wait(stop);
    }
    None
}
