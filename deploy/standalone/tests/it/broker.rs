//! The embedded Kafka alone, as a process.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use standalone::data_dir::DataDir;

use crate::support::eventually;

/// The broker on the data of a directory; ends with the test.
pub struct Broker {
    process: Child,
    /// What its clients need to know.
    pub client: ClientConfig,
}

impl Broker {
    /// Starts it and waits until it answers.
    pub fn start(data: &DataDir) -> anyhow::Result<Self> {
        let [port] = service::ports::claim::<1>()?;
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(env!("CARGO_BIN_EXE_venuecode"))
            .args(["engine", "kafka", "--listen", &address, "--data"])
            .arg(data.join("kafka"))
            .stdin(Stdio::piped())
            .spawn()?;
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", address).set("group.id", "it").set("enable.auto.commit", "false");
        let broker = Self { process, client };
        let consumer: BaseConsumer = broker.client.create()?;
        eventually("the broker", || consumer.fetch_metadata(None, Duration::from_secs(1)).ok())?;
        Ok(broker)
    }

    /// Creates a topic.
    pub fn create(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.client.create()?;
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        futures::executor::block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
        Ok(())
    }

    /// Ends it in good order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        drop(self.process.stdin.take());
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
