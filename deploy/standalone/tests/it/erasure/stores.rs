//! What the engines have stored, as they give it out and take it.

use anyhow::{Context, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::city::{COMPANION, City, PATIENCE, VENUE, key_of};
use crate::privacy::search::Needles;
use crate::support::{eventually, sql};

/// A message as it lay on its topic.
pub struct OldMessage {
    pub topic: &'static str,
    came_at_ms: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl City<'_> {
    /// Everything of the person on topics whose messages make rows.
    pub fn messages_about_the_person(&self) -> anyhow::Result<Vec<OldMessage>> {
        let needles = Needles::new(&[]).with_person(self.person);
        let mut found = Vec::new();
        for topic in ["scans", "health", "tests", "alerts", "trips", "identities"] {
            let about =
                |message: &OldMessage| !needles.find(&[&message.key[..], &message.value[..]].concat()).is_empty();
            let messages = self.messages(topic)?.into_iter().filter(about).collect::<Vec<_>>();
            ensure!(!messages.is_empty(), "nothing of the person on {topic}");
            found.extend(messages);
        }
        Ok(found)
    }

    /// Puts messages onto their topics once more, as of when they came, and waits until they are dealt with.
    pub fn send_again(&self, messages: &[OldMessage]) -> anyhow::Result<()> {
        for message in messages {
            self.produce(message.topic, (&message.key, &message.value), message.came_at_ms)?;
        }
        // Whatever comes of them came before what comes of this one.
        let before = self.rows(&format!("person_id = {}", key_of(COMPANION)))?;
        self.scan(COMPANION)?;
        eventually("a later scan", || {
            (self.rows(&format!("person_id = {}", key_of(COMPANION))).ok()? > before).then_some(())
        })
    }

    /// ClickHouse keeps the files of what was replaced for minutes, which the test need not wait for.
    pub fn forget_old_parts_at_once(&self) -> anyhow::Result<()> {
        let tables = "SELECT name FROM system.tables WHERE database = 'venuecode' AND engine LIKE '%MergeTree'";
        for table in self.sql(tables)?.lines() {
            let at_once = "old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, \
                           cleanup_delay_period_random_add = 0, cleanup_thread_preferred_points_per_iteration = 0";
            self.sql(&format!("ALTER TABLE venuecode.`{table}` MODIFY SETTING {at_once}"))?;
        }
        Ok(())
    }

    /// No row of any table but these has the person, and no file of a part that was replaced is left.
    pub fn no_table_has(&self, needles: &Needles, but: &[&str]) -> anyhow::Result<()> {
        let not_in = but.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let columns = format!(
            "SELECT table, name FROM system.columns WHERE database = 'venuecode' AND table NOT IN ({not_in}) \
             AND type = 'UInt64' AND name IN ('person_id', 'driver_id', 'applicant')"
        );
        let columns = self.sql(&columns)?;
        ensure!(columns.lines().count() >= 5, "which columns hold people? {columns}");
        for line in columns.lines() {
            let (table, column) = line.split_once('\t').context("two columns")?;
            // Looked for here: a statement with the key would put it into the log of queries.
            let people = self.sql(&format!("SELECT DISTINCT toString({column}) FROM venuecode.`{table}`"))?;
            let person = self.person.to_u64().to_string();
            ensure!(people.lines().all(|known| known != person), "{table}.{column} has the person");
        }
        for line in self.sql("SELECT command FROM system.mutations WHERE database = 'venuecode'")?.lines() {
            ensure!(needles.find(line.as_bytes()).is_empty(), "a mutation names the person: {line}");
        }
        let inactive = format!(
            "SELECT concat(table, ' ', name) FROM system.parts WHERE database = 'venuecode' AND NOT active \
             AND table NOT IN ({not_in})"
        );
        // Those that are there now: what goes on being stored makes new ones.
        let old = self.sql(&inactive)?;
        eventually("old parts to go", || {
            let left = self.sql(&inactive).ok()?;
            left.lines().all(|part| old.lines().all(|old| old != part)).then_some(())
        })
    }

    /// The folders of these tables, below the data directory.
    pub fn folders_of(&self, tables: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut folders = Vec::new();
        for table in tables {
            let paths =
                format!("SELECT data_paths[1] FROM system.tables WHERE database = 'venuecode' AND name = '{table}'");
            let path = self.sql(&paths)?;
            let root = self.stack.data.path().canonicalize()?;
            let below = std::path::Path::new(&path).strip_prefix(&root).with_context(|| path.clone())?;
            folders.push(below.display().to_string());
        }
        Ok(folders)
    }

    pub fn rows(&self, condition: &str) -> anyhow::Result<usize> {
        let count = format!("SELECT count() FROM venuecode.scans_by_venue WHERE venue_id = {VENUE} AND {condition}");
        Ok(self.sql(&count)?.parse()?)
    }

    pub fn sql(&self, statement: &str) -> anyhow::Result<String> {
        let password = std::fs::read_to_string(self.stack.data.path().join("secrets/clickhouse-admin"))?;
        let (status, answer) = sql(&self.stack.clickhouse(), ("admin", password.trim()), statement)?;
        ensure!(status == "200", "{statement}: {status} {answer}");
        Ok(answer)
    }

    pub fn count_of(&self, topic: &'static str) -> anyhow::Result<usize> {
        Ok(self.messages(topic)?.len())
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", self.stack.kafka())
            .set("group.id", "erasure")
            .set("enable.auto.commit", "false");
        client
    }

    pub fn produce(&self, topic: &str, (key, value): (&[u8], &[u8]), at_ms: i64) -> anyhow::Result<()> {
        let producer: FutureProducer = self.client().create()?;
        let record = FutureRecord::to(topic).key(key).payload(value).timestamp(at_ms);
        futures::executor::block_on(producer.send(record, PATIENCE)).map_err(|(error, _)| error)?;
        Ok(())
    }

    pub fn messages(&self, topic: &'static str) -> anyhow::Result<Vec<OldMessage>> {
        let consumer: BaseConsumer = self.client().create()?;
        let (mut next, high) = consumer.fetch_watermarks(topic, 0, PATIENCE)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(next))?;
        consumer.assign(&list)?;
        let mut messages = Vec::new();
        while next < high {
            let message = consumer.poll(PATIENCE).context("nothing comes")??;
            next = message.offset() + 1;
            let part = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
            let came_at_ms = message.timestamp().to_millis().unwrap_or_default();
            messages.push(OldMessage { topic, came_at_ms, key: part(message.key()), value: part(message.payload()) });
        }
        Ok(messages)
    }

    /// No statement names the person in what ClickHouse keeps of statements for days.
    pub fn no_statement_names(&self, needles: &Needles) -> anyhow::Result<()> {
        self.sql("SYSTEM FLUSH LOGS")?;
        let statements = self.sql("SELECT query FROM system.query_log")?;
        ensure!(!statements.is_empty(), "there is no log to look at");
        for statement in statements.lines() {
            ensure!(needles.find(statement.as_bytes()).is_empty(), "it names the person: {statement}");
        }
        Ok(())
    }
}
