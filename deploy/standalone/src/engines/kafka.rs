//! The embedded Kafka ([`broker`]) in a child process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
pub(crate) use broker::STORAGE_FILE;
use tokio::net::TcpStream;

use crate::child::{Child, ChildSpec, StopBy};
use crate::data_dir::DataDir;
use crate::engines::apache_kafka;
use crate::lifeline;

pub mod forgetting;
pub mod removal;
pub mod storage;

const READY_PATIENCE: Duration = Duration::from_secs(30);

/// Starts the broker as a supervised child that listens on `address` and stores in `DIR/kafka`, without those who were erased.
///
/// # Errors
/// The child could not be started, or `DIR/kafka` holds the data of Apache Kafka.
pub async fn start(address: SocketAddr, data: &DataDir, grace: Duration) -> anyhow::Result<Child> {
    if apache_kafka::has_data(data) {
        let dir = data.join("kafka");
        bail!("{} holds the data of Apache Kafka; use --kafka-engine apache or another --data", dir.display());
    }
    match removal::remove_erased(data).await {
        Ok(0) => {}
        Ok(messages) => eprintln!("venuecode: removed erased people from {messages} messages"),
        // Nothing of them is reachable all the same, and doors wait for the gateway.
        Err(error) => {
            eprintln!("venuecode: erased people are still in {STORAGE_FILE}; the next start tries again: {error:#}")
        }
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
    broker::serve(address).await
}

fn enter(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    std::env::set_current_dir(dir).with_context(|| format!("cannot enter {}", dir.display()))
}
