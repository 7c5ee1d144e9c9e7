//! A way to ClickHouse that can be cut, and whose answers can be late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A server's stand-in.
pub struct TcpProxy {
    /// Where it listens, as a URL.
    pub url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    cut: Notify,
    delay_ms: AtomicU64,
}

impl TcpProxy {
    pub async fn start(url: &str) -> Self {
        let server = url.strip_prefix("http://").expect("http").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !accepting.is_cut.load(Ordering::SeqCst) {
                    tokio::spawn(pass(client, server.clone(), Arc::clone(&accepting)));
                }
            }
        });
        Self { url, state }
    }

    /// Breaks all connections and takes no others, or takes them again.
    pub fn cut(&self, is_cut: bool) {
        self.state.is_cut.store(is_cut, Ordering::SeqCst);
        if is_cut {
            self.state.cut.notify_waiters();
        }
    }

    /// How late every answer is from now on.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, server: String, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async {
        // A request that has come whole goes on to the server, also if its sender hangs up before the answer.
        let _ = copy(&mut from_client, &mut to_server).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    let answers = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            tokio::time::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst))).await;
            if to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = state.cut.notified() => {}
        () = questions => {}
        () = answers => {}
    }
}
