//! The engines, Kafka and ClickHouse, as children of this process, or the addresses of ones that run elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use futures::future::join_all;
use service::ports;

use crate::child::Child;
use crate::data_dir::DataDir;
use crate::secrets::Secrets;

pub mod apache_kafka;
pub mod clickhouse;
pub mod kafka;
pub mod libchdb;

use apache_kafka::{Cluster, NodePorts};
use clickhouse::{ClickHouseOptions, Credentials};

/// Longest wait for nodes that cannot leave in order because the others have left before them. What they have
/// acknowledged is kept either way.
const APACHE_GRACE: Duration = Duration::from_secs(12);

/// The Kafka that is started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KafkaEngine {
    /// The one that is built in: one node, small and quick to start.
    Embedded,
    /// Apache Kafka, as in production; needs Java and deploy/kafka/fetch.sh.
    Apache,
}

/// Which Kafka to use.
#[derive(Debug, Clone, Args)]
pub struct KafkaArgs {
    /// Use a Kafka that runs elsewhere.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The Kafka to start here.
    #[arg(long, env = "VENUECODE_KAFKA_ENGINE", value_enum, default_value = "embedded", value_name = "ENGINE")]
    pub kafka_engine: KafkaEngine,
    /// Nodes of Apache Kafka: 1, or 3, which keep every message three times and go on without one of them.
    #[arg(long, env = "VENUECODE_KAFKA_NODES", default_value = "1", value_parser = ["1", "3"], value_name = "N")]
    pub kafka_nodes: String,
}

impl KafkaArgs {
    /// The embedded Kafka.
    #[must_use]
    pub fn embedded() -> Self {
        Self { kafka: None, kafka_engine: KafkaEngine::Embedded, kafka_nodes: "1".to_owned() }
    }

    /// How many ports for clients the Kafka that is started here needs.
    #[must_use]
    pub fn broker_ports(&self) -> usize {
        match (&self.kafka, self.kafka_engine) {
            (Some(_), _) => 0,
            (None, KafkaEngine::Embedded) => 1,
            (None, KafkaEngine::Apache) => self.kafka_nodes.parse().unwrap_or(1),
        }
    }

    /// The plan with these ports for clients; those of the quorum, which nobody else uses, are any that are free.
    ///
    /// # Errors
    /// Three nodes of the embedded Kafka are asked for, or no port is free.
    pub fn plan(&self, brokers: &[u16]) -> anyhow::Result<KafkaPlan> {
        if let Some(address) = &self.kafka {
            return Ok(KafkaPlan::Elsewhere(address.clone()));
        }
        match (self.kafka_engine, brokers) {
            (KafkaEngine::Embedded, [port]) if self.kafka_nodes == "1" => Ok(KafkaPlan::Embedded(*port)),
            (KafkaEngine::Embedded, _) => bail!("--kafka-nodes {} needs --kafka-engine apache", self.kafka_nodes),
            (KafkaEngine::Apache, _) => {
                let controllers = ports::claim_many(brokers.len()).context("no free port")?;
                let nodes = brokers.iter().zip(controllers);
                Ok(KafkaPlan::Apache(nodes.map(|(&broker, controller)| NodePorts { broker, controller }).collect()))
            }
        }
    }
}

/// Which Kafka to use, and where.
#[derive(Debug, Clone)]
pub enum KafkaPlan {
    /// One that runs elsewhere, by its bootstrap address.
    Elsewhere(String),
    /// The embedded one, on this loopback port.
    Embedded(u16),
    /// Apache Kafka, one node for each of these.
    Apache(Vec<NodePorts>),
}

/// Which engines to use, and where.
#[derive(Debug, Clone)]
pub struct EnginePlan {
    /// Kafka.
    pub kafka: KafkaPlan,
    /// A ClickHouse that runs elsewhere; `None` starts the embedded one.
    pub external_clickhouse: Option<ClickHouseAccess>,
    /// Loopback port of the embedded ClickHouse.
    pub clickhouse_port: u16,
    /// Options of the embedded ClickHouse.
    pub clickhouse: ClickHouseOptions,
    /// How long an engine may take to stop.
    pub grace: Duration,
}

/// Where ClickHouse is and who may do what there.
#[derive(Debug, Clone)]
pub struct ClickHouseAccess {
    /// HTTP URL, without a trailing slash.
    pub url: String,
    /// May do everything.
    pub admin: Credentials,
    /// May create and write the application's tables.
    pub processor: Credentials,
    /// May only read.
    pub query: Credentials,
}

