//! Everything that reads: tracing, visits, visitors, footfall, statistics and posters over HTTP, out of ClickHouse.
//!
//! A request goes through [`routes`] (check the input), [`store`] (ask ClickHouse) and [`exposure`] (who stayed where
//! and met whom, purely; `inquiry` leads a trace through both); [`poster`] prints what hangs at a door, and [`page`] is
//! what its code opens. Whose movements are read takes a release ([`release`], [`permit`]), and is in the audit log
//! ([`audit`]) before it is answered: nothing else here writes, to Kafka or to ClickHouse. [`live`] counts for all who
//! listen, and the `board` for all who poll; long traces wait as [`jobs`], and tables leave as files ([`export`]). What
//! is kept in memory, but for the results of jobs, is told by ClickHouse again within seconds: footfall (25 at most,
//! unless set otherwise), the directory, releases.

mod answer;
pub mod audit;
mod board;
pub mod buckets;
pub mod config;
mod directory;
pub mod error;
pub mod export;
pub mod exposure;
pub mod identities;
mod input;
mod inquiry;
pub mod jobs;
mod limits;
pub mod live;
pub mod metrics;
pub mod page;
mod permit;
pub mod poster;
mod refusals;
pub mod release;
pub mod report;
pub mod routes;
mod state;
pub mod store;
pub mod suppression;
mod tables;
mod turns;

use std::sync::Arc;

use anyhow::ensure;
use axum::Router;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use config::{Config, QueryConfig};
pub use error::{QueryError, TooMany};
pub use routes::router;
pub use state::AppState;

/// Serves on the configured address until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the configuration cannot be used or the port cannot be opened.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let state = AppState::try_new(&config)?;
    let shutdown = service::shutdown::on_signal()?;
    let listener = config.http.bind().await?;
    tracing::info!(address = %listener.local_addr()?, "serving queries");
    serve_state(state, &config, listener, shutdown).await
}

/// Serves on an open port until `shutdown`, then answers the requests that are under way and returns.
///
/// # Errors
/// When the configuration cannot be used or the listener fails for good.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    serve_state(AppState::try_new(&config)?, &config, listener, shutdown).await
}

async fn serve_state(
    state: AppState,
    config: &Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let watch = tables::until_there(config.clickhouse.clone(), state.readiness().clone());
    let watch = tokio::spawn(shutdown.clone().run_until_cancelled_owned(watch));
    // Whatever of these ends before it is asked to takes the service with it: without it answers would be late, or there
    // would be none, and nobody would know.
    let mut parts = JoinSet::new();
    parts.spawn(Arc::clone(state.live()).run(shutdown.clone()));
    parts.spawn(Arc::clone(state.directory()).run(shutdown.clone()));
    parts.spawn(Arc::clone(state.board()).run(shutdown.clone()));
    parts.spawn(Arc::clone(state.jobs()).run(state.clone(), shutdown.clone()));
    parts.spawn(Arc::clone(state.verifier()).watch(shutdown.clone()));
    let router: Router = router(state);
    let serving = async {
        let served = service::http::serve(router, listener, shutdown.clone()).await;
        shutdown.cancel();
        served
    };
    let watching = async {
        parts.join_next().await;
        let is_early = !shutdown.is_cancelled();
        shutdown.cancel();
        is_early
    };
    let (served, is_early) = tokio::join!(serving, watching);
    watch.abort();
    ensure!(!is_early, "a part of the service ended by itself");
    served
}
