//! Readiness: waits until ClickHouse has the tables that this build reads. It does not make them.

use std::time::Duration;

use schemas::ddl::VERSION;
use service::{ClickHouseConfig, Readiness, migrate};

/// Name of the readiness condition.
pub const CONDITION: &str = "tables";

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns when the tables are at this build's version; until then the condition says what is missing.
pub async fn until_there(config: ClickHouseConfig, readiness: Readiness) {
    let mut wait = FIRST_WAIT;
    loop {
        match tokio::time::timeout(PATIENCE, migrate::applied_version(&config)).await {
            Ok(Ok(VERSION)) => break,
            Ok(Ok(version)) => readiness.unmet(CONDITION, format!("at version {version}, expected {VERSION}")),
            Err(_) => readiness.unmet(CONDITION, "ClickHouse takes too long to answer"),
            Ok(Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "waiting for clickhouse");
                readiness.unmet(CONDITION, "ClickHouse does not answer");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    readiness.met(CONDITION);
    tracing::info!(version = VERSION, "the tables are there: ready");
}
