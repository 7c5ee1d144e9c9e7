//! Forgetting: what is past goes from every table that says so in `schemas::stores`, without anybody asking for it.
//!
//! Whole weeks are dropped, which costs nothing; of the week in which the horizon lies what is past is deleted once a day,
//! right after the city's midnight: its parts are written anew, with the projection. Looked after every hour all the same,
//! since a range that was under way may bring a row back that is past. On Kafka the broker forgets: topics are made to keep
//! messages no longer.
//!
//! Whoever holds partition 0 of `scans` does it. If two should, for a moment, the second finds nothing to do or deletes what
//! is deleted already.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clickhouse::{Client, Row};
use schemas::{
    Retention, UnixSeconds,
    stores::{TABLES, TableKept},
};
use serde::Deserialize;
use service::clock::now_ms;
use tokio_util::sync::CancellationToken;

use crate::{metrics, progress::Progress};

/// How often it is looked whether there is something to do, or the day is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often tables are looked through.
const EVERY: Duration = Duration::from_secs(3600);
/// Wait after a failure.
const PAUSE: Duration = Duration::from_secs(30);
/// How long one statement may take: writing a week of a large city anew takes minutes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Whoever holds this partition of `scans` forgets.
const LEAD: i32 = 0;

/// Forgets what is past until `stop`; what goes wrong is tried again. Without a retention nothing is forgotten, and said.
pub async fn run(clickhouse: Client, retention: Option<Retention>, progress: Arc<Progress>, stop: CancellationToken) {
    ::metrics::gauge!(metrics::RETENTION_OFF).set(f64::from(u8::from(retention.is_none())));
    let Some(retention) = retention else {
        tracing::warn!("nothing is ever forgotten: retention is off. For data of the past only");
        return;
    };
    let mut done: Option<(UnixSeconds, Instant)> = None;
    let mut pause = LOOK_EVERY;
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = LOOK_EVERY;
        let horizon = retention.horizon(now_ms() / 1000);
        if !progress.holds(LEAD) {
            done = None;
        } else if done.is_none_or(|(of, at)| of != horizon || at.elapsed() >= EVERY) {
            match stop.run_until_cancelled(forget(&clickhouse, horizon)).await {
                Some(Ok(())) => done = Some((horizon, Instant::now())),
                Some(Err(error)) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot forget what is past yet; trying again");
                    pause = PAUSE;
                }
                None => {}
            }
        }
    }
}

/// A partition with rows that are past.
#[derive(Row, Deserialize)]
struct Past {
    id: String,
    rows: u64,
    /// 1 if no row of it is not.
    whole: u8,
}

/// Removes every row before the horizon from the tables that go with it.
///
/// # Errors
/// When ClickHouse does not answer or refuses; what was done by then stays done.
pub async fn forget(clickhouse: &Client, horizon: UnixSeconds) -> anyhow::Result<()> {
    for table in TABLES {
        let TableKept::Retention { week, past } = table.kept else { continue };
        let (name, past) = (table.name, past.replace("{horizon}", &horizon.to_string()));
        // A projection has neither the rows nor their partitions.
        let look = format!(
            "SELECT _partition_id AS id, count() AS rows, \
                toUInt8(max({week}) + 7 <= toDate(toDateTime({horizon}, 'UTC'), 'UTC')) AS whole \
             FROM {name} WHERE {past} GROUP BY id ORDER BY id SETTINGS optimize_use_projections = 0"
        );
        let found = clickhouse.query(&look).fetch_all::<Past>();
        let found = in_time(found).await.with_context(|| format!("cannot look for what is past in {name}"))?;
        for Past { id, rows, whole } in found {
            ensure!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{name} has a partition with a strange name");
            let whole = whole == 1;
            let remove = if whole {
                format!("ALTER TABLE {name} DROP PARTITION ID '{id}'")
            } else {
                format!("ALTER TABLE {name} DELETE IN PARTITION ID '{id}' WHERE {past} SETTINGS mutations_sync = 2")
            };
            let removed = in_time(clickhouse.query(&remove).execute()).await;
            removed.with_context(|| format!("cannot remove what is past from {name}"))?;
            ::metrics::counter!(metrics::FORGOTTEN, "table" => name).increment(rows);
            tracing::info!(table = name, partition = id, rows, whole, before = horizon, "forgot what is past");
        }
    }
    ::metrics::gauge!(metrics::HORIZON).set(horizon as f64);
    ::metrics::gauge!(metrics::FORGOT_AT).set(now_ms() as f64 / 1000.0);
    Ok(())
}

async fn in_time<T>(answer: impl Future<Output = Result<T, clickhouse::error::Error>>) -> anyhow::Result<T> {
    Ok(tokio::time::timeout(PATIENCE, answer).await.context("ClickHouse does not answer")??)
}
