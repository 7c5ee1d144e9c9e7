//! The service as a process of its own.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use schemas::access::Role;

use serde_json::json;

use crate::city::{AUDIT_KEY_FILE, CODE_KEYS_FILE, City, REPORT_KEY_FILE, env, keys, release, token};

fn process(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_venuecode-query-api"));
    command.args(flags).env("VENUECODE_LOG", "info").stdin(Stdio::null()).stderr(Stdio::piped());
    command.env("VENUECODE_CODE_KEYS_FILE", CODE_KEYS_FILE).env("VENUECODE_AUDIT_KEY_FILE", AUDIT_KEY_FILE);
    command.env("VENUECODE_REPORT_KEY_FILE", REPORT_KEY_FILE);
    command.env("VENUECODE_CLICKHOUSE_USER", env("VENUECODE_QUERY_USER"));
    command.env("VENUECODE_CLICKHOUSE_PASSWORD", env("VENUECODE_QUERY_PASSWORD"));
    command
}

/// Starts the process and reads in its log on which address it listens.
fn start(flags: &[&str]) -> (Child, BufReader<ChildStderr>, String) {
    let mut child = process(flags).spawn().expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    log.read_line(&mut line).expect("a line");
    let (_, address) = line.trim().rsplit_once("address=").unwrap_or_else(|| panic!("no address in {line}"));
    (child, log, format!("http://{address}"))
}

/// The status of a path, asked for with a token.
async fn get(url: &str, token: String) -> u16 {
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.expect("an answer");
    answer.status().as_u16()
}

async fn stop(mut child: Child) -> std::process::ExitStatus {
    Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().expect("our child") {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().expect("our child");
    panic!("it did not stop within 10 s of SIGTERM");
}

#[tokio::test]
async fn it_still_answers_and_stops_when_nobody_reads_its_log() {
    let (issuer, keys) = keys();
    let keys = keys.path().display().to_string();
    let nowhere = ["--listen", "127.0.0.1:0", "--clickhouse", "http://127.0.0.1:1", "--token-keys-file", &keys];
    let (child, log, base) = start(&nowhere);
    drop(log);
    assert_eq!(get(&format!("{base}/v1/stats"), token(&issuer, Role::Regulator)).await, 503);
    assert!(stop(child).await.success());
}

#[tokio::test]
async fn no_person_is_in_its_log() {
    let city = City::new().await;
    let database = city.admin.database.clone();
    city.run("DROP TABLE scans_by_person SYNC").await;
    let (issuer, keys) = keys();
    let keys = keys.path().display().to_string();
    let (child, mut log, base) =
        start(&["--listen", "127.0.0.1:0", "--database", &database, "--token-keys-file", &keys]);
    let mut ready = String::new();
    log.read_line(&mut ready).expect("a line");
    assert!(ready.contains("ready"), "{ready}");
    let person = "1abcdef012345678";
    let mut covers = release(uuid::Uuid::from_u128(7));
    covers["persons"] = json!([u64::from_str_radix(person, 16).expect("hex")]);
    city.release(&covers).await;
    let release = uuid::Uuid::from_u128(7);
    let path =
        format!("/v1/persons/{person}/visits?from=2022-05-22T16:00:00Z&to=2022-05-22T17:00:00Z&release={release}");
    let token = token(&issuer, Role::Epidemiologist);
    assert_eq!(get(&format!("{base}{path}"), token.clone()).await, 503);
    assert!(stop(child).await.success());
    let log: Vec<_> = log.lines().map(|line| line.expect("text")).collect();
    let number = u64::from_str_radix(person, 16).expect("hex").to_string();
    assert!(log.iter().any(|line| line.contains("a request failed")), "{log:?}");
    assert!(log.iter().all(|line| !line.contains(person) && !line.contains(&number)), "{log:?}");
    assert!(log.iter().all(|line| token.split('.').all(|part| !line.contains(part))), "nor a token");
}

#[test]
fn a_wrong_flag_is_one_line_and_a_failure() {
    let (_, keys) = keys();
    let keys = keys.path().display().to_string();
    let output = process(&["--city", "atlantis", "--token-keys-file", &keys])
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("city `atlantis` is not known"), "{text}");
}
