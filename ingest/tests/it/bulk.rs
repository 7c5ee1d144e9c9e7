//! Bulk changes of health codes: what one account may do by itself, and what has to wait for another one.

use benches::doors::scope_of;
use reqwest::Method;
use schemas::{HealthEvent, ProposalEvent, access::Role, events::ProposalAction};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Answer, Gateway, ago};

const HEALTH: &str = "/v1/health-codes:batch";

fn line(number: u32, colour: &str) -> Value {
    json!({"person": format!("1{number:015x}"), "colour": colour, "since": "2022-06-01T12:00:00+08:00", "issuer": "CDC",
        "evidence": "E-1", "reason": "contact"})
}

fn lines(range: std::ops::Range<u32>, colour: &str) -> Vec<Value> {
    range.map(|number| line(number, colour)).collect()
}

async fn post(gateway: &Gateway, path: &str, account: &str, lines: &[Value]) -> Answer {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = gateway.bare_request(Method::POST, path).bearer_auth(gateway.token(Role::Feed, account));
    Answer::to(request.header("content-type", "application/x-ndjson").body(body)).await
}

/// The body of a 202.
#[track_caller]
fn kept(answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{}", answer.text);
    serde_json::from_str(&answer.text).expect("JSON")
}

async fn colours_set(gateway: &Gateway) -> usize {
    gateway.messages("health").await.len()
}

async fn records(gateway: &Gateway) -> Vec<ProposalEvent> {
    gateway.records("health-proposals", ProposalEvent::try_parse, |record| record.proposal.to_string()).await
}

#[tokio::test]
async fn a_bulk_change_waits_and_names_what_was_wrong_with_its_lines() {
    let gateway = Gateway::start().await;
    let mut batch = lines(0..150, "red");
    batch.extend(lines(150..160, "green"));
    batch.insert(3, json!({"person": "x"}));
    let answer = kept(&post(&gateway, HEALTH, "maker", &batch).await);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(160), &json!(1)), "{answer}");
    assert_eq!((&answer["lines"][0]["line"], &answer["lines"][0]["problem"]["field"]), (&json!(4), &json!("person")));
    assert_eq!(colours_set(&gateway).await, 0, "nothing of it is in force");

    let records = records(&gateway).await;
    let mut changes: Vec<HealthEvent> = Vec::new();
    for record in &records {
        assert_eq!(json!(record.proposal), answer["proposal"]);
        if let ProposalAction::Part { changes: some, .. } = &record.action {
            changes.extend(some.iter().cloned());
        }
    }
    assert_eq!(changes.len(), 160);
    assert!(changes.iter().all(|change| change.sent_by.as_deref() == Some("maker")));
    let Some(ProposalAction::Propose { parts, digest, by, expires_at_ms }) = records.last().map(|r| r.action.clone())
    else {
        panic!("the last record proposes: {records:?}")
    };
    assert_eq!((parts as usize, by.as_str()), (records.len() - 1, "maker"));
    assert_eq!((&json!(digest), digest.clone()), (&answer["digest"], ProposalEvent::digest(&changes)));
    let day_ms = 24 * 3600 * 1000;
    assert!((expires_at_ms - chrono::Utc::now().timestamp_millis() - day_ms).abs() < 60_000);
    gateway.stop().await;
}

#[tokio::test]
async fn small_batches_of_an_account_add_up_also_through_two_gateways_and_a_restart() {
    let gateway = Gateway::start().await;
    for hundred in [0..40, 40..80] {
        assert_eq!(post(&gateway, HEALTH, "maker", &lines(hundred, "yellow")).await.ok()["accepted"], 40);
    }
    let (key, value) = gateway.messages("health").await.remove(0);
    let first = HealthEvent::try_parse(value.as_bytes()).expect("a change");
    assert_eq!((key, first.sent_by.as_deref(), first.release), (first.person.to_string(), Some("maker"), None));

    kept(&post(&gateway, HEALTH, "maker", &lines(80..101, "red")).await);
    assert_eq!(post(&gateway, HEALTH, "maker", &lines(80..100, "red")).await.ok()["accepted"], 20, "a hundred in all");
    kept(&post(&gateway, HEALTH, "maker", &lines(100..101, "red")).await);
    assert_eq!(post(&gateway, HEALTH, "maker", &lines(0..500, "green")).await.ok()["accepted"], 500, "to green");
    assert_eq!(post(&gateway, HEALTH, "other", &lines(101..201, "red")).await.ok()["accepted"], 100, "another account");

    let gateway = gateway.restart().await;
    kept(&post(&gateway, HEALTH, "maker", &lines(100..101, "red")).await);
    kept(&post(&gateway, HEALTH, "other", &lines(201..202, "red")).await);
    assert_eq!(colours_set(&gateway).await, 700);
    gateway.stop().await;
}

