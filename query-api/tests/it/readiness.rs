//! When ClickHouse is not there, not ready, too slow, or not what we expect.

use std::time::Duration;

use serde_json::json;

use crate::city::{Api, City, MIDNIGHT, RELEASE, at, env, person, problem, range, release, scan, start};

fn visits() -> String {
    format!("/v1/persons/{}/visits?{}", person(1), range(0, 60))
}

async fn kind_and_retry(api: &Api, status: u16) -> (String, bool) {
    let answer = api.get(&visits()).await;
    let retry = answer.headers().contains_key("retry-after");
    (problem(answer, status).await.0, retry)
}

#[tokio::test]
async fn before_the_tables_are_there_it_is_alive_and_not_ready() {
    let city = City::without_tables().await;
    let api = city.starting_api(&[]).await;
    assert_eq!(api.get("/healthz").await.status(), 200);
    assert_eq!(api.get("/readyz").await.status(), 503);
    assert_eq!(kind_and_retry(&api, 503).await, ("not-ready".to_owned(), true));

    service::migrate::migrate(&city.admin).await.expect("the migrations run");
    city.release(&release(RELEASE)).await;
    for _ in 0..200 {
        if api.get("/readyz").await.status() == 200 {
            api.ok(&visits()).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the service did not become ready");
}

#[tokio::test]
async fn without_clickhouse_it_starts_and_says_what_is_missing() {
    let api = start("http://127.0.0.1:1", "nowhere", &[]).await;
    assert_eq!(kind_and_retry(&api, 503).await, ("not-ready".to_owned(), true));
    for _ in 0..100 {
        let body = api.get("/readyz").await.text().await.expect("a body");
        if body.contains("ClickHouse does not answer") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not say that ClickHouse is missing");
}

#[tokio::test]
async fn tables_of_another_build_are_refused_by_name() {
    let city = City::new().await;
    service::migrate::migrate(&city.admin).await.expect("nothing is missing");
    city.run(
        "ALTER TABLE schema_migrations UPDATE name = '0017_releases' WHERE version = 17 SETTINGS mutations_sync = 2",
    )
    .await;
    let refused = service::migrate::migrate(&city.admin).await.expect_err("another build").to_string();
    for part in ["another build", "`0017_releases`", "`0017_health_changes`", "new data directory"] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
}

#[tokio::test]
async fn a_store_that_goes_away_is_not_our_mistake() {
    let city = City::new().await;
    let api = city.api().await;
    city.run("DROP TABLE scans_by_person SYNC").await;
    assert_eq!(kind_and_retry(&api, 503).await, ("clickhouse-unavailable".to_owned(), true));
    // What alerts look at: that a query failed, and, before any read was refused for it, that none was.
    let metrics = api.get("/metrics").await.text().await.expect("text");
    for line in ["query_api_failed_queries_total{kind=\"visits\"}", "{problem=\"audit-unavailable\"}"] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up() {
    let city = City::new().await;
    city.store(&(0..30).map(|i| scan(1, 1, i)).collect::<Vec<_>>()).await;
    city.run("DROP TABLE scans_by_person SYNC").await;
    city.run(
        "CREATE VIEW scans_by_person AS \
         SELECT * REPLACE (bitOr(person_id, sleepEachRow(0.1)) AS person_id) FROM scans_by_venue",
    )
    .await;
    let api = city.api_with(&["--max-execution-time-s", "1"]).await;
    assert_eq!(kind_and_retry(&api, 503).await, ("query-too-expensive".to_owned(), true));
}

/// Until so many queries for contacts run in the city's database, if that comes.
pub async fn come_to(city: &City, queries: u64) -> bool {
    let (user, database) = (env("VENUECODE_QUERY_USER"), &city.admin.database);
    let count = format!(
        "SELECT count() FROM system.processes \
         WHERE user = '{user}' AND current_database = '{database}' AND query LIKE '%FROM scans_by_venue%'"
    );
    for _ in 0..200 {
        if city.lines(&count).await == [queries.to_string()] {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Stores a scan of a person whose contacts are looked for without end.
pub async fn without_end(city: &City) {
    city.store(&[scan(1, 1, 0)]).await;
    city.run("DROP TABLE scans_by_venue SYNC").await;
    // The index person's own scan, which is left out, without end; the service may not read the numbers itself.
    city.run(
        "CREATE VIEW scans_by_venue SQL SECURITY DEFINER AS \
         WITH (SELECT (person_id, venue_id, scanned_at, method, direction, colour) FROM scans_by_person) AS own \
         SELECT materialize(own.1) AS person_id, materialize(own.2) AS venue_id, materialize(own.3) AS scanned_at, \
                own.4 AS method, own.5 AS direction, own.6 AS colour FROM system.numbers",
    )
    .await;
}

#[tokio::test]
async fn a_trace_ends_when_nobody_waits_for_it_any_more() {
    let city = City::new().await;
    without_end(&city).await;
    let api = city.api_with(&["--max-execution-time-s", "60"]).await;
    let body = json!({"person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 60), "release": RELEASE});
    let body = body.to_string();
    {
        let mut asked = Box::pin(api.post("/v1/traces", "application/json", body));
        tokio::select! {
            answer = &mut asked => panic!("{answer:?}"),
            runs = come_to(&city, 1) => assert!(runs, "there is no such query"),
        }
    }
    assert!(come_to(&city, 0).await, "it is still running");
}

#[tokio::test]
async fn a_table_that_is_not_as_expected_is_our_mistake_and_tells_nothing() {
    let city = City::new().await;
    city.run("DROP TABLE scans_by_person SYNC").await;
    city.run(
        "CREATE TABLE scans_by_person (person_id UInt64, venue_id UInt32, scanned_at DateTime('UTC'), method String, \
         direction String, verdict String, colour String, stream UInt32, kafka_offset UInt64) \
         ENGINE = MergeTree ORDER BY person_id",
    )
    .await;
    city.store(&[scan(1, 1, 0)]).await;
    let api = city.api().await;
    assert_eq!(kind_and_retry(&api, 500).await, ("internal-error".to_owned(), false));
    let body =
        json!({"person": person(1).to_string(), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 1), "release": RELEASE});
    let text = api.post("/v1/traces", "application/json", body.to_string()).await.text().await.expect("a body");
    assert!(!text.contains("person") && !text.contains("String"), "{text}");
}
