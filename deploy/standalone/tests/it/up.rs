//! `venuecode up`: what it refuses before anything has started, and that all of it comes, stays and goes.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use service::shutdown::GRACE;

use crate::stack::{Ports, start};
use crate::support::{Venuecode, command, eventually, eventually_within, kill, pid, runs};

const CHILDREN: [&str; 5] = ["ingest", "processor", "query-api", "clickhouse", "kafka"];

#[test]
fn all_of_it_comes_is_restarted_and_goes() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let ports = Ports::claim()?;
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
    let mut up = start(data.path(), &Ports::claim()?)?;
    let pids = CHILDREN.iter().map(|name| pid(data.path(), name, None)).collect::<Result<Vec<_>, _>>()?;
    up.kill()?;
    up.wait()?;
    have_ended(&pids)
}

#[test]
fn it_ends_in_order_with_whoever_started_it_on_a_lifeline() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let mut up = start(data.path(), &Ports::claim()?)?;
    let pids = CHILDREN.iter().map(|name| pid(data.path(), name, None)).collect::<Result<Vec<_>, _>>()?;
    drop(up.stdin.take());
    assert_eq!(up.wait()?.code(), Some(0));
    assert!(pids.iter().all(|pid| !runs(*pid)), "something still runs");
    Ok(())
}

#[test]
fn services_whose_engines_hang_end_in_bounded_time() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let mut up = start(data.path(), &Ports::claim()?)?;
    let pids = CHILDREN.iter().map(|name| pid(data.path(), name, None)).collect::<Result<Vec<_>, _>>()?;
    let (services, engines) = pids.split_at(3);
    for engine in engines {
        kill_process(*engine, Signal::STOP)?;
    }
    up.kill()?;
    up.wait()?;
    let ended = have_ended(services);
    for engine in engines.iter().filter(|engine| runs(**engine)) {
        kill_process(*engine, Signal::CONT)?;
    }
    ended.and(have_ended(engines))
}

/// Waits until none of these runs: an orderly end is cut short after [`GRACE`].
fn have_ended(pids: &[Pid]) -> anyhow::Result<()> {
    let within = GRACE + Duration::from_secs(10);
    eventually_within(within, "all of them to end", || pids.iter().all(|pid| !runs(*pid)).then_some(()))
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
