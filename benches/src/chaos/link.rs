//! A way between two processes that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Takes connections in the place of a server and passes everything on.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    speaks_kafka: bool,
    is_cut: AtomicBool,
    cut: Notify,
    is_mute: AtomicBool,
}

impl Link {
    /// A link to a server of any protocol that does not tell its own address.
    pub(super) async fn to(server: SocketAddr) -> anyhow::Result<Self> {
        Self::start(server, false).await
    }

    /// A link to a Kafka broker: puts its own port where the broker names its own.
    pub(super) async fn to_kafka(broker: SocketAddr) -> anyhow::Result<Self> {
        Self::start(broker, true).await
    }

    async fn start(server: SocketAddr, speaks_kafka: bool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let address = listener.local_addr()?;
        let state = State {
            server,
            speaks_kafka,
            is_cut: AtomicBool::new(false),
            cut: Notify::new(),
            is_mute: AtomicBool::new(false),
        };
        let state = Arc::new(state);
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !accepting.is_cut.load(Ordering::SeqCst) {
                    tokio::spawn(pass_on(client, Arc::clone(&accepting), address.port()));
                }
            }
        });
        Ok(Self { address, state })
    }

    /// Breaks all connections, in the middle of whatever they carry, and takes no others.
    pub(super) fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.cut.notify_waiters();
    }

    /// Passes questions on and no answer: where one would come, the connection ends.
    pub(super) fn mute(&self) {
        self.state.is_mute.store(true, Ordering::SeqCst);
    }

    /// Takes connections again, and passes answers on.
    pub(super) fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
        self.state.is_mute.store(false, Ordering::SeqCst);
    }
}

async fn pass_on(client: TcpStream, state: Arc<State>, own_port: u16) {
    // Made before the server is asked, so that no cut is missed.
    let cut = state.cut.notified();
    let passing = async {
        let Ok(server) = TcpStream::connect(state.server).await else { return };
        let (mut from_client, to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        if !state.speaks_kafka {
            tokio::select! {
                // An end in the middle is what a link is for.
                _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                () = pass_answers(from_server, to_client, &state.is_mute) => {}
            }
            return;
        }
        let name = [state.server.ip().to_string().as_bytes(), &i32::from(state.server.port()).to_be_bytes()].concat();
        tokio::select! {
            () = pass_frames(from_client, to_server, None) => {}
            () = pass_frames(from_server, to_client, Some((&name, own_port))) => {}
        }
    };
    tokio::select! {
        () = cut => {}
        () = passing => {}
    }
}

async fn pass_answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_mute: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut bytes).await {
        let ends = length == 0 || is_mute.load(Ordering::SeqCst);
        if ends || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// Passes frames on, each with its length in front; where `name` ends in the broker's port, the link's is put.
async fn pass_frames(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, rename: Option<(&[u8], u16)>) {
    while let Ok(length) = from.read_u32().await {
        let mut frame = vec![0; 4 + length as usize];
        frame[..4].copy_from_slice(&length.to_be_bytes());
        if from.read_exact(&mut frame[4..]).await.is_err() {
            return;
        }
        if let Some((name, own_port)) = rename {
            put_port(&mut frame, name, own_port);
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

fn put_port(frame: &mut [u8], name: &[u8], own_port: u16) {
    let mut from = 0;
    // The first byte is looked for alone: comparing whole names everywhere would cost more than the broker does.
    while let Some(found) = frame[from..].iter().position(|byte| *byte == name[0]) {
        let at = from + found;
        if frame[at..].starts_with(name) {
            let end = at + name.len();
            frame[end - 4..end].copy_from_slice(&i32::from(own_port).to_be_bytes());
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_brokers_own_port_is_replaced() {
        let name = [b"127.0.0.1".as_slice(), &9092_i32.to_be_bytes()].concat();
        let mut frame = [b"\x00\x01\x0a127.0.0.1".as_slice(), &9092_i32.to_be_bytes(), b"127.0.0.1xyz1"].concat();
        put_port(&mut frame, &name, 1234);
        let expected = [b"\x00\x01\x0a127.0.0.1".as_slice(), &1234_i32.to_be_bytes(), b"127.0.0.1xyz1"].concat();
        assert_eq!(frame, expected);
    }
}
