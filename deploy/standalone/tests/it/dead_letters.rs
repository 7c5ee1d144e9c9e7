//! `venuecode dead-letters`, from a scan that could not be processed to its one row in the store.

use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schemas::{Direction, ErasureEvent, Method, PersonDigest, PersonKey, ScanEvent};
use serde_json::{Value, json};

use crate::stack::Stack;
use crate::support::eventually;

const VENUE: u32 = 77;
const PERSON: u64 = 1 << 60 | 5;

fn scan(at: i64) -> anyhow::Result<Value> {
    let person = PersonKey::from_u64(PERSON).context("a person key")?;
    let id = ScanEvent::derive_id(person, VENUE, at, Method::VenueCode, Direction::Entry);
    Ok(json!({"v": 1, "event_id": id, "person": person, "venue": VENUE, "method": "venue_code", "direction": "entry",
        "scanned_at": at, "accepted_at_ms": at * 1000, "verdict": "admit", "colour": "green"}))
}

/// Sends a message to `scans` behind the gateway's back, which would have refused it.
fn produce(stack: &Stack, value: &Value) -> anyhow::Result<()> {
    let key = PersonKey::from_u64(PERSON).context("a person key")?.to_string();
    produce_to(stack, "scans", &key, value)
}

fn produce_to(stack: &Stack, topic: &str, key: &str, value: &Value) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", stack.kafka()).create()?;
    let payload = value.to_string();
    producer.send(BaseRecord::to(topic).key(key).payload(&payload)).map_err(|(error, _)| error)?;
    Ok(producer.flush(Duration::from_secs(20))?)
}

fn dead_letters(stack: &Stack, arguments: &[&str]) -> anyhow::Result<String> {
    stack.run(&[&["dead-letters"], arguments, &["--kafka", &stack.kafka()]].concat())
}

fn refused(stack: &Stack, arguments: &[&str]) -> anyhow::Result<String> {
    match dead_letters(stack, arguments) {
        Ok(text) => anyhow::bail!("{arguments:?} was not refused: {text}"),
        Err(error) => Ok(error.to_string()),
    }
}