/// Engines that have been started.
#[derive(Debug)]
pub struct Engines {
    /// Bootstrap address of Kafka, `HOST:PORT`.
    pub kafka: String,
    /// ClickHouse and its users.
    pub clickhouse: ClickHouseAccess,
    running_kafka: RunningKafka,
    clickhouse_child: Option<(Child, u16)>,
}

#[derive(Debug)]
enum RunningKafka {
    Elsewhere,
    Embedded(Child, SocketAddr),
    Apache(Cluster, Vec<Child>),
}

impl Engines {
    /// Whether Kafka is the embedded one, which has one writer, no idempotent producers and is ours alone.
    #[must_use]
    pub const fn kafka_is_embedded(&self) -> bool {
        matches!(self.running_kafka, RunningKafka::Embedded(..))
    }

    /// What a service must know of Kafka: where it is, what the embedded one cannot do, and how many replicas it keeps.
    #[must_use]
    pub fn kafka_environment(&self) -> Vec<(&'static str, String)> {
        let complete = !self.kafka_is_embedded();
        let mut environment = vec![
            ("VENUECODE_KAFKA", self.kafka.clone()),
            ("VENUECODE_KAFKA_IDEMPOTENCE", complete.to_string()),
            ("VENUECODE_KAFKA_COMPACTION_LAG", complete.to_string()),
        ];
        if let RunningKafka::Apache(cluster, _) = &self.running_kafka {
            environment.push(("VENUECODE_REPLICATION", cluster.nodes().to_string()));
        }
        environment
    }

    /// Starts what `plan` asks for; nothing is ready yet.
    ///
    /// # Errors
    /// An engine is missing or its process could not be made.
    pub async fn launch(plan: &EnginePlan, data: &DataDir, secrets: &Secrets) -> anyhow::Result<Self> {
        let (kafka, running_kafka) = match &plan.kafka {
            KafkaPlan::Elsewhere(address) => (address.clone(), RunningKafka::Elsewhere),
            KafkaPlan::Embedded(port) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                let child = kafka::start(address, data, plan.grace).await?;
                (address.to_string(), RunningKafka::Embedded(child, address))
            }
            KafkaPlan::Apache(nodes) => {
                let cluster = Cluster::prepare(nodes.clone(), data)?;
                let children = cluster.start(data, plan.grace.min(APACHE_GRACE))?;
                (cluster.bootstrap(), RunningKafka::Apache(cluster, children))
            }
        };
        let port = plan.clickhouse_port;
        let (clickhouse, clickhouse_child) = match &plan.external_clickhouse {
            Some(access) => (access.clone(), None),
            None => {
                let (access, child) = clickhouse::start(port, &plan.clickhouse, data, secrets, plan.grace)?;
                (access, Some((child, port)))
            }
        };
        Ok(Self { kafka, clickhouse, running_kafka, clickhouse_child })
    }

    /// Waits until the engines started here answer; ones that run elsewhere are taken at their word.
    ///
    /// # Errors
    /// An engine ended early or was not ready in time.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        match &self.running_kafka {
            RunningKafka::Elsewhere => {}
            RunningKafka::Embedded(child, address) => kafka::until_ready(child, *address).await?,
            RunningKafka::Apache(cluster, children) => cluster.until_ready(children).await?,
        }
        if let Some((child, port)) = &self.clickhouse_child {
            clickhouse::until_ready(child, *port, &self.clickhouse.admin).await?;
        }
        Ok(())
    }

    /// Stops ClickHouse, then Kafka.
    pub async fn stop(self) {
        if let Some((child, _)) = self.clickhouse_child {
            child.stop().await;
        }
        match self.running_kafka {
            RunningKafka::Elsewhere => {}
            RunningKafka::Embedded(child, _) => child.stop().await,
            // At once: one by one the last would wait for a quorum that is gone.
            RunningKafka::Apache(_, children) => {
                join_all(children.into_iter().map(Child::stop)).await;
            }
        }
    }
}

/// The folder outside the checkout that holds fetched engines and fonts.
///
/// # Errors
/// The environment names no home.
pub(crate) fn cache_dir() -> anyhow::Result<PathBuf> {
    non_empty("VENUECODE_CACHE")
        .or_else(|| non_empty("XDG_CACHE_HOME").map(|dir| dir.join("venuecode")))
        .or_else(|| non_empty("HOME").map(|dir| dir.join(".cache/venuecode")))
        .context("neither VENUECODE_CACHE nor HOME is set, so engines and fonts cannot be found")
}

/// The path in an environment variable, unless it is empty or not set.
pub(crate) fn non_empty(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
