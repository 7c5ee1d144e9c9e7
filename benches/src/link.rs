//! A way to a server that can be cut, muted and made slow: how tests and chaos runs let Kafka and ClickHouse be out of
//! reach.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long a question that has come whole may still go on to the server after its sender has hung up.
const AFTERTHOUGHT: Duration = Duration::from_secs(5);

/// How exactly answers are late.
const STEP: Duration = Duration::from_millis(5);

/// Takes connections in the place of a server and passes everything on.
#[derive(Debug)]
pub struct Link {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    cut: Notify,
    is_mute: AtomicBool,
    delay_ms: AtomicU64,
    /// Connections that there are.
    open: AtomicUsize,
}

/// The far end of a link.
#[derive(Debug)]
struct Server {
    address: String,
    /// How a Kafka broker names itself: its host and port as they are in frames. Empty for any other server.
    names: Vec<Vec<u8>>,
}

impl Link {
    /// A link to a server (`HOST:PORT`) of any protocol that does not tell its own address.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(server: &str) -> anyhow::Result<Self> {
        Self::start(Server { address: server.to_owned(), names: Vec::new() }).await
    }

    /// A link to a Kafka broker (`HOST:PORT`): puts its own port where the broker names its own.
    ///
    /// # Errors
    /// When the address is none, or no port is free.
    pub async fn to_kafka(broker: &str) -> anyhow::Result<Self> {
        let (host, port) = broker.rsplit_once(':').context("expected HOST:PORT")?;
        let port: u16 = port.parse().context("expected HOST:PORT")?;
        let name = |host: &str| [host.as_bytes(), &i32::from(port).to_be_bytes()].concat();
        let mut names: Vec<_> = ["127.0.0.1", "localhost", host].map(name).to_vec();
        names.dedup();
        Self::start(Server { address: broker.to_owned(), names }).await
    }

    async fn start(server: Server) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let address = listener.local_addr()?;
        let (server, state) = (Arc::new(server), Arc::new(State::default()));
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state) = (Arc::clone(&server), Arc::clone(&accepting));
                state.open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    pass_on(client, server, &state, address.port()).await;
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { address, state })
    }

    /// Breaks all connections, in the middle of whatever they carry, and takes no others.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.cut.notify_waiters();
    }

    /// The same, and returns when no connection is left: nothing that was under way comes through any more, also after
    /// [`Link::mend`].
    pub async fn cut_all(&self) {
        self.cut();
        while self.state.open.load(Ordering::SeqCst) > 0 {
            sleep(STEP).await;
        }
    }

    /// Passes questions on and no answer: where one would come, the connection ends.
    pub fn mute(&self) {
        self.state.is_mute.store(true, Ordering::SeqCst);
    }

    /// Makes every answer so late from now on; connections stay as they are.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Takes connections again, and passes answers on.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
        self.state.is_mute.store(false, Ordering::SeqCst);
    }
}

impl State {
    /// Waits for as long as answers are late; `false` if there is to be none.
    async fn lets_answer(&self) -> bool {
        let since = Instant::now();
        // An answer that is already late comes at once when answers are no longer late.
        while since.elapsed() < Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)) {
            sleep(STEP).await;
        }
        !self.is_mute.load(Ordering::SeqCst)
    }
}

async fn pass_on(client: TcpStream, server: Arc<Server>, state: &State, own_port: u16) {
    // Made before it is asked whether there is a cut, so that none is missed.
    let cut = state.cut.notified();
    if state.is_cut.load(Ordering::SeqCst) {
        return;
    }
    let passing = async {
        let Ok(far) = TcpStream::connect(&server.address).await else { return };
        let (mut from_client, to_client) = client.into_split();
        let (from_server, mut to_server) = far.into_split();
        let questions = async {
            // An end in the middle is what a link is for.
            let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            sleep(AFTERTHOUGHT).await;
        };
        let answers = async {
            if server.names.is_empty() {
                pass_bytes(from_server, to_client, state).await;
            } else {
                pass_frames(from_server, to_client, state, &server.names, own_port).await;
            }
        };
        tokio::select! {
            () = questions => {}
            () = answers => {}
        }
    };
    tokio::select! {
        () = cut => {}
        () = passing => {}
    }
}

async fn pass_bytes(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if !state.lets_answer().await || to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// Passes frames on, each with its length in front; where the broker names its port, the link's is put.
async fn pass_frames(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, names: &[Vec<u8>], own_port: u16) {
    while let Ok(length) = from.read_u32().await {
        let mut frame = vec![0; 4 + length as usize];
        frame[..4].copy_from_slice(&length.to_be_bytes());
        if from.read_exact(&mut frame[4..]).await.is_err() {
            return;
        }
        names.iter().for_each(|name| put_port(&mut frame, name, own_port));
        if !state.lets_answer().await || to.write_all(&frame).await.is_err() {
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

    #[tokio::test]
    async fn nothing_that_was_under_way_comes_through_after_all_connections_were_cut() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let server = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read_u8().await;
                let _ = client.write_u8(7).await;
                sleep(Duration::from_secs(60)).await;
            }
        });
        for is_cut in [false, true] {
            let link = Link::to(&server).await.expect("a link");
            let mut client = TcpStream::connect(link.address).await.expect("connected");
            link.delay(Duration::from_millis(300));
            client.write_u8(1).await.expect("asked");
            sleep(Duration::from_millis(100)).await;
            link.mute();
            if is_cut {
                link.cut_all().await;
            }
            link.mend();
            assert_eq!(client.read_u8().await.ok(), (!is_cut).then_some(7), "the answer was under way at the mend");
        }
    }

    #[test]
    fn only_the_brokers_own_port_is_replaced() {
        let name = [b"127.0.0.1".as_slice(), &9092_i32.to_be_bytes()].concat();
        let mut frame = [b"\x00\x01\x0a127.0.0.1".as_slice(), &9092_i32.to_be_bytes(), b"127.0.0.1xyz1"].concat();
        put_port(&mut frame, &name, 1234);
        let expected = [b"\x00\x01\x0a127.0.0.1".as_slice(), &1234_i32.to_be_bytes(), b"127.0.0.1xyz1"].concat();
        assert_eq!(frame, expected);
    }
}