fn list(stack: &Stack, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let text = dead_letters(stack, &[&["list", "--json"], arguments].concat())?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Waits for the letter whose reason has this text in it and gives its offset.
fn letter(stack: &Stack, reason: &str) -> anyhow::Result<String> {
    eventually(reason, || {
        let letters = list(stack, &["--reason", reason, "--pending"]).ok()?;
        letters.first().map(|letter| letter["offset"].to_string())
    })
}

/// Values of the header that names the letter, of all messages on `scans` that have it.
fn replay_headers(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", stack.kafka()).set("group.id", "headers").create()?;
    let metadata = consumer.fetch_metadata(Some("scans"), Duration::from_secs(10))?;
    let (mut list, mut left) = (TopicPartitionList::new(), 0);
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        let (low, high) = consumer.fetch_watermarks("scans", partition.id(), Duration::from_secs(10))?;
        list.add_partition_offset("scans", partition.id(), Offset::Beginning)?;
        left += high - low;
    }
    consumer.assign(&list)?;
    let mut values = Vec::new();
    while left > 0 {
        let message = consumer.poll(Duration::from_secs(10)).context("a message is missing")??;
        left -= 1;
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        values.extend(
            headers
                .filter(|header| header.key == "venuecode-replay-of")
                .map(|header| String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned()),
        );
    }
    Ok(values)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_sent_back_and_stored_once_however_often() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    let at = chrono::Utc::now().timestamp() - 3600;
    produce(&stack, &scan(at)?)?;
    let unknown = letter(&stack, "venue 77 is not in the directory")?;
    let table = dead_letters(&stack, &["list"])?;
    ensure!(table.contains("scans/") && table.contains("venue 77 is not in the directory"), "{table}");
    let whole = dead_letters(&stack, &["show", &unknown])?;
    ensure!(whole.contains("\"venue\": 77") && whole.contains("well-formed"), "{whole}");

    let venues = stack.data.path().join("venues.csv");
    std::fs::write(&venues, "id\n77\n")?;
    stack.run(&["import-venues", "venues.csv", "--gateway", &stack.gateway(), "--id-column", "id"])?;
    let asked = refused(&stack, &["replay", &unknown])?;
    ensure!(asked.contains("--yes"), "{asked}");
    let dry = dead_letters(&stack, &["replay", "--all", "--reason", "not in the directory", "--dry-run"])?;
    ensure!(dry.contains("nothing was sent"), "{dry}");
    ensure!(replay_headers(&stack)?.is_empty(), "something was sent");

    dead_letters(&stack, &["replay", &unknown, "--yes"])?;
    stack.wait_until_stored(1).await?;
    let again = refused(&stack, &["replay", &unknown, "--yes"])?;
    ensure!(again.contains("was sent back at") && again.contains("--again"), "{again}");
    let all = dead_letters(&stack, &["replay", "--all", "--yes"])?;
    ensure!(all.contains("nothing was sent"), "{all}");
    dead_letters(&stack, &["replay", &unknown, "--again", "--yes"])?;
    stack.wait_until_stored(1).await?;

    let letters = list(&stack, &[])?;
    ensure!(letters.len() == 1 && letters[0]["replays"].as_array().is_some_and(|r| r.len() == 2), "{letters:?}");
    ensure!(list(&stack, &["--pending"])?.is_empty());
    ensure!(replay_headers(&stack)? == [format!("dead-letters/0/{unknown}"), format!("dead-letters/0/{unknown}")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_somebody_who_was_erased_is_not_sent_back() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    produce(&stack, &scan(chrono::Utc::now().timestamp() - 3600)?)?;
    let unknown = letter(&stack, "venue 77 is not in the directory")?;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let digest = PersonDigest::of(PersonKey::from_u64(PERSON).context("a person key")?);
    let erasure = ErasureEvent::derive_id(310_101, "li", uuid::Uuid::nil());
    let done = json!({"v": 1, "erasure": erasure, "at_ms": now_ms, "action": {"type": "done", "removed": [], "remains": [],
        "grounds": {"digest": digest, "before_ms": now_ms + 1000, "basis": "ordered", "evidence": "E", "asked_by": "li",
            "asked_at_ms": now_ms, "expires_at_ms": now_ms, "confirmed_by": "wu"}}});
    produce_to(&stack, "erasures", &format!("{erasure}/erased"), &done)?;
    let why = refused(&stack, &["replay", &unknown, "--yes"])?;
    ensure!(why.contains("is of a person who was erased since"), "{why}");
    let why = refused(&stack, &["fix", &unknown, "--set", "venue=78", "--yes"])?;
    ensure!(why.contains("is of a person who was erased since"), "{why}");
    ensure!(replay_headers(&stack)?.is_empty(), "something was sent");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_message_is_corrected_and_stored() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    std::fs::write(stack.data.path().join("venues.csv"), "id\n77\n")?;
    stack.run(&["import-venues", "venues.csv", "--gateway", &stack.gateway(), "--id-column", "id"])?;
    let mut broken = scan(chrono::Utc::now().timestamp() - 3600)?;
    broken["colour"] = "blue".into();
    produce(&stack, &broken)?;
    let wrong = letter(&stack, "not a message of this topic")?;

    let as_it_was = refused(&stack, &["replay", &wrong, "--yes"])?;
    ensure!(as_it_was.contains("field `colour`: unknown variant `blue`"), "{as_it_was}");
    let still_wrong = refused(&stack, &["fix", &wrong, "--set", "colour=purple", "--yes"])?;
    ensure!(still_wrong.contains("field `colour`: unknown variant `purple`"), "{still_wrong}");
    let no_field = refused(&stack, &["fix", &wrong, "--set", "color=green", "--yes"])?;
    ensure!(no_field.contains("there is no such field"), "{no_field}");
    ensure!(list(&stack, &["--pending"])?.len() == 1 && replay_headers(&stack)?.is_empty());

    let value = dead_letters(&stack, &["show", &wrong, "--value"])?;
    std::fs::write(stack.data.path().join("v.json"), value.replace("blue", "green"))?;
    dead_letters(&stack, &["fix", &wrong, "--value-file", "v.json", "--yes"])?;
    stack.wait_until_stored(1).await?;
    dead_letters(&stack, &["fix", &wrong, "--set", "colour=green", "--again", "--yes"])?;
    stack.wait_until_stored(1).await?;
    let letters = list(&stack, &[])?;
    ensure!(letters.len() == 1 && letters[0]["replays"][0]["corrected"] == true, "{letters:?}");
    Ok(())
}
