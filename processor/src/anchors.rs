//! Anchors: every few seconds, how far each chain of the audit log is, written to Kafka.
//!
//! The query service appends to the log and has no access to Kafka; here is nobody who appends. So an entry that is gone,
//! or a whole chain, is missed by what was said of it elsewhere. Several processors say the same.

use std::{collections::HashMap, time::Duration};

use ::metrics::gauge;
use anyhow::{Context, anyhow};
use clickhouse::{Client, Row};
use rdkafka::{Message as _, producer::FutureProducer};
use schemas::events::AuditAnchor;
use serde::Deserialize;
use service::{KafkaConfig, TopicReader, clock::now_ms};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    machine::{Message, outlet::send},
    metrics,
};

/// How often it is looked: what was removed sooner than that is not missed.
const EVERY: Duration = Duration::from_secs(5);
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Entries are older than their insert, and clocks differ.
const MARGIN_MS: i64 = 10 * 60 * 1000;
const HEADS: &str = "SELECT chain, max(sequence) AS last, argMax(hash, sequence) AS head FROM audit_log \
     WHERE at_ms >= {since:Int64} GROUP BY chain SETTINGS max_execution_time = 20";

#[derive(Row, Deserialize)]
struct Head {
    #[serde(with = "clickhouse::serde::uuid")]
    chain: Uuid,
    last: u64,
    head: String,
}

/// Anchors the audit log.
pub struct Anchors {
    /// Where the log is.
    pub clickhouse: Client,
    /// Where anchors go.
    pub producer: FutureProducer,
    /// The same, to be read.
    pub kafka: KafkaConfig,
}

/// What was looked at before.
#[derive(Default)]
struct Past {
    /// When the last time was that all went well, in milliseconds since 1970; at the start, what Kafka says.
    looked_at_ms: Option<i64>,
    /// How far each chain was that had grown lately.
    anchored: HashMap<Uuid, u64>,
}

impl Anchors {
    /// Anchors chains until `stop`; what goes wrong is tried again.
    pub async fn run(self, stop: CancellationToken) {
        let mut past = Past::default();
        // What never goes well is to be noticed, too.
        gauge!(metrics::ANCHORED_AT).set(now_ms() as f64 / 1000.0);
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Err(error) = self.anchor(&mut past).await {
                tracing::warn!(error = format!("{error:#}"), "cannot anchor the audit log yet; trying again");
            }
        }
    }

    /// Writes down how far chains are that have grown since the last time, however long ago that was.
    async fn anchor(&self, past: &mut Past) -> anyhow::Result<()> {
        let looked_at_ms = match past.looked_at_ms {
            Some(looked_at_ms) => looked_at_ms,
            None => self.last_anchored_ms().await?,
        };
        past.looked_at_ms = Some(looked_at_ms);
        let now_ms = now_ms();
        let since_ms = looked_at_ms.saturating_sub(MARGIN_MS);
        let heads = self.clickhouse.query(HEADS).param("since", since_ms).fetch_all::<Head>();
        let heads = tokio::time::timeout(PATIENCE, heads).await.context("ClickHouse does not answer")?;
        let heads = heads.context("cannot read the audit log")?;
        let topic = self.kafka.topics().audit_anchors;
        let message = |head: &Head| {
            let anchor = AuditAnchor::new(head.chain, head.last, head.head.clone(), now_ms);
            Message::new(&topic, head.chain.to_string(), &anchor)
        };
        let grown = heads.iter().filter(|head| past.anchored.get(&head.chain) != Some(&head.last));
        send(&self.producer, &grown.map(message).collect::<Vec<_>>()).await?;
        // A chain that nothing is appended to any more drops out.
        past.anchored = heads.into_iter().map(|head| (head.chain, head.last)).collect();
        past.looked_at_ms = Some(now_ms);
        gauge!(metrics::ANCHORED_AT).set(now_ms as f64 / 1000.0);
        Ok(())
    }

    /// When the last anchor was written, in milliseconds since 1970; 0 before the first one.
    async fn last_anchored_ms(&self) -> anyhow::Result<i64> {
        let kafka = self.kafka.clone();
        tokio::task::spawn_blocking(move || {
            let topic = kafka.topics().audit_anchors;
            let mut last_ms = 0;
            // The topic has one partition. Before its first record it is read from there, which is nothing.
            let end = TopicReader::try_new(&kafka, &[(&topic, 0)])?.behind();
            TopicReader::try_new_at(&kafka, &[(&topic, 0, Some((end - 1).max(0)))])?.read_to_end(
                PATIENCE,
                |message| {
                    let anchor = AuditAnchor::try_parse(message.payload().unwrap_or_default());
                    last_ms = last_ms.max(anchor.map_or(0, |anchor| anchor.at_ms));
                },
            )?;
            Ok(last_ms)
        })
        .await
        .map_err(|_| anyhow!("the reader has ended"))?
    }
}
