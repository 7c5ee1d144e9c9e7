//! The audit log: every read is in it before it is answered, and what is in it holds together.

use std::time::Duration;

use futures::future::join_all;
use query_api::audit::{AuditConfig, AuditLog};
use reqwest::Method;
use schemas::{
    KeyRing,
    access::{Role, Scope},
    audit::{AuditEntry, AuditRead, Fault, Verification},
};
use serde_json::json;

use crate::city::{AUDIT_KEY_FILE, City, MIDNIGHT, RELEASE, at, person, problem, range, scan};

/// The log, chain by chain, as it is stored.
async fn log(city: &City) -> Vec<AuditEntry> {
    let sql = "SELECT * FROM audit_log ORDER BY chain, sequence";
    let client = city.admin.query_client().with_setting("output_format_json_quote_64bit_integers", "0");
    let mut cursor = client.query(sql).fetch_bytes("JSONEachRow").expect("a query");
    let text = cursor.collect().await.expect("an answer");
    let lines = String::from_utf8(text.to_vec()).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

/// How many chains and entries there are, if nothing is wrong.
fn verify(entries: &[AuditEntry]) -> Result<(u64, u64), Vec<Fault>> {
    let keys = KeyRing::try_parse(&std::fs::read_to_string(AUDIT_KEY_FILE).expect("the keys")).expect("keys");
    let mut verification = Verification::new(&keys, [], chrono::Utc::now().timestamp_millis());
    entries.iter().for_each(|entry| verification.see(entry));
    let found = verification.finish();
    if found.faults.is_empty() { Ok((found.chains, found.entries)) } else { Err(found.faults) }
}

#[tokio::test]
async fn each_read_is_in_the_log_with_who_whom_and_why() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60), scan(2, 1, 90), scan(2, 1, 91), scan(3, 1, 92)]).await;
    let api = city.api().await;
    api.trace(json!({"person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 3600)})).await;
    let entries = log(&city).await;
    assert_eq!(entries.len(), 1);
    let read = &entries[0].read;
    assert_eq!(
        (read.account.as_str(), read.role.as_str(), read.route.as_str()),
        ("it", "epidemiologist", "POST /v1/traces")
    );
    assert_eq!(
        (read.case_number.as_str(), read.evidence.as_str(), read.purpose.as_str()),
        ("C-1", "E-1", "contact_tracing")
    );
    assert_eq!(
        (&read.persons, &read.reached),
        (&vec![person(1).to_u64()], &vec![person(2).to_u64(), person(3).to_u64()])
    );
    assert_eq!(read.reached_depths, [1, 1]);
    assert_eq!((read.from_s, read.to_s, read.scans, read.depth), (MIDNIGHT, MIDNIGHT + 3600, 4, 0));
    assert_eq!((read.window_minutes, entries[0].key_version), (30, 2), "the last key of the file");
    assert_eq!(verify(&entries), Ok((1, 1)));
}

#[tokio::test]
async fn the_log_is_fsynced_and_nothing_in_it_ends_by_itself() {
    let city = City::new().await;
    let [made] = &city
        .lines("SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'audit_log'")
        .await[..]
    else {
        panic!("one log")
    };
    for setting in ["fsync_after_insert = 1", "fsync_part_directory = 1"] {
        assert!(made.contains(setting), "{made}");
    }
    assert!(!made.contains("TTL"), "{made}");
}

#[tokio::test]
async fn reads_at_the_same_time_by_two_services_are_two_whole_chains() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60)]).await;
    let (one, two) = (city.api().await, city.api().await);
    let path = format!("/v1/persons/{}/visits?{}", person(1), range(0, 3600));
    join_all((0..40).map(|number| if number % 2 == 0 { one.ok(&path) } else { two.ok(&path) })).await;
    assert_eq!(verify(&log(&city).await), Ok((2, 40)));
}

#[tokio::test]
async fn who_waits_for_the_disk_is_written_down_together() {
    let city = City::new().await;
    let config = AuditConfig { audit_key_file: AUDIT_KEY_FILE.into() };
    let own = AuditLog::try_new(&config, &city.admin).expect("a log");
    let appended = join_all((0..60).map(|_| own.append(AuditRead::default()))).await;
    assert!(appended.iter().all(Result::is_ok));
    assert_eq!(verify(&log(&city).await), Ok((1, 60)));
    let parts =
        city.lines("SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'audit_log'");
    let parts: u32 = parts.await[0].parse().expect("a number");
    assert!(parts <= 3, "60 entries in {parts} inserts");
}

#[tokio::test]
async fn a_client_that_hangs_up_begins_no_chain() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60)]).await;
    let api = city.api().await;
    let path = format!("/v1/persons/{}/visits?{}&release={RELEASE}", person(1), range(0, 3600));
    for after_ms in 0..60 {
        let request = api.request(Method::GET, &path).timeout(Duration::from_millis(after_ms)).send();
        drop(request.await);
    }
    api.ok(&path).await;
    assert!(matches!(verify(&log(&city).await), Ok((1, _))), "{:?}", verify(&log(&city).await));
}

#[tokio::test]
async fn people_who_look_at_their_own_health_leave_slots_to_others() {
    let city = City::new().await;
    let api = city.api_with(&["--max-concurrent-requests", "4"]).await;
    let scope = Scope { person: Some(person(1)), ..Scope::default() };
    let token = api.issuer.issue(Role::Citizen, "it", scope, chrono::Utc::now().timestamp(), 600).expect("a token");
    let path = format!("/v1/persons/{}/health-changes", person(1));
    let look = async || api.bare_request(Method::GET, &path).bearer_auth(&token).send().await.expect("an answer");
    let answers = join_all((0..40).map(|_| look())).await;
    let shed: Vec<_> = answers.into_iter().filter(|answer| answer.status() != 200).collect();
    assert!((1..40).contains(&shed.len()), "{} of 40 were shed", shed.len());
    for answer in shed {
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(problem(answer, 503).await.0, "overloaded");
    }
    assert_eq!(look().await.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_answered_and_the_next_one_begins_a_chain() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60)]).await;
    let api = city.api().await;
    let path = format!("/v1/persons/{}/visits?{}", person(1), range(0, 3600));
    api.ok(&path).await;
    city.run("RENAME TABLE audit_log TO kept").await;
    for path in [path.clone(), format!("/v1/venues/1/visitors?{}", range(0, 3600))] {
        let answer = api.get(&path).await;
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(problem(answer, 503).await.0, "audit-unavailable");
    }
    city.run("RENAME TABLE kept TO audit_log").await;
    api.ok(&path).await;
    api.ok(&path).await;
    assert_eq!(verify(&log(&city).await), Ok((2, 3)));
}
