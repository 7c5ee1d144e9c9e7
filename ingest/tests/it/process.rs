//! The gateway as a process of its own, to be killed.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::gateway::{Gateway, PATIENCE};

/// A gateway process on the topics and keys of another one.
pub struct Process {
    pub base: String,
    /// A device's.
    pub token: String,
    pub child: Child,
}

impl Process {
    /// Starts it on a way to Kafka, with a spool, and waits until it is ready.
    pub async fn start(like: &Gateway, kafka: &str, spool: &Path, more: &[&str]) -> Self {
        let [port] = service::ports::claim().expect("a port");
        let config = &like.config;
        let child = Command::new(env!("CARGO_BIN_EXE_venuecode-ingest"))
            .args(["--listen", &format!("127.0.0.1:{port}"), "--kafka", kafka])
            .args(["--topic-prefix", &config.kafka.topic_prefix, "--partitions", "2"])
            .arg("--code-keys-file")
            .arg(&config.city.codes.code_keys_file)
            .arg("--person-keys-file")
            .arg(&config.city.person_keys_file)
            .arg("--identity-keys-file")
            .arg(&config.city.identity_keys_file)
            .arg("--token-keys-file")
            .arg(&config.access.token_keys_file)
            .arg("--spool")
            .arg(spool)
            .args(more)
            .env("VENUECODE_LOG", "warn,rdkafka=off")
            .stdin(Stdio::null())
            .spawn()
            .expect("started");
        let token = like.token(schemas::access::Role::Device, "it");
        let process = Self { base: format!("http://127.0.0.1:{port}"), token, child };
        let started = Instant::now();
        while process.answers("/readyz").await != Some(200) {
            assert!(started.elapsed() < PATIENCE, "not ready in {PATIENCE:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        process
    }

    /// The status of a path, when there is an answer.
    pub async fn answers(&self, path: &str) -> Option<u16> {
        let request = reqwest::Client::new().get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }

    /// What it shows to be measured.
    pub async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.base)).await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::TERM).expect("it runs");
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Waits for its end and expects a clean one.
    pub async fn ended(mut self) {
        let wait = tokio::task::spawn_blocking(move || self.child.wait());
        let status = wait.await.expect("no panic").expect("ended");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
