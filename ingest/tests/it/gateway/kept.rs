//! What a gateway has written to Kafka.

use rdkafka::{Message, consumer::BaseConsumer};
use schemas::ScanEvent;
use service::{TopicReader, kafka::partition_count};

use super::{Gateway, PATIENCE};

impl Gateway {
    /// Every message of a topic, with its key.
    pub async fn messages(&self, topic: &str) -> Vec<(String, String)> {
        let (kafka, topic) = (self.config.kafka.clone(), format!("{}{topic}", self.config.kafka.topic_prefix));
        let read = move || {
            let consumer: BaseConsumer = kafka.reader().create().expect("a consumer");
            let partitions: Vec<_> =
                (0..partition_count(&consumer, &topic).expect("a topic")).map(|p| (topic.as_str(), p)).collect();
            let mut messages = Vec::new();
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            TopicReader::try_new(&kafka, &partitions)
                .and_then(|mut r| r.read_to_end(PATIENCE, |m| messages.push((text(m.key()), text(m.payload())))))
                .expect("read to its end");
            messages
        };
        tokio::task::spawn_blocking(read).await.expect("no panic")
    }

    /// What is written down on a topic, each record under the key that is its own.
    pub async fn records<T, E: std::fmt::Debug>(
        &self,
        topic: &str,
        read: impl Fn(&[u8]) -> Result<T, E>,
        key: impl Fn(&T) -> String,
    ) -> Vec<T> {
        let record = |(found, value): &(String, String)| {
            let record = read(value.as_bytes()).expect("a record");
            assert_eq!(*found, key(&record), "the key of {value}");
            record
        };
        self.messages(topic).await.iter().map(record).collect()
    }

    /// The scans that are stored.
    pub async fn stored_scans(&self) -> Vec<ScanEvent> {
        self.records("scans", ScanEvent::try_parse, |scan| scan.person.to_string()).await
    }
}
