//! A way to Kafka that can be cut: passes bytes on, and puts its own port where the broker names its own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

/// A broker's stand-in.
pub struct Proxy {
    /// Where it listens.
    pub address: String,
    cut: Arc<Cut>,
}

#[derive(Default)]
struct Cut {
    is_cut: AtomicBool,
    happens: Notify,
    /// How long each frame takes, in milliseconds.
    delay_ms: AtomicU64,
}

impl Proxy {
    pub async fn start(broker: &str) -> Self {
        let (host, port) = broker.rsplit_once(':').expect("HOST:PORT");
        let port: i32 = port.parse().expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own_port = i32::from(listener.local_addr().expect("an address").port());
        let cut = Arc::new(Cut::default());
        let names = ["127.0.0.1", "localhost", host].map(|name| [name.as_bytes(), &port.to_be_bytes()].concat());
        let (broker, accepting) = (broker.to_owned(), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if accepting.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&broker).await else { continue };
                let (cut, names) = (Arc::clone(&accepting), names.clone());
                tokio::spawn(async move {
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = cut.happens.notified() => {}
                        () = pass(from_client, to_server, &[], own_port, &cut) => {}
                        () = pass(from_server, to_client, &names, own_port, &cut) => {}
                    }
                });
            }
        });
        Self { address: format!("127.0.0.1:{own_port}"), cut }
    }

    /// Breaks all connections and takes no others.
    pub fn cut(&self) {
        self.cut.is_cut.store(true, Ordering::SeqCst);
        self.cut.happens.notify_waiters();
    }

    /// Makes each frame take so long from now on; connections stay as they are.
    pub fn slow(&self, delay: Duration) {
        self.cut.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.cut.is_cut.store(false, Ordering::SeqCst);
    }
}

/// Passes frames on (each has its length in front) with this port in place of the broker's.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, names: &[Vec<u8>], own_port: i32, cut: &Cut) {
    while let Ok(length) = from.read_u32().await {
        let mut frame = vec![0; length as usize];
        if from.read_exact(&mut frame).await.is_err() {
            return;
        }
        for name in names {
            let found: Vec<usize> =
                frame.windows(name.len()).enumerate().filter(|(_, w)| w == name).map(|(at, _)| at).collect();
            for at in found {
                let end = at + name.len();
                frame[end - 4..end].copy_from_slice(&own_port.to_be_bytes());
            }
        }
        let arrived = tokio::time::Instant::now();
        // Asked again and again: it may have become shorter.
        while arrived.elapsed() < Duration::from_millis(cut.delay_ms.load(Ordering::SeqCst)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if to.write_u32(length).await.is_err() || to.write_all(&frame).await.is_err() {
            return;
        }
    }
}
