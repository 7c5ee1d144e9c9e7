//! `venuecode up`: what it refuses before anything has started, and that all of it comes, stays and goes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Venuecode, command, eventually, http_get, kill, pid, runs};

const CHILDREN: [&str; 5] = ["ingest", "processor", "query-api", "clickhouse", "kafka"];

/// Five ports that nobody listens on right now, as `--flag value` pairs of `venuecode up`.
struct Ports([String; 5]);

impl Ports {
    fn free() -> anyhow::Result<Self> {
        let held: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports: Vec<String> =
            held.iter().map(|held| Ok(held.local_addr()?.port().to_string())).collect::<std::io::Result<_>>()?;
        ports.try_into().map(Self).map_err(|_| anyhow::anyhow!("not five ports"))
    }

    fn address(&self, number: usize) -> String {
        format!("127.0.0.1:{}", self.0[number])
    }

    fn service_is_ready(&self, number: usize) -> bool {
        http_get(&self.address(number), "/readyz").is_ok_and(|answer| answer.contains(" 200 "))
    }
}

/// Starts `venuecode up` and waits until it says that all is ready.
fn start(data: &Path, ports: &Ports) -> anyhow::Result<Child> {
    let mut up = command()
        .args(["up", "--listen-ingest", &ports.address(0), "--listen-processor", &ports.address(1)])
        .args(["--listen-query", &ports.address(2), "--kafka-port", &ports.0[3], "--clickhouse-port", &ports.0[4]])
        .arg("--data")
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = up.stdout.take().context("no standard output")?;
    for line in BufReader::new(stdout).lines() {
        if line?.starts_with("ready") {
            return Ok(up);
        }
    }
    bail!("venuecode up ended: {}", up.wait()?)
}

#[test]
fn all_of_it_comes_is_restarted_and_goes() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let ports = Ports::free()?;
    let mut up = start(data.path(), &ports)?;
    assert!((0..3).all(|number| ports.service_is_ready(number)));

    let old = pid(data.path(), "processor", None)?;
    kill(old)?;
    pid(data.path(), "processor", Some(old))?;
    eventually("the processor", || ports.service_is_ready(1).then_some(()))?;

    let pids = CHILDREN.iter().map(|name| pid(data.path(), name, None)).collect::<Result<Vec<_>, _>>()?;
    if let Some(pid) = Pid::from_raw(i32::try_from(up.id())?) {
        kill_process(pid, Signal::INT)?;
    }
    assert_eq!(up.wait()?.code(), Some(0));
    assert!(pids.iter().all(|pid| !runs(*pid)), "something still runs");
    Ok(())
}

#[test]
fn a_killed_parent_leaves_neither_services_nor_engines() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let mut up = start(data.path(), &Ports::free()?)?;
    let pids = CHILDREN.iter().map(|name| pid(data.path(), name, None)).collect::<Result<Vec<_>, _>>()?;
    up.kill()?;
    up.wait()?;
    eventually("all of them to end", || pids.iter().all(|pid| !runs(*pid)).then_some(()))
}

#[test]
fn a_data_directory_in_use_is_one_line() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_exec, _environment) = Venuecode::exec_and_wait(data.path())?;
    let output = command().args(["up", "--data"]).arg(data.path()).output()?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is in use by process "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    Ok(())
}

#[test]
fn a_port_in_use_is_one_line_that_names_the_flag() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let output = command().args(["up", "--listen-ingest", &address, "--data"]).arg(data.path()).output()?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr, format!("venuecode: port {address} is in use; choose another with --listen-ingest\n"));
    assert_eq!(std::fs::read_dir(data.path().join("run"))?.count(), 0, "something was started");
    Ok(())
}
