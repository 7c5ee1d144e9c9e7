//! Looks through all that is stored: messages and rows as the engines give them out, since they compress what they
//! keep, and every file as it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use memchr::memmem::Finder;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use schemas::PersonKey;
use serde_json::Value;

use super::drive::exchange;
use super::secrets::Secret;
use crate::stack::Stack;
use crate::support::http_get;

const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked for.
pub struct Needles(Vec<(&'static str, &'static str, Finder<'static>)>);

impl Needles {
    pub fn new(secrets: &[Secret]) -> Self {
        let forms = |secret: &Secret| {
            let text = secret.text;
            secret.forms().into_iter().map(move |(form, bytes)| (text, form, Finder::new(&bytes).into_owned()))
        };
        Self(secrets.iter().flat_map(forms).collect())
    }

    /// The same and a person's key, in all the usual ways of writing it.
    pub fn with_person(mut self, person: PersonKey) -> Self {
        let (text, number) = (person.to_string(), person.to_u64());
        let mut forms = Secret { text: text.clone().leak(), gbk: text.clone().leak().as_bytes() }.forms();
        forms.push(("decimal", number.to_string().into_bytes()));
        forms.push(("upper case", text.to_uppercase().into_bytes()));
        forms.push(("little-endian", number.to_le_bytes().to_vec()));
        forms.push(("big-endian", number.to_be_bytes().to_vec()));
        let finders = forms.into_iter().map(|(form, bytes)| ("person key", form, Finder::new(&bytes).into_owned()));
        self.0.extend(finders);
        self
    }

    /// What is there, and in which form.
    pub fn find(&self, bytes: &[u8]) -> Vec<(&'static str, &'static str)> {
        self.0
            .iter()
            .filter(|(_, _, finder)| finder.find(bytes).is_some())
            .map(|(text, form, _)| (*text, *form))
            .collect()
    }

    /// Whether everything is there, in every form.
    pub fn has_all(&self, bytes: &[u8]) -> bool {
        self.find(bytes).len() == self.0.len()
    }
}

/// Engines and services while they run.
pub struct Storage<'a> {
    stack: &'a Stack,
    headers: String,
}

impl<'a> Storage<'a> {
    pub fn try_new(stack: &'a Stack) -> anyhow::Result<Self> {
        let password = fs::read_to_string(stack.data.path().join("secrets/clickhouse-admin"))?;
        let headers = format!("X-ClickHouse-User: admin\r\nX-ClickHouse-Key: {}\r\n", password.trim());
        Ok(Self { stack, headers })
    }

    /// Everything that the engines and the metrics give out, with the place where it lies.
    pub fn everything(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut all = self.messages()?;
        all.extend(self.rows()?);
        for number in 0..3 {
            let metrics = http_get(&self.stack.ports.address(number), "/metrics")?;
            ensure!(metrics.contains("# TYPE"), "no metrics: {metrics}");
            all.push((format!("metrics {number}"), metrics.into_bytes()));
        }
        Ok(all)
    }

    /// Puts a secret in the clear, in every form, where it must be found.
    pub fn plant(&self, secret: Secret) -> anyhow::Result<()> {
        let forms: Vec<_> = secret.forms().into_iter().map(|(_, bytes)| bytes).collect();
        let planted = forms.join(&b' ');
        let producer: FutureProducer = self.client().create()?;
        let record = FutureRecord::<[u8], [u8]>::to("dead-letters").key(b"key").payload(&planted);
        futures::executor::block_on(producer.send(record, PATIENCE)).map_err(|(error, _)| error)?;
        self.sql(b"CREATE TABLE default.planted (s String) ENGINE = MergeTree ORDER BY tuple()")?;
        let insert = format!("INSERT INTO default.planted VALUES (unhex('{}'))", hex::encode(&planted));
        self.sql(insert.as_bytes())?;
        // In the text of a statement, which the log of queries has.
        self.sql(&[b"SELECT 1 /* ".as_slice(), &planted, b" */"].concat())?;
        let log = self.stack.data.path().join("logs/planted.log");
        Ok(fs::write(log, planted)?)
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.stack.kafka())
            .set("group.id", "privacy")
            .set("enable.auto.commit", "false");
        client
    }

    fn messages(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let consumer: BaseConsumer = self.client().create()?;
        let metadata = consumer.fetch_metadata(None, PATIENCE)?;
        let mut all = Vec::new();
        for topic in metadata.topics() {
            let mut bytes = Vec::new();
            for partition in topic.partitions() {
                let (low, high) = consumer.fetch_watermarks(topic.name(), partition.id(), PATIENCE)?;
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(topic.name(), partition.id(), Offset::Offset(low))?;
                consumer.assign(&list)?;
                let mut next = low;
                while next < high {
                    let message =
                        consumer.poll(PATIENCE).with_context(|| format!("{}: nothing comes", topic.name()))??;
                    next = message.offset() + 1;
                    let headers =
                        message.headers().map(|headers| headers.iter().collect::<Vec<_>>()).unwrap_or_default();
                    for header in headers {
                        bytes.extend_from_slice(header.key.as_bytes());
                        bytes.extend_from_slice(header.value.unwrap_or_default());
                    }
                    bytes.extend_from_slice(message.key().unwrap_or_default());
                    bytes.extend_from_slice(message.payload().unwrap_or_default());
                    bytes.push(b'\n');
                }
            }
            all.push((format!("topic {}", topic.name()), bytes));
        }
        for topic in ["scans", "health", "tests", "identities", "applications"] {
            let is_used = all.iter().any(|(place, bytes)| *place == format!("topic {topic}") && !bytes.is_empty());
            ensure!(
                is_used,
                "topic {topic} has no message: {:?}",
                all.iter().map(|(place, _)| place).collect::<Vec<_>>()
            );
        }
        Ok(all)
    }

    fn rows(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        self.sql(b"SYSTEM FLUSH LOGS")?;
        let tables = "SELECT database, name FROM system.tables WHERE database NOT IN ('INFORMATION_SCHEMA', 'information_schema') \
                      AND (database != 'system' OR name LIKE '%_log%') AND engine NOT LIKE '%View' AND engine != 'Null' FORMAT JSONEachRow";
        let tables = String::from_utf8(self.sql(tables.as_bytes())?)?;
        let mut all = Vec::new();
        for line in tables.lines() {
            let table: Value = serde_json::from_str(line)?;
            let (database, name) = (table["database"].as_str().unwrap_or(""), table["name"].as_str().unwrap_or(""));
            // Texts stand in it as they are.
            let rows = self.sql(format!("SELECT * FROM `{database}`.`{name}` FORMAT RowBinary").as_bytes())?;
            all.push((format!("table {database}.{name}"), rows));
        }
        let filled = |name: &str| all.iter().any(|(place, rows)| place.ends_with(name) && !rows.is_empty());
        for name in [".scans_by_person", ".scans_by_venue", "system.query_log", ".application_states"] {
            ensure!(filled(name), "{name} is empty or not there");
        }
        Ok(all)
    }

    fn sql(&self, statement: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (status, answer) = exchange(&self.stack.clickhouse(), "POST", "/", &self.headers, statement)?;
        let shown = String::from_utf8_lossy(statement);
        ensure!(status == 200, "{shown}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}

/// Every file below a directory, by its path there.
pub fn files(root: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path().strip_prefix(root)?.display().to_string();
                files.push((path, fs::read(entry.path())?));
            }
        }
    }
    Ok(files)
}
