//! The audit log of a whole system: reads by a release of two accounts, a user that may append and nothing else, and what
//! `venuecode audit verify` says to everything that can be done to the log in ClickHouse.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::Message;
use schemas::events::AuditAnchor;
use schemas::{PersonKey, topics};
use service::{KafkaConfig, TopicReader};

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

    /// The highest number that an anchor has.
    fn anchored(&self) -> anyhow::Result<u64> {
        let kafka = KafkaConfig {
            brokers: self.stack.kafka(),
            topic_prefix: String::new(),
            partitions: 1,
            replication: 1,
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
        self.stack.run(&[&["audit", "verify"][..], &engines, &user].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_log_in_clickhouse_is_found() -> anyhow::Result<()> {
    let log = Log { stack: Stack::start()? };
    let (api, time) = (log.stack.query_api()?, (1_653_000_000, 1_653_086_400));
    let person = PersonKey::from_u64(1 << 60 | 7).context("a key")?;
    let release = api.release(&[person], time).await?;
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

    for (statement, allowed) in [
        ("SELECT count() FROM venuecode.audit_log", true),
        ("INSERT INTO venuecode.venues (venue_id) VALUES (1)", false),
        ("INSERT INTO venuecode.releases (release_id) SELECT generateUUIDv4()", false),
        ("ALTER TABLE venuecode.audit_log DELETE WHERE 1", false),
        ("ALTER TABLE venuecode.audit_log UPDATE account = '' WHERE 1", false),
        ("DELETE FROM venuecode.audit_log WHERE 1", false),
        ("TRUNCATE TABLE venuecode.audit_log", false),
        ("DROP TABLE venuecode.audit_log", false),
        ("ALTER TABLE venuecode.audit_log DROP PARTITION ALL", false),
    ] {
        let (status, answer) = log.sql("query", statement)?;
        ensure!((status == "200") == allowed, "{statement}: {status} {answer}");
    }

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
    // At the end: the processor may anchor what it finds, and that there is such a chain stays said.
    log.admin(&replace("toUUID('00000000-0000-0000-0000-000000000001') AS chain"))?;
    let said = log.verify().expect_err("a chain that was put in").to_string();
    ensure!(said.contains("00000001, entry 1: it was changed"), "{said}");
    Ok(())
}
