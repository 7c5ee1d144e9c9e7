//! The HTTP side of a process: where it listens and how it ends.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where a service listens.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpConfig {
    /// Address to listen on
    #[arg(long, env = "VENUECODE_LISTEN", default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    pub listen: SocketAddr,
}

impl HttpConfig {
    /// Opens the port.
    ///
    /// # Errors
    /// When it is in use or may not be opened.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))
    }
}

/// The one parameter of a path, before anybody has looked whether it is UTF-8.
pub type Segment = Result<Path<String>, PathRejection>;

/// Stands for an address where clients are counted: an IPv4 address, or the network of an IPv6 address, since one client
/// easily has all of a /64.
pub fn address_key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

/// Serves until `shutdown`, then answers the requests that are under way and returns.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(router: Router, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Answers are small: waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("the listener failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_address_is_its_ipv4_address() {
        let key = |text: &str| address_key(text.parse().expect("valid"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
