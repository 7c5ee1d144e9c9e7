//! The audit log: every read is in it before it is answered, and what is in it holds together.

use futures::future::join_all;
use schemas::audit::{AuditEntry, Fault, Verification};
use serde_json::json;

use crate::city::{City, MIDNIGHT, at, person, problem, range, scan};

/// The log, chain by chain, as it is stored.
async fn log(city: &City) -> Vec<AuditEntry> {
    let sql = "SELECT * FROM audit_log ORDER BY chain, sequence";
    let client = city.admin.query_client().with_setting("output_format_json_quote_64bit_integers", "0");
    let mut cursor = client.query(sql).fetch_bytes("JSONEachRow").expect("a query");
    let text = cursor.collect().await.expect("an answer");
    let lines = String::from_utf8(text.to_vec()).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

fn verify(entries: &[AuditEntry]) -> Result<(u64, u64), Fault> {
    let mut verification = Verification::new([])?;
    entries.iter().try_for_each(|entry| verification.see(entry))?;
    verification.finish().map(|whole| (whole.chains, whole.entries))
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
