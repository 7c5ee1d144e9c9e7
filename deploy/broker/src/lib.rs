//! The embedded Kafka: the Tansu broker as a library, on SQLite in the working directory.
//!
//! It speaks the Kafka protocol and keeps what it acknowledged across `kill -9`. It has no transactions and drops commit
//! metadata; nothing of ours depends on those. A crate of its own, because the broker's generic code takes minutes to
//! compile and knows nothing of the services.

use std::net::SocketAddr;

use anyhow::Context;
use futures::{FutureExt, future::BoxFuture};
use tansu_broker::{broker::Broker, coordinator::group::administrator::Controller};
use tansu_storage::StorageContainer;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

const CLUSTER_ID: &str = "venuecode";
const NODE_ID: i32 = 1;
/// Relative to the working directory: the broker knows no absolute path here.
const STORAGE: &str = "sqlite://kafka.db";
/// The file that everything is stored in, in the working directory.
pub const STORAGE_FILE: &str = "kafka.db";

/// Serves Kafka's protocol on `address` until it fails.
///
/// Boxed, so that what it is made of is compiled in this crate.
///
/// # Errors
/// The storage cannot be opened or the address cannot be listened on.
pub fn serve(address: SocketAddr) -> BoxFuture<'static, anyhow::Result<()>> {
    async move {
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
    .boxed()
}
