//! Kafka clients: one configuration for producers, consumers and topic creation.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer, DefaultConsumerContext},
    error::RDKafkaErrorCode,
};
use schemas::{Retention, Topics};

use crate::BoundedConsumer;

/// Where Kafka is and how its topics are made.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaConfig {
    /// Brokers, as HOST:PORT[,HOST:PORT…]
    #[arg(long = "kafka", env = "VENUECODE_KAFKA", default_value = "127.0.0.1:19092", value_name = "BROKERS")]
    pub brokers: String,
    /// Prefix of all topic and group names; keeps several deployments apart on one cluster
    #[arg(long, env = "VENUECODE_TOPIC_PREFIX", default_value = "", value_name = "PREFIX")]
    pub topic_prefix: String,
    /// Partitions of topics that do not exist yet
    #[arg(long, env = "VENUECODE_PARTITIONS", default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub partitions: i32,
    /// Replicas of topics that do not exist yet [default: 3, or as many as there are brokers]
    #[arg(long, env = "VENUECODE_REPLICATION", value_name = "N", value_parser = clap::value_parser!(i32).range(1..=9))]
    pub replication: Option<i32>,
    /// Whether the broker keeps a producer's own retries from doubling messages. The embedded broker must go
    /// without: it fails for good on the first message after one that timed out. Stored rows are the same either
    /// way, since a doubled message repeats an event that is known
    #[arg(
        long,
        env = "VENUECODE_KAFKA_IDEMPOTENCE",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    pub kafka_idempotence: bool,
    /// Whether the broker spares recent messages when it compacts. The embedded broker does not: there the health
    /// of a person, which late scans need as it was, is not compacted at all. Matters when topics are made
    #[arg(
        long,
        env = "VENUECODE_KAFKA_COMPACTION_LAG",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    pub kafka_compaction_lag: bool,
}

/// How long a metadata request may take.
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

impl KafkaConfig {
    /// The names of this deployment's topics.
    pub fn topics(&self) -> Topics {
        Topics::new(&self.topic_prefix)
    }

    /// Settings that every client shares.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A broker's log line for each broken connection would drown the log while Kafka restarts.
            .set("log.connection.close", "false");
        client
    }

    /// Settings of a consumer that joins no group and commits nothing: it is told where to start.
    pub fn reader(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", format!("{}reader", self.topic_prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            // How long nothing is fetched once as much lies here as may: at the default of a second, whoever reads fast
            // and keeps little ahead mostly waits.
            .set("fetch.queue.backoff.ms", "10");
        client
    }

    /// Settings of a producer whose acknowledgement means kept: all in-sync replicas.
    pub fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("acks", "all")
            .set("enable.idempotence", self.kafka_idempotence.to_string())
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random");
        client
    }

    /// Creates the topics that do not exist, to be kept as long as the city says, and returns how many partitions `scans`
    /// has.
    ///
    /// # Errors
    /// When Kafka cannot be reached, refuses, or `health`, `tests` or the ledger are not partitioned as `scans`.
    pub async fn ensure_topics(&self, retention: Retention) -> anyhow::Result<i32> {
        let topics = self.topics();
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().context("cannot set up the Kafka admin client")?;
        let specs = topics.specs(self.partitions, self.kafka_compaction_lag, retention);
        let replicas = match self.replication {
            Some(replicas) => replicas,
            None => default_replicas(&admin)?,
        };
        let new_topics: Vec<NewTopic<'_>> = specs
            .iter()
            .map(|spec| {
                let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(replicas));
                let topic = spec.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
                // With three replicas a write is kept by two before it counts, so that losing one loses nothing.
                if replicas >= SAFE_REPLICAS { topic.set("min.insync.replicas", "2") } else { topic }
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(METADATA_TIMEOUT));
        let results = admin.create_topics(&new_topics, &options).await.context("cannot create topics on Kafka")?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => bail!("cannot create topic {topic}: {code}"),
            }
        }
        self.check_partitions(&topics)
    }

    fn check_partitions(&self, topics: &Topics) -> anyhow::Result<i32> {
        let consumer: BaseConsumer = self.reader().create().context("cannot set up a Kafka consumer")?;
        let scans = partition_count(&consumer, &topics.scans)?;
        for other in [&topics.health, &topics.tests, &topics.scan_ranges] {
            let partitions = partition_count(&consumer, other)?;
            if partitions != scans {
                bail!(
                    "topic {other} has {partitions} partitions and {} has {scans}: they must be the same",
                    topics.scans
                );
            }
        }
        Ok(scans)
    }
}

/// Of so many brokers one may be lost, and what was acknowledged is not.
const SAFE_REPLICAS: i32 = 3;

fn default_replicas(admin: &AdminClient<DefaultClientContext>) -> anyhow::Result<i32> {
    let metadata = admin.inner().fetch_metadata(None, METADATA_TIMEOUT).context("cannot ask Kafka for its brokers")?;
    Ok(i32::try_from(metadata.brokers().len())?.clamp(1, SAFE_REPLICAS))
}

/// A consumer of one partition from an offset on, with the settings of [`KafkaConfig::reader`].
///
/// It is not to be assigned anything else: librdkafka ends the process when a partition is taken away from a consumer
/// twice before the first time has come to an end, as happens while Kafka is out of reach.
///
/// # Errors
/// When the client cannot be set up.
pub fn reader_at(reader: &ClientConfig, topic: &str, partition: i32, offset: i64) -> anyhow::Result<BoundedConsumer> {
    let consumer =
        BoundedConsumer::try_new(reader, DefaultConsumerContext).context("cannot set up a Kafka consumer")?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    consumer.assign(&list)?;
    Ok(consumer)
}

/// Whether nothing is left of a message but its offset, because it was about somebody who was erased: the embedded broker's
/// storage is not compacted, and logs are to stay without gaps.
pub fn is_emptied(message: &impl Message) -> bool {
    message.key().is_none() && message.payload().is_none()
}

/// How many partitions a topic has; waits a while for one that was only just created.
///
/// # Errors
/// When Kafka does not answer or the topic does not exist.
pub fn partition_count(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<i32> {
    const TRIES: u32 = 50;
    for _ in 0..TRIES {
        let metadata = consumer
            .fetch_metadata(Some(topic), METADATA_TIMEOUT)
            .with_context(|| format!("cannot read the metadata of topic {topic}"))?;
        let partitions = metadata.topics().iter().find(|t| t.name() == topic).map_or(0, |t| t.partitions().len());
        if partitions > 0 {
            return Ok(i32::try_from(partitions)?);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("topic {topic} does not exist")
}
