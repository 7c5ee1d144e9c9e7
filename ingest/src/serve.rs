//! Runs the gateway: listens, keeps the tables, and ends without losing what it took.

use std::{sync::Arc, time::Duration};

use anyhow::{anyhow, bail};
use service::shutdown::{self, WholeOrNone};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Gateway, connections, route, routes,
    spool::drain,
    tables::{Keeper, Loader, Trips, age},
};

/// The condition of `/readyz` that is there at the end only.
const STOPPING: &str = "stopping";
/// How long requests that are under way get to end.
const DRAIN: Duration = Duration::from_secs(20);
/// How often measurements are folded together; they pile up in memory until then.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How many upkeeps there are to one clearing of the limiter.
const UPKEEPS_PER_CLEARING: u32 = 12;

/// Listens where the configuration says, and serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting cannot be used, the port is taken, or Kafka's client fails for good.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let gateway = Gateway::try_new(&config)?;
    let shutdown = shutdown::on_signal()?;
    let listener = config.http.bind().await?;
    serve_gateway(gateway, config, listener, shutdown).await
}

/// Serves on a listener until `shutdown`; then answers what is under way and waits until Kafka or the spool
/// has it all.
///
/// # Errors
/// When a setting cannot be used, or Kafka's client fails for good.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    serve_gateway(Gateway::try_new(&config)?, config, listener, shutdown).await
}

async fn serve_gateway(
    gateway: Arc<Gateway>,
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, city = config.city.name, "listening");
    let end = CancellationToken::new();
    let every = Duration::from_secs(config.tables.tables_every_s.into());
    let whole = || WholeOrNone(gateway.failed_for_good.clone());
    let keeper =
        gateway.snapshots.clone().map(|snapshots| Arc::new(Keeper::new(snapshots, Arc::clone(&gateway.tables))));
    let keeping = keeper.as_ref().map(|keeper| keeper.spawn(every, end.clone())).transpose()?;
    let follow = |trips: Arc<Trips>| trips.follow(config.kafka.clone(), end.clone(), whole());
    let following = gateway.trips.clone().map(follow).transpose()?;
    let watching = age::watch(Arc::clone(&gateway.tables), &config.kafka, end.clone(), whole())?;
    let loader = Loader {
        kafka: config.kafka,
        city: gateway.city.profile.clone(),
        tables: Arc::clone(&gateway.tables),
        keeper: keeper.clone(),
        readiness: gateway.readiness.clone(),
        shutdown: end.clone(),
        failed_for_good: gateway.failed_for_good.clone(),
    }
    .spawn()?;
    let upkeep = tokio::spawn(whole().around(keep_up(Arc::clone(&gateway))));
    let draining = tokio::spawn(whole().around(drain::run(Arc::clone(&gateway))));
    let patience = Duration::from_millis(config.spool.spool_after_ms.into());
    tokio::spawn(whole().around(route::watch(Arc::clone(&gateway), patience, end.clone())));
    let (pacing, pace_end) = (Arc::clone(&gateway), end.clone());
    tokio::spawn(whole().around(async move { pacing.admission.keep_pace(pace_end).await }));
    tokio::spawn(whole().around(Arc::clone(&gateway.verifier).watch(end.clone())));

    let stop = CancellationToken::new();
    let answerer = routes::Answerer::new(Arc::clone(&gateway));
    let serving = connections::serve(
        |address| answerer.service_for(address),
        listener,
        Arc::clone(&gateway.clients),
        stop.clone(),
    );
    let delay = Duration::from_millis(config.shutdown.shutdown_delay_ms.into());
    let asked = asked_to_stop(&gateway, &shutdown, delay, &stop);
    until_answered(serving, asked).await;

    upkeep.abort();
    // What it has not sent stays in the spool.
    draining.abort();
    let ending = Arc::clone(&gateway);
    tokio::task::spawn_blocking(move || {
        ending.producer.flush(!ending.route.is_spooling());
        if let Some(spool) = &ending.spool {
            spool.close();
        }
        end.cancel();
        loader.join().map_err(|_| anyhow!("the thread that keeps the tables has panicked"))?;
        watching.join().map_err(|_| anyhow!("the thread that watches the tables has panicked"))?;
        if let Some(following) = following {
            following.join().map_err(|_| anyhow!("the thread that reads trips has panicked"))?;
        }
        if let (Some(keeper), Some(keeping)) = (keeper, keeping) {
            keeping.join().map_err(|_| anyhow!("the thread that writes snapshots has panicked"))?;
            keeper.write();
        }
        anyhow::Ok(())
    })
    .await??;
    if gateway.failed_for_good.is_cancelled() {
        bail!("a part of the gateway cannot go on; the log says why");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Stops the server when asked to, or when a part of it has failed for good; `/readyz` says so first.
async fn asked_to_stop(gateway: &Gateway, shutdown: &CancellationToken, delay: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {
            gateway.readiness.unmet(STOPPING, "asked to stop");
            tokio::time::sleep(delay).await;
        }
        () = gateway.failed_for_good.cancelled() => {
            gateway.readiness.unmet(STOPPING, "cannot go on");
            // From here on the end has a time limit.
            shutdown.cancel();
        }
    }
    stop.cancel();
}

/// Waits for the server to end, once it is asked to, but not for ever.
async fn until_answered(serving: impl Future<Output = ()>, asked: impl Future<Output = ()>) {
    let overdue = async {
        asked.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue => tracing::warn!("some clients did not finish in {} s", DRAIN.as_secs()),
    }
}

async fn keep_up(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    let mut upkeeps = 0;
    loop {
        every.tick().await;
        gateway.prometheus.run_upkeep();
        gateway.admission.show_connections(gateway.clients.connections());
        upkeeps += 1;
        if upkeeps % UPKEEPS_PER_CLEARING == 0 {
            gateway.limiter.forget_idle();
            gateway.clients.forget_gone();
        }
    }
}
