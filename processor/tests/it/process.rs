//! The processor as a process of its own, which can be killed and paused.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Fixture, PATIENCE};

/// A running processor. It is killed when dropped.
pub struct Process {
    child: Child,
    address: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Process {
    /// Starts it on the topics and database of a test, with these environment variables on top.
    pub fn start(fixture: &Fixture, environment: &[(&str, &str)]) -> Self {
        let [port] = service::ports::claim().expect("a free port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = tempfile::NamedTempFile::new().expect("a file");
        let config = &fixture.config;
        let child = Command::new(env!("CARGO_BIN_EXE_venuecode-processor"))
            .env("VENUECODE_LISTEN", address.to_string())
            .env("VENUECODE_HOLD", "all")
            .env("VENUECODE_RETENTION", "off")
            .env("VENUECODE_TOPIC_PREFIX", &config.kafka.topic_prefix)
            .env("VENUECODE_DATABASE", &config.clickhouse.database)
            .env("VENUECODE_BATCH_ROWS", config.batch.batch_rows.to_string())
            .env("VENUECODE_BATCH_MS", config.batch.batch_ms.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(File::create(log.path()).expect("a log"))
            .spawn()
            .expect("the processor starts");
        Self { child, address, log }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a running process");
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("it ends");
    }

    /// Ends it as an operator does, and says how long that took.
    pub fn terminate(mut self) -> Duration {
        let started = Instant::now();
        self.signal(Signal::TERM);
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a process") {
                assert!(status.success(), "{status}: {}", self.log());
                return started.elapsed();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("a log")
    }

    /// Its metrics without labels but the partition, such as `processor_lag_messages{partition="0"}`.
    pub fn metrics(&self) -> HashMap<String, f64> {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let request = "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
            let answered = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
            answered.expect("metrics");
        }
        let value = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter(|line| line.starts_with("processor_")).filter_map(value).collect()
    }

    /// Waits until a metric is as it should be.
    pub async fn wait_for(&self, name: &str, is_right: impl Fn(f64) -> bool) {
        let started = Instant::now();
        loop {
            let metrics = self.metrics();
            if metrics.get(name).is_some_and(|value| is_right(*value)) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{name} in {metrics:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
