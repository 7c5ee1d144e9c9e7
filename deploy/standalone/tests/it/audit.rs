//! The audit log of a whole system: reads by a release of two accounts, a user that may append and nothing else, and what
//! `venuecode audit verify` says to everything that can be done to the log in ClickHouse.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::Message;
use schemas::audit::{AuditRead, Chain};
use schemas::events::AuditAnchor;
use schemas::{KeyRing, PersonKey, topics};
use service::{KafkaConfig, TopicReader};
use uuid::Uuid;

use crate::stack::Stack;
use crate::support::{eventually, sql};

const PATIENCE: Duration = Duration::from_secs(30);

struct Log {
    stack: Stack,
}

impl Log {
    fn password(&self, user: &str) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.stack.data.path().join("secrets").join(format!("clickhouse-{user}")))?
            .trim()
            .to_owned())
    }

    fn sql(&self, user: &str, statement: &str) -> anyhow::Result<(String, String)> {
        sql(&self.stack.clickhouse(), (user, &self.password(user)?), statement)
    }

    fn admin(&self, statement: &str) -> anyhow::Result<()> {
        let (status, answer) = self.sql("admin", statement)?;
        ensure!(status == "200", "{statement}: {answer}");
        Ok(())
    }

    /// Fails unless the user of the query service is told that it lacks a right.
    fn denies(&self, statement: &str) -> anyhow::Result<()> {
        self.denies_to("query", statement)
    }

    /// Fails unless a user is told that it lacks a right.
    fn denies_to(&self, user: &str, statement: &str) -> anyhow::Result<()> {
        const ACCESS_DENIED: &str = "Code: 497.";
        let (_, answer) = self.sql(user, statement)?;
        ensure!(answer.contains(ACCESS_DENIED), "{user}: {statement}: {answer}");
        Ok(())
    }

    /// The highest number that an anchor has.
    fn anchored(&self) -> anyhow::Result<u64> {
        let kafka = KafkaConfig {
            brokers: self.stack.kafka(),
            topic_prefix: String::new(),
            partitions: 1,
            replication: Some(1),
            kafka_idempotence: false,
            kafka_compaction_lag: false,
        };
        let mut last = 0;
        TopicReader::try_new(&kafka, &[(topics::AUDIT_ANCHORS, 0)])?.read_to_end(PATIENCE, |message| {
            let anchor = AuditAnchor::try_parse(message.payload().unwrap_or_default());
            last = last.max(anchor.map_or(0, |anchor| anchor.sequence));
        })?;
        Ok(last)
    }

    /// What `venuecode audit verify` prints, as the user of the query service.
    fn verify(&self) -> anyhow::Result<String> {
        let (kafka, clickhouse) = (self.stack.kafka(), format!("http://{}", self.stack.clickhouse()));
        let password = self.password("query")?;
        let engines = ["--kafka", &kafka, "--clickhouse", &clickhouse];
        let user = ["--clickhouse-user", "query", "--clickhouse-password", &password];
        let keys = self.stack.data.path().join("secrets/audit.keys").display().to_string();
        self.stack.run(&[&["audit", "verify", "--audit-key-file", &keys][..], &engines, &user].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_log_in_clickhouse_is_found() -> anyhow::Result<()> {
    let log = Log { stack: Stack::start()? };
    let (api, time) = (log.stack.query_api()?, (1_653_000_000, 1_653_086_400));
    let person = PersonKey::from_u64(1 << 60 | 7).context("a key")?;
    let release = api.release(&[person], time, 1).await?;
    for _ in 0..3 {
        api.visits(release, person, time).await?;
    }
    api.trace(release, person, time, 30).await?;
    let other = PersonKey::from_u64(1 << 60 | 8).context("a key")?;
    let refused = api.visits(release, other, time).await.expect_err("it names somebody else").to_string();
    ensure!(refused.contains("status 403"), "{refused}");
    eventually("the last entry to be anchored", || log.anchored().is_ok_and(|last| last == 4).then_some(()))?;
    let whole = log.verify()?;
    ensure!(whole.starts_with("chains=1 entries=4 anchors=") && whole.contains("faults=0"), "{whole}");

    only_appends(&log)?;
    let changes = CHANGES.iter().map(|change| change.replace("venuecode.T", "venuecode.audit_log"));
    for change in changes.chain(["DROP DATABASE venuecode".to_owned()]) {
        log.denies_to("processor", &change)?;
    }
    ensure!(log.verify()?.contains("entries=4"), "what was refused has changed nothing");

    log.admin("CREATE TABLE venuecode.kept ENGINE = MergeTree ORDER BY (chain, sequence) AS SELECT * FROM venuecode.audit_log")?;
    let replace =
        |columns: &str| format!("INSERT INTO venuecode.audit_log SELECT * REPLACE ({columns}) FROM venuecode.kept");
    for (tampering, finding) in [
        (replace("if(sequence = 2, 'somebody', account) AS account"), "entry 2: it was changed"),
        (replace("if(sequence = 3, arrayMap(p -> p + 1, persons), persons) AS persons"), "entry 3: it was changed"),
        (replace("if(sequence = 4, at_ms - 1000, at_ms) AS at_ms"), "entry 4: it was changed"),
        (replace("multiIf(sequence = 2, 3, sequence = 3, 2, sequence) AS sequence"), "entry 2: it was changed"),
        (replace("sequence AS sequence") + " WHERE sequence != 2", "entry 2: it was removed"),
        (replace("sequence AS sequence") + " WHERE sequence != 1", "entry 1: it was removed"),
        (replace("sequence AS sequence") + " WHERE sequence != 4", "entry 4: it was removed, and all that came after"),
        (replace("sequence AS sequence") + " WHERE false", "the whole chain was removed"),
        (
            replace("sequence AS sequence") + " ARRAY JOIN range(if(sequence = 3, 2, 1)) AS twice",
            "entry 3: it is there twice",
        ),
    ] {
        log.admin("TRUNCATE TABLE venuecode.audit_log")?;
        log.admin(&tampering)?;
        let said = log.verify().expect_err(&tampering).to_string();
        ensure!(said.contains(finding), "{tampering}: {said}");
    }
    log.admin("TRUNCATE TABLE venuecode.audit_log")?;
    log.admin(&replace("sequence AS sequence"))?;
    ensure!(log.verify()?.contains("entries=4"), "put back, it is whole again");
    let tampered_twice = replace("if(sequence = 2, 'somebody', account) AS account")
        + " UNION ALL SELECT * REPLACE (toUUID('00000000-0000-0000-0000-000000000002') AS chain) FROM venuecode.kept";
    // At the end: the processor may anchor what it finds, and that there is such a chain stays said.
    // By whoever has taken over the user that appends, with hashes that fit each other, but without the key.
    let theirs = KeyRing::try_parse(&format!("1:{}", "0".repeat(64)))?;
    let mut forged = Chain::new(Uuid::from_u128(1), Arc::new(theirs));
    for _ in 0..2 {
        let entry = serde_json::to_string(&forged.append(chrono::Utc::now().timestamp_millis(), AuditRead::default()))?;
        let (status, answer) =
            log.sql("query", &format!("INSERT INTO venuecode.audit_log FORMAT JSONEachRow {entry}"))?;
        ensure!(status == "200", "{answer}");
    }
    let said = log.verify().expect_err("a chain that was put in").to_string();
    ensure!(said.contains("00000001, entry 1: it was changed, or put in"), "{said}");
    // Each chain that is wrong is named, and counted.
    log.admin("TRUNCATE TABLE venuecode.audit_log")?;
    log.admin(&tampered_twice)?;
    let said = log.verify().expect_err("two chains that were changed").to_string();
    ensure!(said.contains("entry 2: it was changed") && said.contains("00000002, entry 1: it was changed"), "{said}");
    ensure!(said.contains("faults=2") || said.contains("faults=3"), "{said}");
    Ok(())
}

/// What changes a table `venuecode.T` or what is in it.
const CHANGES: &[&str] = &[
    "ALTER TABLE venuecode.T DELETE WHERE true",
    "ALTER TABLE venuecode.T ADD COLUMN mine UInt8",
    "ALTER TABLE venuecode.T DROP PARTITION ALL",
    "ALTER TABLE venuecode.T MODIFY TTL now()",
    "ALTER TABLE venuecode.T MODIFY SETTING fsync_after_insert = 0",
    "DELETE FROM venuecode.T WHERE true",
    "TRUNCATE TABLE venuecode.T",
    "DROP TABLE venuecode.T",
    "DETACH TABLE venuecode.T",
    "RENAME TABLE venuecode.T TO venuecode.mine",
    "OPTIMIZE TABLE venuecode.T FINAL",
    "CREATE OR REPLACE TABLE venuecode.T (mine UInt8) ENGINE = Memory",
];

/// Holds the user of the query service to reading, and to appending to the log: whoever takes the service over can neither
/// change what it reads nor what it wrote down.
fn only_appends(log: &Log) -> anyhow::Result<()> {
    let (status, tables) = log.sql("admin", "SELECT name FROM system.tables WHERE database = 'venuecode'")?;
    ensure!(status == "200" && tables.lines().count() >= 10, "{tables}");
    for table in tables.lines() {
        let append = format!("INSERT INTO venuecode.{table} SELECT * FROM venuecode.{table} WHERE false");
        match table {
            "audit_log" => ensure!(log.sql("query", &append)?.0 == "200", "{append}"),
            _ => log.denies(&append)?,
        }
        for change in CHANGES {
            log.denies(&change.replace("venuecode.T", &format!("venuecode.{table}")))?;
        }
    }
    for statement in [
        "ALTER TABLE venuecode.audit_log UPDATE account = '' WHERE true",
        "EXCHANGE TABLES venuecode.audit_log AND venuecode.releases",
        "CREATE TABLE venuecode.mine (x UInt8) ENGINE = Memory",
        "CREATE MATERIALIZED VIEW venuecode.mine TO venuecode.releases AS SELECT * FROM venuecode.audit_log",
        "CREATE DATABASE mine",
        "DROP DATABASE venuecode",
        "CREATE USER mine",
        "ALTER USER query IDENTIFIED BY 'mine'",
        "GRANT INSERT ON venuecode.* TO query",
        "BACKUP TABLE venuecode.audit_log TO File('mine')",
        "SYSTEM STOP MERGES venuecode.audit_log",
        "INSERT INTO FUNCTION file('mine.csv', 'CSV', 'x String') SELECT 'x'",
        "INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'x String') SELECT 'x'",
        "SELECT * FROM file('../conf/users.xml', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    ] {
        log.denies(statement)?;
    }
    Ok(())
}
