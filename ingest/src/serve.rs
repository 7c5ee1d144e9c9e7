//! Runs the gateway: listens, keeps the tables, and ends without losing what it took.

use std::{sync::Arc, time::Duration};

use anyhow::{anyhow, bail};
use service::shutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Config, Gateway, routes::router, tables::Loader};

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

/// Serves on a listener until `shutdown`; then answers what is under way and waits for Kafka to have it all.
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
    let tables_end = CancellationToken::new();
    let loader = Loader {
        kafka: config.kafka,
        city: gateway.city.profile.clone(),
        tables: Arc::clone(&gateway.tables),
        readiness: gateway.readiness.clone(),
        shutdown: tables_end.clone(),
    }
    .spawn()?;
    let upkeep = tokio::spawn(keep_up(Arc::clone(&gateway)));

    let stop = shutdown.child_token();
    let serving = service::http::serve(router(Arc::clone(&gateway)), listener, stop.clone());
    let outcome = until_drained(serving, &stop, &gateway.failed_for_good).await;

    upkeep.abort();
    tables_end.cancel();
    let ending = Arc::clone(&gateway);
    tokio::task::spawn_blocking(move || {
        ending.producer.flush();
        loader.join().map_err(|_| anyhow!("the thread that keeps the tables has panicked"))
    })
    .await??;
    tracing::info!("stopped");
    outcome
}

/// Waits for the server to end, which it does at `stop`, or stops it when the producer has failed for good.
async fn until_drained(
    serving: impl Future<Output = anyhow::Result<()>>,
    stop: &CancellationToken,
    failed_for_good: &CancellationToken,
) -> anyhow::Result<()> {
    let overdue = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = failed_for_good.cancelled() => stop.cancel(),
        }
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = serving => ended?,
        () = overdue => tracing::warn!("some clients did not finish in {} s", DRAIN.as_secs()),
    }
    if failed_for_good.is_cancelled() {
        bail!("the Kafka producer cannot go on; the log says why");
    }
    Ok(())
}

async fn keep_up(gateway: Arc<Gateway>) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    let mut upkeeps = 0;
    loop {
        every.tick().await;
        gateway.prometheus.run_upkeep();
        upkeeps += 1;
        if upkeeps % UPKEEPS_PER_CLEARING == 0 {
            gateway.limiter.forget_idle();
        }
    }
}
