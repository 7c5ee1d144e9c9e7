//! The embedded engines, Kafka and ClickHouse, or the addresses of ones that run elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::child::Child;
use crate::data_dir::DataDir;
use crate::secrets::Secrets;

pub mod clickhouse;
pub mod kafka;
pub mod libchdb;

use clickhouse::{ClickHouseOptions, Credentials};

/// Which engines to use, and where.
#[derive(Debug, Clone)]
pub struct EnginePlan {
    /// Bootstrap address of a Kafka that runs elsewhere; `None` starts the embedded one.
    pub external_kafka: Option<String>,
    /// A ClickHouse that runs elsewhere; `None` starts the embedded one.
    pub external_clickhouse: Option<ClickHouseAccess>,
    /// Loopback port of the embedded Kafka.
    pub kafka_port: u16,
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
    kafka_child: Option<(Child, SocketAddr)>,
    clickhouse_child: Option<(Child, u16)>,
}

impl Engines {
    /// Whether Kafka runs here, for this installation alone.
    #[must_use]
    pub const fn kafka_is_embedded(&self) -> bool {
        self.kafka_child.is_some()
    }

    /// What a service must know of Kafka: where it is, and what the embedded one cannot do.
    #[must_use]
    pub fn kafka_environment(&self) -> [(&'static str, String); 3] {
        let complete = !self.kafka_is_embedded();
        [
            ("VENUECODE_KAFKA", self.kafka.clone()),
            ("VENUECODE_KAFKA_IDEMPOTENCE", complete.to_string()),
            ("VENUECODE_KAFKA_COMPACTION_LAG", complete.to_string()),
        ]
    }

    /// Starts what `plan` asks for; nothing is ready yet.
    ///
    /// # Errors
    /// An engine is missing or its process could not be made.
    pub fn launch(plan: &EnginePlan, data: &DataDir, secrets: &Secrets) -> anyhow::Result<Self> {
        let kafka_address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.kafka_port));
        let (kafka, kafka_child) = match &plan.external_kafka {
            Some(address) => (address.clone(), None),
            None => {
                let child = kafka::start(kafka_address, data, plan.grace)?;
                (kafka_address.to_string(), Some((child, kafka_address)))
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
        Ok(Self { kafka, clickhouse, kafka_child, clickhouse_child })
    }

    /// Waits until the embedded engines answer; ones that run elsewhere are taken at their word.
    ///
    /// # Errors
    /// An engine ended early or was not ready in time.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        if let Some((child, address)) = &self.kafka_child {
            kafka::until_ready(child, *address).await?;
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
        if let Some((child, _)) = self.kafka_child {
            child.stop().await;
        }
    }
}
