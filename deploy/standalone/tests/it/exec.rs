//! `venuecode exec`: environment, exit status, signals, users, and that nothing is left behind.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Venuecode, command, eventually, http_get, pid, runs};

fn status_of(script: &str) -> anyhow::Result<Option<i32>> {
    Ok(command().args(["exec", "--", "sh", "-c", script]).status()?.code())
}

#[test]
fn the_commands_exit_status_passes_through() -> anyhow::Result<()> {
    assert_eq!(status_of("exit 7")?, Some(7));
    assert_eq!(status_of("kill -9 $$")?, Some(137));
    let missing = command().args(["exec", "--", "/no/such/command"]).stderr(Stdio::null()).status()?;
    assert_eq!(missing.code(), Some(127));
    Ok(())
}

#[test]
fn a_sigterm_reaches_the_command() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let mark = data.path().join("started");
    let script = format!("trap 'exit 3' TERM; touch {}; while :; do sleep 0.1; done", mark.display());
    let mut exec = command().args(["exec", "--", "sh", "-c", &script]).spawn()?;
    eventually("the command", || mark.exists().then_some(()))?;
    if let Some(pid) = Pid::from_raw(i32::try_from(exec.id())?) {
        kill_process(pid, Signal::TERM)?;
    }
    assert_eq!(exec.wait()?.code(), Some(3));
    Ok(())
}

#[test]
fn the_command_gets_both_engines_and_a_user_that_may_only_read() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_exec, environment) = Venuecode::exec_and_wait(data.path())?;
    for database in ["test_d", "d"] {
        environment.admin(&format!("CREATE DATABASE {database}"))?;
        environment.admin(&format!("CREATE TABLE {database}.t (x UInt8) ENGINE = MergeTree ORDER BY x"))?;
        environment.admin(&format!("INSERT INTO {database}.t VALUES (5)"))?;
    }

    assert_eq!(environment.sql("QUERY", "SELECT x FROM test_d.t")?, ("200".to_owned(), "5".to_owned()));
    // It has the rights that it has in service, so that tests meet what is refused there.
    let elsewhere = ["SELECT x FROM d.t", "INSERT INTO d.t VALUES (6)", "SELECT count() FROM system.query_log"];
    for refused in elsewhere.into_iter().chain(["DROP TABLE test_d.t", "CREATE DATABASE e"]) {
        let (status, body) = environment.sql("QUERY", refused)?;
        assert_ne!(status, "200", "{refused}: {body}");
    }
    let kafka = environment.get("VENUECODE_KAFKA")?;
    std::net::TcpStream::connect(kafka)?;
    Ok(())
}

#[test]
fn clickhouse_answers_nobody_without_a_password() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (_exec, environment) = Venuecode::exec_and_wait(data.path())?;
    let url = environment.get("VENUECODE_CLICKHOUSE_URL")?.trim_start_matches("http://").to_owned();
    for _ in 0..3 {
        let answer = http_get(&url, "/?query=SELECT%20version()")?;
        assert!(!answer.starts_with("HTTP/1.0 200"), "{answer}");
    }
    Ok(())
}

#[test]
fn a_killed_parent_leaves_no_engine() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let (mut exec, _environment) = Venuecode::exec_and_wait(data.path())?;
    let kafka = pid(data.path(), "kafka", None)?;
    let clickhouse = pid(data.path(), "clickhouse", None)?;
    assert!(runs(kafka) && runs(clickhouse));
    exec.kill()?;
    eventually("both engines to end", || (!runs(kafka) && !runs(clickhouse)).then_some(()))
}
