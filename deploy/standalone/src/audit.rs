//! `venuecode audit`: holds the log of who read whose movements against itself and against its anchors on Kafka.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use schemas::audit::{AuditEntry, Verification};
use schemas::events::AuditAnchor;
use service::kafka::partition_count;
use service::{ClickHouseConfig, KafkaConfig, TopicReader};
use tokio::io::AsyncBufReadExt;

/// Shown under `venuecode audit --help`.
pub const EXAMPLES: &str = "\
Each entry has the hash of the one before it in its chain, and the processor tells Kafka every few seconds how far each
chain is. So whoever changes, removes, doubles or exchanges entries in ClickHouse is found out; the last few seconds are
not anchored yet. The exit status is 1 when something is wrong, and the first entry that is wrong is named.

Examples:
  Of `venuecode up --data ./data`:
    VENUECODE_CLICKHOUSE_PASSWORD=$(cat data/secrets/clickhouse-query) venuecode audit verify --clickhouse-user query

  Of a cluster:
    venuecode audit verify --clickhouse http://clickhouse-1:8123 --clickhouse-user auditor --kafka kafka-1:9092";

const READ_TIMEOUT: Duration = Duration::from_secs(600);
const ENTRIES: &str = "SELECT * FROM audit_log ORDER BY chain, sequence";

/// Subcommands of `venuecode audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Find what was changed, removed, doubled or exchanged in the audit log.
    Verify(VerifyArgs),
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    clickhouse: ClickHouseConfig,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Runs a subcommand.
///
/// # Errors
/// Kafka or ClickHouse cannot be read, or the log is not as it was written.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify(args) = command;
    // These first: what an anchor knows was in ClickHouse before.
    let kafka = args.kafka.clone();
    let anchors = tokio::task::spawn_blocking(move || read_anchors(&kafka)).await??;
    let known = anchors.len();
    let verification = verify(&args.clickhouse, anchors).await?;
    println!("chains={} entries={} anchors={known} faults=0", verification.chains, verification.entries);
    Ok(())
}

async fn verify(clickhouse: &ClickHouseConfig, anchors: Vec<AuditAnchor>) -> anyhow::Result<Verification> {
    const NOT_WHOLE: &str = "the audit log is not as it was written";
    let mut verification = Verification::new(anchors).context(NOT_WHOLE)?;
    let client = clickhouse.query_client().with_setting("output_format_json_quote_64bit_integers", "0");
    let mut lines = client.query(ENTRIES).fetch_bytes("JSONEachRow").context("cannot read the audit log")?.lines();
    while let Some(line) = lines.next_line().await.context("cannot read the audit log")? {
        // Not serde's words: they may repeat a value.
        let entry: AuditEntry = serde_json::from_str(&line).ok().context("an entry of the audit log cannot be read")?;
        verification.see(&entry).context(NOT_WHOLE)?;
    }
    verification.finish().context(NOT_WHOLE)
}

fn read_anchors(kafka: &KafkaConfig) -> anyhow::Result<Vec<AuditAnchor>> {
    let topic = kafka.topics().audit_anchors;
    let consumer: BaseConsumer = kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let partitions: Vec<_> = (0..partition_count(&consumer, &topic)?).map(|number| (topic.as_str(), number)).collect();
    let (mut anchors, mut unreadable) = (Vec::new(), 0);
    TopicReader::try_new(kafka, &partitions)?.read_to_end(READ_TIMEOUT, |message| {
        match AuditAnchor::try_parse(message.payload().unwrap_or_default()) {
            Ok(anchor) => anchors.push(anchor),
            Err(_) => unreadable += 1,
        }
    })?;
    anyhow::ensure!(unreadable == 0, "{unreadable} anchors on {topic} cannot be read");
    Ok(anchors)
}
