//! Fills the topics: the messages are those that the feeds store.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::events::VenueStatus;
use schemas::{Colour, HealthEvent, PersonKey, TestEvent, TestResult, Topics, VenueEvent, VenueId, events};
use serde::Serialize;
use service::KafkaConfig;

const FLUSH: Duration = Duration::from_secs(300);
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// A credit code of nobody.
const ORGANISATION: &str = "91310000MA1FL0000N";

/// A producer to the topics that tables are read from.
pub struct Filler {
    producer: BaseProducer,
    topics: Topics,
    now: i64,
}

/// A person of the city; keys are as random as those of documents.
pub fn person(number: u32) -> PersonKey {
    let scattered = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scattered = (scattered ^ (scattered >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 4;
    // The version is what makes a number a key.
    PersonKey::from_u64(scattered | 1 << 60).unwrap_or_else(|| unreachable!("its first digit is 1"))
}

/// A venue of the city.
pub const fn venue_id(number: u32) -> VenueId {
    number + 1
}

impl Filler {
    /// A producer for throughput.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn try_new(kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let mut config = kafka.producer();
        config.set("linger.ms", "50").set("batch.num.messages", "20000").set("batch.size", "4000000");
        config.set("queue.buffering.max.messages", "400000").set("message.timeout.ms", "300000");
        let producer = config.create().context("cannot set up a Kafka producer")?;
        Ok(Self { producer, topics: kafka.topics(), now: Utc::now().timestamp() })
    }

    /// Writes venues.
    ///
    /// # Errors
    /// When Kafka does not take them.
    pub fn venues(&self, count: u32) -> anyhow::Result<()> {
        const NAMES: [&str; 4] = ["老城隍庙茶馆", "人民广场地铁站商场", "第一人民医院门诊部", "阳光花园幼儿园"];
        const ROADS: [&str; 4] = ["黄浦区福州路", "静安区南京西路", "浦东新区世纪大道", "徐汇区淮海中路"];
        for number in 0..count {
            let (name, road) = (NAMES[number as usize % 4], ROADS[(number / 7) as usize % 4]);
            let venue = VenueEvent {
                v: events::VERSION,
                venue: venue_id(number),
                serial: 1,
                status: VenueStatus::Active,
                name: format!("{name}（第{number:07}号分店）"),
                category: "catering".to_owned(),
                district: 310_101,
                address: format!("{road}{}弄{}号楼{}层", number % 997, number % 89, number % 31),
                door: None,
                organisation: Some(ORGANISATION.to_owned()),
                latitude: Some(31.2304),
                longitude: Some(121.4737),
                valid_from: None,
                valid_until: None,
                revision: Some(0),
            };
            self.send(&self.topics.venues, venue.venue.to_string().as_bytes(), &venue)?;
        }
        self.flush()
    }

    /// Writes a health code and a negative test for each person.
    ///
    /// # Errors
    /// When Kafka does not take them.
    pub fn people(&self, count: u32) -> anyhow::Result<()> {
        for number in 0..count {
            let who = person(number);
            let health = HealthEvent {
                v: events::VERSION,
                person: who,
                colour: if number % 100 == 0 { Colour::Yellow } else { Colour::Green },
                since: self.now - 86_400 - i64::from(number % 3_600),
                expires_at: (number % 3 == 0).then_some(self.now + 30 * 86_400),
                issuer: "上海市疾控中心".to_owned(),
                evidence: format!("SH-2022-{number:08}"),
                reason: "常规".to_owned(),
                sent_by: Some("cdc-feed".to_owned()),
                release: None,
                newest: None,
            };
            self.send(&self.topics.health, &who.to_hex(), &health)?;
        }
        for number in 0..count {
            let (who, sampled_at) = (person(number), self.now - 7_200 - i64::from(number % 3_600));
            let test = TestEvent {
                v: events::VERSION,
                person: who,
                sampled_at,
                resulted_at: sampled_at + 3_600,
                result: TestResult::Negative,
                laboratory: "华山医院".to_owned(),
                sent_by: Some("lab-feed".to_owned()),
                newest: None,
            };
            self.send(&self.topics.tests, &who.to_hex(), &test)?;
        }
        self.flush()
    }

    fn send(&self, topic: &str, key: &[u8], event: &impl Serialize) -> anyhow::Result<()> {
        let payload = serde_json::to_vec(event)?;
        loop {
            match self.producer.send(BaseRecord::to(topic).key(key).payload(&payload)) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(FULL_PAUSE);
                }
                Err((error, _)) => bail!("Kafka does not take a message: {error}"),
            }
        }
    }

    fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(FLUSH).context("Kafka does not take the messages in time")
    }
}
