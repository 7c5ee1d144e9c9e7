//! Retention of a whole system: what is past goes from tables and topics by itself, and `venuecode retention check` says
//! whether it has.

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::{Direction, Method, PersonKey, ScanEvent};
use serde_json::json;

use crate::stack::Stack;
use crate::support::eventually;

const VENUE: u32 = 1;
const DAY: i64 = 86_400;

fn load_venue(stack: &Stack) -> anyhow::Result<()> {
    let venues = stack.data.path().join("venues.csv");
    fs::write(&venues, format!("id,name\n{VENUE},Library\n"))?;
    let gateway = stack.gateway();
    let place = ["--category", "other", "--district", "310101"];
    let import = ["import-venues", "venues.csv", "--gateway", &gateway, "--id-column", "id"];
    stack.run(&[&import[..], &place].concat())?;
    Ok(())
}

/// Sends a scan behind the gateway's back, as if it had come to Kafka when it was made.
fn produce(stack: &Stack, at: i64) -> anyhow::Result<()> {
    let person = PersonKey::from_u64(1 << 60 | 5).context("a person key")?;
    let id = ScanEvent::derive_id(person, VENUE, at, Method::VenueCode, Direction::Entry);
    let scan = json!({"v": 1, "event_id": id, "person": person, "venue": VENUE, "method": "venue_code",
        "direction": "entry", "scanned_at": at, "accepted_at_ms": at * 1000, "verdict": "admit", "colour": "green"});
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", stack.kafka()).create()?;
    let (key, payload) = (person.to_string(), scan.to_string());
    let record = BaseRecord::to("scans").key(&key).payload(&payload).timestamp(at * 1000);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(producer.flush(Duration::from_secs(20))?)
}

fn check(stack: &Stack) -> anyhow::Result<String> {
    let password = fs::read_to_string(stack.data.path().join("secrets/clickhouse-query"))?;
    let (kafka, clickhouse) = (stack.kafka(), format!("http://{}", stack.clickhouse()));
    let engines = ["--kafka", &kafka, "--clickhouse", &clickhouse];
    let user = ["--clickhouse-user", "query", "--clickhouse-password", password.trim()];
    stack.run(&[&["retention", "check"][..], &engines, &user].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_go_on_after_all_messages_have_expired() -> anyhow::Result<()> {
    let mut stack = Stack::start_with_environment(&[], &[("VENUECODE_RETENTION", "off")])?;
    load_venue(&stack)?;
    let now = chrono::Utc::now().timestamp();
    for at in [now - 45 * DAY, now - 44 * DAY] {
        produce(&stack, at)?;
    }
    stack.wait_until_stored(2).await?;
    // The embedded broker looks for what has expired when it starts. Nothing but what is past was there: when it is gone,
    // no message and no row is left, and what is stored afterwards has come afterwards.
    stack.restart()?;
    eventually("everything past to be forgotten", || check(&stack).ok())?;
    stack.restart()?;
    produce(&stack, now - 60)?;
    stack.wait_until_stored(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_is_reported_until_it_is_forgotten() -> anyhow::Result<()> {
    let mut stack = Stack::start_with_environment(&[], &[("VENUECODE_RETENTION", "off")])?;
    load_venue(&stack)?;
    let now = chrono::Utc::now().timestamp();
    for at in [now - 45 * DAY, now - 31 * DAY, now - 10 * DAY, now - 60] {
        produce(&stack, at)?;
    }
    stack.wait_until_stored(4).await?;
    let told = format!("{:#}", check(&stack).err().context("what is past is not found")?);
    for part in ["2 rows of scans_by_venue", "2 rows of scans_by_person", " on scans"] {
        ensure!(told.contains(part), "{part} is missing: {told}");
    }

    stack.restart()?;
    let report = eventually("everything past to be forgotten", || check(&stack).ok())?;
    ensure!(report.contains("table releases") && report.contains("for good"), "{report}");
    stack.wait_until_stored(2).await?;
    Ok(())
}
