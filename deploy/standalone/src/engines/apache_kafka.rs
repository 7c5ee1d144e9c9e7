//! Apache Kafka beside the embedded one: one node, or three that keep every message on all of them.
//!
//! The broker of production, from its jars alone (`deploy/kafka/fetch.sh`) and a `java` on `PATH`. Each node is a child
//! process of its own, broker and controller at once, and that process is the JVM itself: its process id is Kafka's.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::net::TcpStream;

use crate::child::{Child, ChildSpec, StopBy};
use crate::data_dir::DataDir;
use crate::secrets::write_private;

pub mod identity;
pub mod jars;
pub mod node;

use jars::Jars;

const SETTINGS: &str = include_str!("apache_kafka/server.properties");
const LOGGING: &str = include_str!("apache_kafka/log4j2.properties");
const READY_PATIENCE: Duration = Duration::from_secs(90);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Most nodes that are supported here.
const MAX_NODES: usize = 3;

/// The loopback ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePorts {
    /// For clients and for the other brokers.
    pub broker: u16,
    /// For the quorum.
    pub controller: u16,
}

/// One or three nodes whose configuration is written and whose processes can be started, killed and started again one
/// by one, on the same ports and data.
#[derive(Debug, Clone)]
pub struct Cluster {
    nodes: Vec<NodePorts>,
    jars: Jars,
    cluster_id: String,
}

impl Cluster {
    /// Finds the jars and writes the configuration of the nodes; they store in `DIR/kafka/node-N`.
    ///
    /// # Errors
    /// The jars or `java` are missing, or the directory holds the data of another engine or number of nodes.
    pub fn prepare(nodes: Vec<NodePorts>, data: &DataDir) -> anyhow::Result<Self> {
        if nodes.is_empty() || nodes.len() > MAX_NODES {
            bail!("Apache Kafka runs here with 1 to {MAX_NODES} nodes, not {}", nodes.len());
        }
        let jars = jars::locate()?;
        let cluster_id = identity::load_or_generate(&data.join("kafka"), nodes.len())?;
        write_private(&logging_file(data), LOGGING).context("cannot write Kafka's logging configuration")?;
        for number in 1..=nodes.len() {
            let path = settings_file(data, number);
            write_private(&path, &settings(&nodes, number, &node_dir(data, number)))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { nodes, jars, cluster_id })
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients find the cluster: all brokers, `HOST:PORT[,HOST:PORT…]`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|ports| address(ports.broker).to_string()).collect();
        addresses.join(",")
    }

    /// Starts node `number`, counted from 1, as a supervised child.
    ///
    /// The kernel ends the node when the *thread* that started it ends: call this from one that lives as long as the
    /// node shall, such as a worker of the runtime.
    ///
    /// # Errors
    /// There is no such node or it could not be started.
    pub fn start_node(&self, number: usize, data: &DataDir, grace: Duration) -> anyhow::Result<Child> {
        let name = match (self.nodes.len(), number) {
            (1, 1) => "kafka",
            (2.., 1) => "kafka-1",
            (2.., 2) => "kafka-2",
            (3.., 3) => "kafka-3",
            _ => bail!("there is no node {number} among {}", self.nodes.len()),
        };
        let spec = ChildSpec {
            name,
            arguments: vec![
                "engine".into(),
                "apache-kafka".into(),
                "--jars".into(),
                self.jars.dir.clone().into(),
                "--java".into(),
                self.jars.java.clone().into(),
                "--settings".into(),
                settings_file(data, number).into(),
                "--logging".into(),
                logging_file(data).into(),
                "--data".into(),
                node_dir(data, number).into(),
                "--cluster-id".into(),
                self.cluster_id.clone().into(),
            ],
            environment: Vec::new(),
            stop_by: StopBy::Signal,
            grace,
        };
        Child::start(spec, data)
    }

    /// Starts all nodes.
    ///
    /// # Errors
    /// One could not be started.
    pub fn start(&self, data: &DataDir, grace: Duration) -> anyhow::Result<Vec<Child>> {
        (1..=self.nodes.len()).map(|number| self.start_node(number, data, grace)).collect()
    }

    /// Waits until every node is there and groups can be coordinated, which takes some seconds longer.
    ///
    /// # Errors
    /// A node ended first or it took too long.
    pub async fn until_ready(&self, children: &[Child]) -> anyhow::Result<()> {
        for (child, ports) in children.iter().zip(&self.nodes) {
            let broker = address(ports.broker);
            child.until_ready(READY_PATIENCE, async || TcpStream::connect(broker).await.is_ok()).await?;
        }
        let Some(child) = children.first() else { return Ok(()) };
        child
            .until_ready(READY_PATIENCE, async || {
                let (bootstrap, nodes) = (self.bootstrap(), self.nodes.len());
                tokio::task::spawn_blocking(move || coordinates(&bootstrap, nodes)).await.unwrap_or(false)
            })
            .await
    }
}

/// Whether all nodes are in the cluster and a coordinator of groups answers.
fn coordinates(bootstrap: &str, nodes: usize) -> bool {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "venuecode-probe").set("log_level", "0");
    let Ok(consumer) = config.create::<BaseConsumer>() else { return false };
    let all_there = consumer.fetch_metadata(None, PROBE_TIMEOUT).is_ok_and(|found| found.brokers().len() == nodes);
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition("venuecode-probe", 0);
    all_there && consumer.committed_offsets(partitions, PROBE_TIMEOUT).is_ok()
}

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn node_dir(data: &DataDir, number: usize) -> PathBuf {
    data.join("kafka").join(format!("node-{number}"))
}

fn settings_file(data: &DataDir, number: usize) -> PathBuf {
    data.join("conf").join(format!("kafka-{number}.properties"))
}

fn logging_file(data: &DataDir) -> PathBuf {
    data.join("conf").join("kafka-log4j2.properties")
}

fn settings(nodes: &[NodePorts], number: usize, dir: &std::path::Path) -> String {
    let voters: Vec<String> =
        (1..).zip(nodes).map(|(id, ports)| format!("{id}@{}", address(ports.controller))).collect();
    let ports = nodes[number - 1];
    // Two of three have every acknowledged message, and one of three may be away.
    let min_in_sync = if nodes.len() < 3 { 1 } else { 2 };
    [
        ("node", number.to_string()),
        ("voters", voters.join(",")),
        ("broker_port", ports.broker.to_string()),
        ("controller_port", ports.controller.to_string()),
        ("replicas", nodes.len().to_string()),
        ("min_in_sync", min_in_sync.to_string()),
        // In this format a backslash escapes.
        ("data", dir.to_string_lossy().replace('\\', "\\\\")),
    ]
    .iter()
    .fold(SETTINGS.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

/// Whether `DIR/kafka` holds the data of Apache Kafka.
#[must_use]
pub fn has_data(data: &DataDir) -> bool {
    fs::exists(data.join("kafka").join(identity::FILE)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nodes_know_each_other_and_acknowledge_with_two() {
        let nodes: Vec<NodePorts> = (1..=3).map(|n| NodePorts { broker: n, controller: 10 + n }).collect();
        let text = settings(&nodes, 2, std::path::Path::new("/d/kafka/node-2"));
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:11,2@127.0.0.1:12,3@127.0.0.1:13",
            "listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:12",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "log.dirs=/d/kafka/node-2",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in {text}");
        }
        assert!(!text.contains("{{"), "{text}");
    }
}
