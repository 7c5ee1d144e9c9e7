//! `venuecode identities`: looks after the encrypted records of who people are. Nothing here shows what they hold.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{IdentityEvent, KeyRing};
use service::kafka::partition_count;
use service::secret::read_key_ring;
use service::{KafkaConfig, TopicReader, identity};

pub mod overtaken;

use overtaken::{Overtaken, Rewritten};

/// Shown under `venuecode identities --help`.
pub const EXAMPLES: &str = "\
To retire a key: add a line with a new version to the key file of all query services that open identities, then of all
gateways, and restart them in this order (new records use it, old ones still open), rewrap, and take the old line out when
`left` is 0 and ClickHouse has no row under it any more, normally seconds later: `SELECT count() FROM identities FINAL
WHERE sealed LIKE 'VERSION.%'`. It is still needed, apart from these, for
the responsible persons of applications and the notes of alerts that were sealed while it was the active one: their log is
never rewritten.

Examples:
  venuecode identities rewrap --identity-keys-file secrets/identity.keys
  venuecode identities rewrap --identity-keys-file identity.keys --kafka kafka-1:9092,kafka-2:9092";

/// Records under way at once.
const CHUNK: usize = 500;
const READ_TIMEOUT: Duration = Duration::from_secs(3600);

/// Subcommands of `venuecode identities`.
#[derive(Debug, Subcommand)]
pub enum IdentitiesCommand {
    /// Bring every record under the newest key; what it holds is not decrypted for that. Gateways may go on meanwhile.
    Rewrap(RewrapArgs),
}

/// Flags of `rewrap`.
#[derive(Debug, Args)]
pub struct RewrapArgs {
    /// File with the keys that encrypt what names a person, old and new, as lines of VERSION:HEX; the last one is used
    #[arg(long, env = "VENUECODE_IDENTITY_KEYS_FILE", value_name = "FILE")]
    identity_keys_file: PathBuf,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// What became of the records.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    rewrapped: usize,
    /// Under the newest key before.
    current: usize,
    /// Cannot be rewrapped: their key is not in the ring, or they were changed.
    left: usize,
}

/// A record that is to be written anew; none is a person's erasure.
type Record = (Vec<u8>, Option<Vec<u8>>, i64);

/// Runs a subcommand.
///
/// # Errors
/// Kafka or the key file cannot be used.
pub async fn run(command: IdentitiesCommand) -> anyhow::Result<()> {
    let IdentitiesCommand::Rewrap(args) = command;
    let keys = read_key_ring(&args.identity_keys_file)?;
    let topic = args.kafka.topics().identities;
    let consumer: BaseConsumer = args.kafka.reader().create().context("cannot set up a Kafka consumer")?;
    let mut producer = args.kafka.producer();
    producer.set("linger.ms", "5").set("message.timeout.ms", "20000");
    let producer = producer.create().context("cannot set up a Kafka producer")?;
    let mut all = Counts::default();
    for partition in 0..partition_count(&consumer, &topic)? {
        let records = Partition { kafka: args.kafka.clone(), topic: topic.clone(), number: partition };
        let counts = records.rewrap(&keys, &producer).await?;
        all.rewrapped += counts.rewrapped;
        all.current += counts.current;
        all.left += counts.left;
    }
    println!("rewrapped={} current={} left={}", all.rewrapped, all.current, all.left);
    anyhow::ensure!(all.left == 0, "{} records cannot be rewrapped: is their key in the file?", all.left);
    Ok(())
}

/// One partition of the topic: all records of a person and form are in one.
#[derive(Clone)]
struct Partition {
    kafka: KafkaConfig,
    topic: String,
    number: i32,
}

impl Partition {
    async fn rewrap(&self, keys: &KeyRing, producer: &FutureProducer) -> anyhow::Result<Counts> {
        // Of several records the last one holds: an older one behind it would bring back what was replaced.
        let last = self.read(HashMap::new(), |last, key, _, at| {
            last.insert(key.to_vec(), at);
        });
        let last = last.await?;
        let ring = keys.clone();
        let (stale, mut counts) = self
            .read((Vec::<Record>::new(), Counts::default()), move |(stale, counts), key, value, at| {
                if last.get(key) != Some(&at) {
                    return;
                }
                match value.map(|value| rewrapped(&ring, value)) {
                    None => {}
                    Some(Ok(None)) => counts.current += 1,
                    Some(Ok(Some(value))) => stale.push((key.to_vec(), Some(value), at)),
                    Some(Err(_)) => counts.left += 1,
                }
            })
            .await?;
        counts.rewrapped = stale.len();
        let mut written = HashMap::new();
        let mut records = stale;
        // A gateway may have written a record while we did, which ours then lies behind: it is sent once more.
        while !records.is_empty() {
            self.write(producer, records, &mut written).await?;
            let overtaken = Overtaken::new(std::mem::take(&mut written));
            let overtaken = self.read(overtaken, |overtaken, key, value, at| overtaken.see(key, value, at)).await?;
            records = overtaken.records();
        }
        Ok(counts)
    }

    /// Reads the partition whole, up to where it ends now.
    async fn read<T: Send + 'static>(
        &self,
        mut fold: T,
        mut step: impl FnMut(&mut T, &[u8], Option<&[u8]>, i64) + Send + 'static,
    ) -> anyhow::Result<T> {
        let Self { kafka, topic, number } = self.clone();
        let reading = move || {
            TopicReader::try_new(&kafka, &[(topic.as_str(), number)])?.read_to_end(READ_TIMEOUT, |message| {
                step(&mut fold, message.key().unwrap_or_default(), message.payload(), message.offset());
            })?;
            anyhow::Ok(fold)
        };
        tokio::task::spawn_blocking(reading).await?
    }

    async fn write(
        &self,
        producer: &FutureProducer,
        records: Vec<Record>,
        written: &mut HashMap<Vec<u8>, Rewritten>,
    ) -> anyhow::Result<()> {
        for chunk in records.chunks(CHUNK) {
            let sent: Result<Vec<_>, _> = chunk
                .iter()
                .map(|(key, value, _)| {
                    let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic).partition(self.number).key(key);
                    record.payload = value.as_deref();
                    producer.send_result(record).map_err(|(error, _)| error)
                })
                .collect();
            for ((key, _, instead_of), delivery) in chunk.iter().zip(sent.context("cannot write to Kafka")?) {
                let delivery = delivery.await?.map_err(|(error, _)| error).context("Kafka did not take a record")?;
                written.insert(key.clone(), Rewritten { instead_of: *instead_of, at: delivery.offset });
            }
        }
        Ok(())
    }
}

/// The record under the newest key; `None` when it is there already.
fn rewrapped(keys: &KeyRing, value: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let event = identity::rewrap(keys, &IdentityEvent::try_parse(value)?)?;
    Ok(event.map(|event| serde_json::to_vec(&event)).transpose()?)
}
