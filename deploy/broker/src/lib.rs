//! The embedded Kafka: the Tansu broker as a library, on SQLite in the working directory.
//!
//! It speaks the Kafka protocol and keeps what it acknowledged across `kill -9`. It has no transactions and drops commit
//! metadata; nothing of ours depends on those. Fetches wait for messages here rather than there ([`fetches`]). A crate of
//! its own, because the broker's generic code takes minutes to compile and knows nothing of the services.

mod fetches;
mod produced;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use futures::{FutureExt, future::BoxFuture};
use rama::{Layer, Service};
use tansu_broker::Error;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::service::{coordinator, storage};
use tansu_service::{BytesFrameLayer, FrameRouteService, TcpBytesLayer, TcpContext, TcpContextLayer};
use tansu_storage::{BrokerRegistrationRequest, Storage, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use uuid::Uuid;

use fetches::Fetches;
use produced::Produced;

const CLUSTER_ID: &str = "venuecode";
const NODE_ID: i32 = 1;
/// Relative to the working directory: the broker knows no absolute path here.
const STORAGE: &str = "sqlite://kafka.db";
/// The file that everything is stored in, in the working directory.
pub const STORAGE_FILE: &str = "kafka.db";
/// How often messages that are past their time are looked for.
const MAINTAINED: Duration = Duration::from_secs(600);

/// What every connection is served from.
#[derive(Clone)]
struct Broker {
    storage: StorageContainer,
    groups: Controller<StorageContainer>,
    produced: Arc<Produced>,
}

/// Serves Kafka's protocol on `address` until it fails.
///
/// Boxed, so that what it is made of is compiled in this crate.
///
/// # Errors
/// The storage cannot be opened or the address cannot be listened on.
pub fn serve(address: SocketAddr) -> BoxFuture<'static, anyhow::Result<()>> {
    async move {
        let broker = Broker::open(address).await.context("cannot open the embedded Kafka's storage")?;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the embedded Kafka cannot listen on {address}"))?;
        tokio::spawn(maintain(broker.storage.clone()));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => broker.clone().connected(stream)?,
                // Too many open files, or a client that is gone already: neither is for good.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    .boxed()
}

impl Broker {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let storage = StorageContainer::builder()
            .cluster_id(CLUSTER_ID)
            .node_id(NODE_ID)
            .advertised_listener(Url::parse(&format!("tcp://{address}"))?)
            .storage(Url::parse(STORAGE)?)
            .silent(true)
            .build()
            .await?;
        let registration = BrokerRegistrationRequest {
            broker_id: NODE_ID,
            cluster_id: CLUSTER_ID.to_owned(),
            incarnation_id: Uuid::now_v7(),
            rack: None,
        };
        storage.register_broker(registration).await?;
        let groups = Controller::with_storage(storage.clone())?;
        Ok(Self { storage, groups, produced: Arc::default() })
    }

    /// Answers the requests of a connection, one after the other, until its client closes it.
    fn connected(self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let routes = storage::services(FrameRouteService::<(), Error>::builder(), self.storage.clone())?;
        let routes = coordinator::services(routes, self.groups)?;
        let requests = Fetches::new(routes.build().map_err(Error::from)?, self.storage, self.produced);
        let connection = (
            TcpContextLayer::new(TcpContext::default().cluster_id(Some(CLUSTER_ID.to_owned()))),
            TcpBytesLayer::default(),
            BytesFrameLayer::default(),
        )
            .into_layer(requests);
        tokio::spawn(async move {
            match connection.serve(rama::Context::default(), stream).await {
                Ok(()) | Err(Error::Io(_)) => {}
                Err(error) => tracing::error!(%error, "a connection of the embedded Kafka failed"),
            }
        });
        Ok(())
    }
}

/// Removes what is past its time, at once and again and again.
async fn maintain(storage: StorageContainer) {
    loop {
        if let Err(error) = storage.maintain(SystemTime::now()).await {
            tracing::warn!(%error, "the embedded Kafka could not remove old messages");
        }
        tokio::time::sleep(MAINTAINED).await;
    }
}
