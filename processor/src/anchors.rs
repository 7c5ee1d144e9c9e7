//! Anchors: every few seconds, how far each chain of the audit log is, written to Kafka.
//!
//! The query service appends to the log and has no access to Kafka; here is nobody who appends. So an entry that is gone,
//! or a whole chain, is missed by what was said of it elsewhere. Several processors say the same.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use clickhouse::{Client, Row};
use rdkafka::producer::FutureProducer;
use schemas::events::AuditAnchor;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::machine::{Message, outlet::send, runner::now_ms};

/// How often it is looked: what was removed sooner than that is not missed.
const EVERY: Duration = Duration::from_secs(5);
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chains that were not written to for so long are at their end; entries are as old as the insert, so a day is plenty.
const LOOK_BACK_MS: i64 = 24 * 3600 * 1000;
const HEADS: &str = "SELECT chain, max(sequence) AS last, argMax(hash, sequence) AS head FROM audit_log \
     WHERE at_ms >= {since:Int64} GROUP BY chain SETTINGS max_execution_time = 20";

#[derive(Row, Deserialize)]
struct Head {
    #[serde(with = "clickhouse::serde::uuid")]
    chain: Uuid,
    last: u64,
    head: String,
}

/// Anchors chains until `stop`; what goes wrong is tried again.
pub async fn run(clickhouse: Client, producer: FutureProducer, topic: String, stop: CancellationToken) {
    let mut anchored = HashMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Err(error) = anchor(&clickhouse, &producer, &topic, &mut anchored).await {
            tracing::warn!(error = format!("{error:#}"), "cannot anchor the audit log yet; trying again");
        }
    }
}

/// Writes down how far chains are that have grown since.
async fn anchor(
    clickhouse: &Client,
    producer: &FutureProducer,
    topic: &str,
    anchored: &mut HashMap<Uuid, u64>,
) -> anyhow::Result<()> {
    let now_ms = now_ms();
    let heads = clickhouse.query(HEADS).param("since", now_ms - LOOK_BACK_MS).fetch_all::<Head>();
    let heads = tokio::time::timeout(PATIENCE, heads).await.context("ClickHouse does not answer")?;
    let heads = heads.context("cannot read the audit log")?;
    let grown: Vec<Head> = heads.into_iter().filter(|head| anchored.get(&head.chain) != Some(&head.last)).collect();
    let message = |head: &Head| {
        let anchor = AuditAnchor::new(head.chain, head.last, head.head.clone(), now_ms);
        // A struct of strings and numbers always serialises.
        let value = serde_json::to_vec(&anchor).unwrap_or_default();
        Message { topic: topic.to_owned(), key: head.chain.to_string(), value }
    };
    send(producer, &grown.iter().map(message).collect::<Vec<_>>()).await?;
    anchored.extend(grown.into_iter().map(|head| (head.chain, head.last)));
    Ok(())
}