#[tokio::test]
async fn a_snapshot_keeps_what_an_account_has_done_within_the_hour() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tables");
    let gateway = Gateway::start_with(|config| config.tables.tables_directory = Some(path.clone())).await;
    assert_eq!(post(&gateway, HEALTH, "maker", &lines(0..100, "red")).await.ok()["accepted"], 100);
    let gateway = gateway.restart().await;
    let metrics = gateway.get("/metrics").await.text;
    assert!(metrics.contains("ingest_snapshot_used 1"), "the snapshot is used");
    kept(&post(&gateway, HEALTH, "maker", &lines(100..101, "red")).await);
    gateway.stop().await;
}

#[tokio::test]
async fn an_automatic_feed_needs_nobody_and_the_bound_is_the_operators() {
    let gateway = Gateway::start_with(|config| {
        config.bulk.automatic_feeds = vec!["hospital".to_owned(), "province".to_owned()];
        config.bulk.bulk_changes = 2;
    })
    .await;
    assert_eq!(post(&gateway, HEALTH, "province", &lines(0..1000, "red")).await.ok()["accepted"], 1000);
    assert_eq!(post(&gateway, HEALTH, "clerk", &lines(0..2, "red")).await.ok()["accepted"], 2);
    kept(&post(&gateway, HEALTH, "clerk", &lines(2..3, "yellow")).await);
    gateway.stop().await;
}

#[tokio::test]
async fn a_release_is_kept_with_its_account_and_the_digest_of_what_it_sends() {
    let gateway = Gateway::start().await;
    let (proposal, mut batch) = (Uuid::now_v7(), lines(0..3, "red"));
    let path = format!("/v1/health-proposals/{proposal}/release");
    let answer = kept(&post(&gateway, &path, "checker", &batch).await);
    assert_eq!(answer["follow"], format!("/v1/health-proposals/{proposal}"));
    batch.reverse();
    batch.push(json!({"person": "x"}));
    let again = kept(&post(&gateway, &path, "checker", &batch).await);
    assert_eq!((&again["digest"], &again["accepted"]), (&answer["digest"], &json!(3)), "{again}");
    assert_eq!((&again["lines"][0]["line"], &again["lines"][0]["problem"]["field"]), (&json!(4), &json!("person")));
    let of = |record: &ProposalEvent| {
        let ProposalAction::Release { digest, by, .. } = &record.action else { panic!("{record:?}") };
        assert_eq!((record.proposal, by.as_str()), (proposal, "checker"));
        digest.clone()
    };
    let records = records(&gateway).await;
    assert_eq!((records.len(), of(&records[0])), (2, of(&records[1])));
    let refused = post(&gateway, "/v1/health-proposals/7/release", "checker", &batch).await.refusal();
    assert_eq!((refused.0, refused.2.as_deref()), (422, Some("id")));
    assert_eq!(colours_set(&gateway).await, 0, "it is decided elsewhere");
    gateway.stop().await;
}

/// Design: no venue, scan or city clerk can set a colour. Every route, with every role, is sent what sets one.
#[tokio::test]
async fn no_route_and_no_role_but_the_health_feed_sets_a_colour() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let document = gateway.get("/openapi.json").await.ok();
    let red = line(1, "red");
    let scan = json!({"venue": 7, "person": red["person"], "colour": "red"});
    let register = json!({"document": {"type": "passport", "number": "E12345678"}, "colour": "red"});
    let test = json!({"person": red["person"], "sampled_at": ago(60), "resulted_at": ago(60), "result": "positive",
        "laboratory": "L", "colour": "red"});
    let bodies = [red.to_string(), scan.to_string(), register.to_string(), test.to_string()];
    let mut sent = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            for role in Role::ALL {
                if path == HEALTH && *role == Role::Feed {
                    continue;
                }
                let now = chrono::Utc::now().timestamp();
                let token = gateway.issuer.issue(*role, "clerk", scope_of(*role), now, 600).expect("a token");
                for (body, content_type) in
                    bodies.iter().flat_map(|body| ["application/json", "application/x-ndjson"].map(|of| (body, of)))
                {
                    let path = path.replace("{id}", &Uuid::nil().to_string()).replace(['{', '}'], "");
                    let request = gateway.bare_request(method.clone(), &path).bearer_auth(&token);
                    let answer = Answer::to(request.header("content-type", content_type).body(body.clone())).await;
                    assert!(answer.status.as_u16() != 500, "{method} {path} {role}: {}", answer.text);
                    sent += 1;
                }
            }
        }
    }
    assert!(sent > 1000, "{sent}");
    assert_eq!(colours_set(&gateway).await, 0);
    let answer = gateway.scan(&json!({"venue": 7, "person": red["person"]})).await.ok();
    assert_eq!(answer["colour"], "unknown", "{answer}");
    assert_eq!(post(&gateway, HEALTH, "clerk", std::slice::from_ref(&red)).await.ok()["accepted"], 1);
    let answer = gateway.scan(&json!({"venue": 7, "person": red["person"]})).await.ok();
    assert_eq!(answer["colour"], "red", "{answer}");
    gateway.stop().await;
}
