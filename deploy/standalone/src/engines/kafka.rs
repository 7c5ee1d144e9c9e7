//! The embedded Kafka: the Tansu broker as a library, on SQLite, in a child process of its own.
//!
//! It speaks the Kafka protocol and keeps what it acknowledged across `kill -9`. It has no transactions and drops commit
//! metadata; nothing here depends on those.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tansu_broker::broker::Broker;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_storage::StorageContainer;
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::child::{Child, ChildSpec, StopBy};
use crate::data_dir::DataDir;
use crate::engines::apache_kafka;
use crate::lifeline;

const CLUSTER_ID: &str = "venuecode";
const NODE_ID: i32 = 1;
/// Relative to the working directory: the broker knows no absolute path here.
const STORAGE: &str = "sqlite://kafka.db";
/// The file of [`STORAGE`].
pub(crate) const STORAGE_FILE: &str = "kafka.db";
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// Starts the broker as a supervised child that listens on `address` and stores in `DIR/kafka`.
///
/// # Errors
/// The child could not be started, or `DIR/kafka` holds the data of Apache Kafka.
pub fn start(address: SocketAddr, data: &DataDir, grace: Duration) -> anyhow::Result<Child> {
    if apache_kafka::has_data(data) {
        let dir = data.join("kafka");
        bail!("{} holds the data of Apache Kafka; use --kafka-engine apache or another --data", dir.display());
    }
    let spec = ChildSpec {
        name: "kafka",
        arguments: vec![
            "engine".into(),
            "kafka".into(),
            "--listen".into(),
            address.to_string().into(),
            "--data".into(),
            data.join("kafka").into(),
        ],
        environment: Vec::new(),
        stop_by: StopBy::Lifeline,
        grace,
    };
    Child::start(spec, data)
}

/// Waits until the broker accepts connections, which it does after its storage is open.
///
/// # Errors
/// It ended first or took too long.
pub async fn until_ready(child: &Child, address: SocketAddr) -> anyhow::Result<()> {
    child.until_ready(READY_PATIENCE, async || TcpStream::connect(address).await.is_ok()).await
}

/// Runs the broker in this process until the lifeline ends: the body of `venuecode engine kafka`.
///
/// # Errors
/// The storage cannot be opened or the address cannot be listened on.
pub async fn run(address: SocketAddr, dir: PathBuf) -> anyhow::Result<()> {
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        lifeline::wait();
        // What was acknowledged is in SQLite's log; there is nothing to wait for.
        std::process::exit(0);
    })?;
    enter(&dir)?;
    let listener = Url::parse(&format!("tcp://{address}"))?;
    let mut broker = Broker::<Controller<StorageContainer>, StorageContainer>::builder()
        .node_id(NODE_ID)
        .cluster_id(CLUSTER_ID)
        .incarnation_id(Uuid::now_v7())
        .listener(listener.clone())
        .advertised_listener(listener)
        .storage(Url::parse(STORAGE)?)
        .silent(true)
        .build()
        .await
        .context("cannot open the embedded Kafka's storage")?;
    broker.serve(Instant::now()).await.with_context(|| format!("the embedded Kafka cannot serve {address}"))
}

fn enter(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    std::env::set_current_dir(dir).with_context(|| format!("cannot enter {}", dir.display()))
}
