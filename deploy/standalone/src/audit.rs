//! `venuecode audit`: holds the log of who read whose movements against itself and against its anchors on Kafka.

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use query_api::audit::AuditConfig;
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use schemas::audit::{AuditEntry, Finding, Verification};
use schemas::events::AuditAnchor;
use service::clock::now_ms;
use service::kafka::partition_count;
use service::secret::read_key_ring;
use service::{ClickHouseConfig, KafkaConfig, TopicReader};
use tokio::io::AsyncBufReadExt;

/// Shown under `venuecode audit --help`.
pub const EXAMPLES: &str = "\
Each entry has the hash of the one before it in its chain, by a key of the query service, and the processor tells Kafka
every few seconds how far each chain is. So whoever changes, removes, doubles, exchanges or puts in entries in ClickHouse
is found out; the last minute need not be anchored yet. The exit status is 1 when something is wrong, and the first entry
that is wrong is named of each chain.

Examples:
  Of `venuecode up --data ./data`:
    VENUECODE_CLICKHOUSE_PASSWORD=$(cat data/secrets/clickhouse-query) venuecode audit verify \\
      --clickhouse-user query --audit-key-file data/secrets/audit.keys

  Of a cluster:
    venuecode audit verify --clickhouse http://clickhouse-1:8123 --clickhouse-user auditor \\
      --kafka kafka-1:9092 --audit-key-file audit.keys";

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
    audit: AuditConfig,
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
    let keys = read_key_ring(&args.audit.audit_key_file).context("--audit-key-file")?;
    // These first: what an anchor knows was in ClickHouse before.
    let now_ms = now_ms();
    let kafka = args.kafka.clone();
    let anchors = tokio::task::spawn_blocking(move || read_anchors(&kafka)).await??;
    let known = anchors.len();
    let Finding { chains, entries, faults } =
        verify(&args.clickhouse, Verification::new(&keys, anchors, now_ms)).await?;
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("chains={chains} entries={entries} anchors={known} faults={}", faults.len());
    ensure!(faults.is_empty(), "the audit log is not as it was written: {} faults", faults.len());
    Ok(())
}

async fn verify(clickhouse: &ClickHouseConfig, mut verification: Verification<'_>) -> anyhow::Result<Finding> {
    let client = clickhouse.query_client().with_setting("output_format_json_quote_64bit_integers", "0");
    let mut lines = client.query(ENTRIES).fetch_bytes("JSONEachRow").context("cannot read the audit log")?.split(b'\n');
    while let Some(line) = lines.next_segment().await.context("cannot read the audit log")? {
        // Not serde's words: they may repeat a value.
        // What is no text was not written by the service; it is found by its hash.
        let line = String::from_utf8_lossy(&line);
        let entry: AuditEntry = serde_json::from_str(&line).ok().context("an entry of the audit log cannot be read")?;
        verification.see(&entry);
    }
    Ok(verification.finish())
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
    ensure!(unreadable == 0, "{unreadable} anchors on {topic} cannot be read");
    Ok(anchors)
}
