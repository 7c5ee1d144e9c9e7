//! `venuecode identities rewrap`: a key is retired while its records stay.

use anyhow::{Context, ensure};
use clap::Parser;
use rdkafka::{Message, consumer::BaseConsumer};
use schemas::access::Role;
use schemas::{IdentityEvent, KeyRing};
use serde_json::json;
use service::access::{Issuer, SigningKey};
use service::{KafkaConfig, TopicReader, identity, kafka::partition_count};

use crate::stack::Stack;
use crate::support::http_send;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// The last record of each person, as text.
fn records(stack: &Stack) -> anyhow::Result<Vec<IdentityEvent>> {
    let kafka = Cli::try_parse_from(["it", "--kafka", &stack.kafka()])?.kafka;
    let topic = kafka.topics().identities;
    let consumer: BaseConsumer = kafka.reader().create()?;
    let partitions: Vec<_> = (0..partition_count(&consumer, &topic)?).map(|number| (topic.as_str(), number)).collect();
    let mut last = std::collections::BTreeMap::new();
    TopicReader::try_new(&kafka, &partitions)?.read_to_end(std::time::Duration::from_secs(20), |message| {
        last.insert(message.key().map(<[u8]>::to_vec), message.payload().map(<[u8]>::to_vec));
    })?;
    last.into_values().flatten().map(|value| Ok(IdentityEvent::try_parse(&value)?)).collect()
}

#[test]
fn a_retired_key_opens_nothing_any_more_and_the_new_one_everything() -> anyhow::Result<()> {
    let stack = Stack::start_with(&["--city", "kaifeng"])?;
    let issuer = Issuer::new(SigningKey::read(&stack.token_key())?);
    let token =
        issuer.issue(Role::Device, "it", schemas::access::Scope::default(), chrono::Utc::now().timestamp(), 600)?;
    for number in 0..20 {
        let document = json!({"type": "passport", "number": format!("E{number}")});
        let answers = json!({"name": format!("甲{number}"), "document": document, "address": "开封", "severe_area": false,
            "contact": false, "temperature": true});
        let body = json!({"answers": answers}).to_string();
        let (status, answer) = http_send(&stack.ports.address(0), &token, ("POST", "/v1/people"), &body)?;
        ensure!(status == "200", "{status} {answer}");
    }
    let file = stack.data.path().join("secrets/identity.keys");
    let old = std::fs::read_to_string(&file)?;
    let new = format!("2:{}\n", "5a".repeat(32));
    std::fs::write(&file, format!("{old}{new}"))?;
    let rewrap = ["identities", "rewrap", "--identity-keys-file", "secrets/identity.keys", "--kafka", &stack.kafka()];
    ensure!(stack.run(&rewrap)?.contains("rewrapped=20 current=0 left=0"));
    ensure!(stack.run(&rewrap)?.contains("rewrapped=0 current=20 left=0"));

    let (old, new) = (KeyRing::try_parse(&old)?, KeyRing::try_parse(&new)?);
    let records = records(&stack)?;
    assert_eq!(records.len(), 20);
    for record in &records {
        assert!(identity::open(&old, record.into(), &record.sealed).is_err());
        let opened = identity::open(&new, record.into(), &record.sealed)?;
        let number = opened["document"]["number"].as_str().context("no number")?;
        assert_eq!(opened["name"], number.replace('E', "甲"));
    }
    // A key that is not there is said, not passed over.
    std::fs::write(&file, format!("3:{}\n", "6b".repeat(32)))?;
    let refused = stack.run(&rewrap).expect_err("nothing can be rewrapped").to_string();
    assert!(refused.contains("left=20") && refused.contains("is their key in the file?"), "{refused}");
    Ok(())
}
