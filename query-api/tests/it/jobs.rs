//! `/v1/traces/jobs`: who has a turn, who sees what, what stops, and what is gone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, Response};
use schemas::access::{
    Role::{self, Epidemiologist},
    Scope,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    city::{Api, City, KNOWN_FOR, MIDNIGHT, at, json, person, problem, release, scan},
    erasures,
    exports::{FORMATS, compare, expected, rows},
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn id(account: &str) -> Uuid {
    Uuid::from_u128(0x0031_0101_0000_8000_8000_0000_0000_0000 | u128::from(account.as_bytes()[0]) << 8)
}

/// A busy city where accounts have a release of their own.
async fn city(accounts: &[&str]) -> City {
    let city = crate::exports::busy().await;
    for account in accounts {
        let mut row = release(id(account));
        row["asked_by"] = json!(account);
        city.release(&row).await;
    }
    city
}

/// Makes every read of a person's scans take a minute.
async fn slow(city: &City) {
    slow_by(city, 600).await;
}

/// Makes every read of a person's scans take so many tenths of a second.
async fn slow_by(city: &City, tenths: u32) {
    city.run("RENAME TABLE scans_by_person TO scans_kept").await;
    city.run(&format!(
        "CREATE VIEW scans_by_person AS SELECT kept.* FROM scans_kept AS kept \
         CROSS JOIN (SELECT max(sleepEachRow(0.1)) AS slept FROM numbers({tenths}) SETTINGS max_block_size = 5) AS pause \
         WHERE pause.slept = 0"
    ))
    .await;
}

/// How many slow queries of this city's service ClickHouse is at: to look a release up takes a few milliseconds.
async fn queries(city: &City) -> u64 {
    let user = crate::city::env("VENUECODE_QUERY_USER");
    let sql = format!(
        "SELECT count() FROM system.processes WHERE current_database = currentDatabase() AND user = '{user}' AND elapsed > 0.3"
    );
    city.lines(&sql).await[0].parse().expect("a number")
}

/// Waits until so many are, and says how long that took.
async fn until_queries(city: &City, wanted: impl Fn(u64) -> bool) -> Duration {
    let started = std::time::Instant::now();
    while !wanted(queries(city).await) {
        assert!(started.elapsed() < PATIENCE, "{} queries", queries(city).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    started.elapsed()
}

/// Ends the service and waits for its queries, which would keep the database from being dropped.
async fn end(api: Api, city: &City) {
    drop(api);
    tokio::time::sleep(Duration::from_millis(500)).await;
    until_queries(city, |queries| queries == 0).await;
}

async fn send(api: &Api, (role, account): (Role, &str), method: Method, path: &str, body: Option<Value>) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(role, account, Scope::default(), now, 600).expect("a token");
    let request = api.bare_request(method, path).bearer_auth(token);
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
        None => request,
    };
    request.send().await.expect("an answer")
}

fn question(account: &str) -> Value {
    json!({"persons": [person(1), person(2)], "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400), "hops": 2,
        "release": id(account)})
}

async fn ask(api: &Api, account: &str) -> Response {
    send(api, (Epidemiologist, account), Method::POST, "/v1/traces/jobs", Some(question(account))).await
}

/// Asks, and gives the path of the job.
async fn asked(api: &Api, account: &str) -> String {
    let answer = ask(api, account).await;
    let path = answer.headers().get("location").and_then(|path| path.to_str().ok()).unwrap_or_default().to_owned();
    let job = json(answer, 202).await;
    assert_eq!(path, format!("/v1/traces/jobs/{}", job["job"].as_str().expect("an identity")));
    path
}

async fn get(api: &Api, account: &str, path: &str) -> Response {
    send(api, (Epidemiologist, account), Method::GET, path, None).await
}

/// Looks until a job is in a state.
async fn until_state(api: &Api, account: &str, path: &str, state: &str) -> Value {
    let started = std::time::Instant::now();
    loop {
        let job = json(get(api, account, path).await, 200).await;
        if job["state"] == state {
            return job;
        }
        assert!(started.elapsed() < PATIENCE, "{job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn entries(city: &City) -> String {
    city.lines("SELECT count() FROM audit_log").await.remove(0)
}

#[tokio::test]
async fn a_job_is_fetched_as_often_as_wanted_each_time_as_a_read() {
    let city = city(&["li"]).await;
    let api = city.api().await;
    let path = asked(&api, "li").await;
    let job = until_state(&api, "li", &path, "done").await;
    assert!(job["begun_at"].is_string() && job["ended_at"].is_string() && job["expires_at"].is_string(), "{job}");
    assert_eq!((&job["problem"], &job["place"], entries(&city).await.as_str()), (&Value::Null, &Value::Null, "1"));
    let begun = "SELECT route, account, length(persons), length(reached), scans FROM audit_log";
    assert_eq!(city.lines(begun).await, ["POST /v1/traces/jobs\tli\t2\t0\t0"]);
    let result = format!("{path}/result");
    let fetched = json(get(&api, "li", &result).await, 200).await;
    for format in FORMATS {
        let answer = get(&api, "li", &format!("{result}?format={format}&table=contacts")).await;
        compare(format, &rows(&city, format, answer).await, &expected(&fetched, "contacts"));
    }
    assert_eq!(entries(&city).await, "5", "one for the beginning and one for each fetch");
    let of_jobs = "SELECT uniq(route, account, release_id, reached, scans), any(route) FROM audit_log WHERE scans > 0";
    assert_eq!(city.lines(of_jobs).await, ["1\tGET /v1/traces/jobs/{id}/result"]);
    let mut at_once =
        json(send(&api, (Epidemiologist, "li"), Method::POST, "/v1/traces", Some(question("li"))).await, 200).await;
    let mut fetched = fetched;
    // The one thing that hangs on the clock.
    for trace in [&mut at_once, &mut fetched] {
        trace["coverage"]["kept_from"] = Value::Null;
    }
    assert_eq!(fetched, at_once);
    let metrics = api.get("/metrics").await.text().await.expect("text");
    for line in
        ["query_api_jobs_ended_total{outcome=\"done\"}", "query_api_job_results_bytes", "query_api_jobs_waiting"]
    {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn a_result_is_gone_when_its_time_is_over() {
    let city = city(&["li"]).await;
    let api = city.api_with(&["--job-keep-s", "10"]).await;
    let path = asked(&api, "li").await;
    let job = until_state(&api, "li", &path, "done").await;
    let time = |field: &str| job[field].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok()).expect("a time");
    assert_eq!((time("expires_at") - time("ended_at")).num_seconds(), 10);
    let started = std::time::Instant::now();
    while get(&api, "li", &path).await.status() != 410 {
        assert!(started.elapsed() < PATIENCE, "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(Utc::now() >= time("expires_at"), "not before its time");
    for path in [path.clone(), format!("{path}/result")] {
        assert_eq!(problem(get(&api, "li", &path).await, 410).await.0, "job-expired", "{path}");
    }
    assert_eq!(entries(&city).await, "1");
}

#[tokio::test]
async fn a_result_from_before_an_erasure_is_given_to_nobody() {
    let city = city(&["li", "wu"]).await;
    let api = city.api().await;
    let (one, other) = (asked(&api, "li").await, asked(&api, "wu").await);
    for (account, path) in [("li", &one), ("wu", &other)] {
        until_state(&api, account, path, "done").await;
    }
    let result = |path: &str| format!("{path}/result");
    let rows = erasures::done(erasures::id(0x0031_0101, 1));
    let (before, done) = rows.split_at(3);
    erasures::store(&city, before).await;
    json(get(&api, "li", &result(&one)).await, 200).await;
    erasures::store(&city, done).await;
    for _ in 0..2 {
        let gone = problem(get(&api, "li", &result(&one)).await, 410).await;
        assert_eq!(gone, ("job-outdated".to_owned(), "id".to_owned()));
    }
    let job = json(get(&api, "wu", &other).await, 200).await;
    let shown = (&job["state"], job["problem"]["type"].to_string().contains("job-outdated"));
    assert_eq!(shown, (&json!("failed"), true), "nobody has to fetch it first: {job}");
    // What was read after it counts, also when the record of it is written once more.
    let anew = asked(&api, "li").await;
    until_state(&api, "li", &anew, "done").await;
    erasures::store(&city, done).await;
    json(get(&api, "li", &result(&anew)).await, 200).await;
}

#[tokio::test]
async fn a_job_that_reads_while_somebody_is_erased_gives_nothing_out() {
    let city = city(&["li"]).await;
    let api = city.api().await;
    slow_by(&city, 20).await;
    let path = asked(&api, "li").await;
    until_queries(&city, |queries| queries > 0).await;
    erasures::store(&city, &erasures::done(erasures::id(0x0031_0101, 1))).await;
    until_state(&api, "li", &path, "done").await;
    assert_eq!(problem(get(&api, "li", &format!("{path}/result")).await, 410).await.0, "job-outdated");
}

#[tokio::test]
async fn nobody_else_sees_a_job() {
    let city = city(&["li", "wu"]).await;
    let api = city.api().await;
    let path = asked(&api, "li").await;
    until_state(&api, "li", &path, "done").await;
    let result = format!("{path}/result");
    for (method, path) in [(Method::GET, &path), (Method::GET, &result), (Method::DELETE, &path)] {
        let answer = send(&api, (Epidemiologist, "wu"), method.clone(), path, None).await;
        assert_eq!(problem(answer, 404).await.0, "unknown-job", "{method} {path}");
    }
    assert_eq!(entries(&city).await, "1", "nobody but the job has read anything");
    let forged = "/v1/traces/jobs/00000000000000010000000000000001";
    assert_eq!(problem(get(&api, "li", forged).await, 404).await.0, "unknown-job");
}

#[tokio::test]
async fn a_token_with_a_district_reaches_jobs_by_releases_of_its_own() {
    let city = crate::exports::busy().await;
    let mut row = release(id("li"));
    (row["asked_by"], row["district"]) = (json!("li"), json!(310_101));
    city.release(&row).await;
    let api = city.api().await;
    let path = asked(&api, "li").await;
    until_state(&api, "li", &path, "done").await;
    let result = format!("{path}/result");
    let now = chrono::Utc::now().timestamp();
    for (district, is_in_reach) in [
        (Some(310_104), false),
        (Some(3201), false),
        (Some(32), false),
        (Some(310_101), true),
        (Some(3101), true),
        (Some(31), true),
        (None, true),
    ] {
        let scope = Scope { district, ..Scope::default() };
        let token = api.issuer.issue(Epidemiologist, "li", scope, now, 600).expect("a token");
        let sent = async |method: Method, path: &str| {
            api.bare_request(method, path).bearer_auth(&token).send().await.expect("an answer")
        };
        for path in [&path, &result] {
            let answer = sent(Method::GET, path).await;
            match is_in_reach {
                true => assert_eq!(answer.status(), 200, "{district:?} {path}"),
                false => assert_eq!(problem(answer, 404).await.0, "unknown-job", "{district:?} {path}"),
            }
        }
        if !is_in_reach {
            assert_eq!(problem(sent(Method::DELETE, &path).await, 404).await.0, "unknown-job", "{district:?}");
        }
    }
    until_state(&api, "li", &path, "done").await;
}

#[tokio::test]
async fn a_job_is_lost_with_its_service_and_its_account_is_told_so() {
    let city = city(&["li"]).await;
    let before = city.api().await;
    let path = asked(&before, "li").await;
    until_state(&before, "li", &path, "done").await;
    drop(before);
    let after = city.api().await;
    for path in [path.clone(), format!("{path}/result")] {
        assert_eq!(problem(get(&after, "li", &path).await, 410).await, ("job-lost".to_owned(), "id".to_owned()));
        assert_eq!(problem(get(&after, "wu", &path).await, 404).await.0, "unknown-job");
    }
}

#[tokio::test]
async fn a_result_takes_a_release_that_is_still_in_force() {
    let city = city(&["li"]).await;
    let api = city.api().await;
    let mut other = question("li");
    other["persons"] = json!(["1fffffffffffffff"]);
    let refused = send(&api, (Epidemiologist, "li"), Method::POST, "/v1/traces/jobs", Some(other)).await;
    assert_eq!(problem(refused, 403).await.0, "release-does-not-cover", "before it waits");
    let path = asked(&api, "li").await;
    until_state(&api, "li", &path, "done").await;
    let mut row = release(id("li"));
    (row["asked_by"], row["revision"], row["state"]) = (json!("li"), json!(8), json!("withdrawn"));
    city.release(&row).await;
    tokio::time::sleep(KNOWN_FOR).await;
    for format in ["json", "csv"] {
        let refused = get(&api, "li", &format!("{path}/result?format={format}")).await;
        assert_eq!(problem(refused, 403).await.0, "release-not-given");
    }
    assert_eq!(entries(&city).await, "1", "as it began");
}

#[tokio::test]
async fn whoever_cancels_a_job_stops_its_query_and_the_next_one_begins() {
    let city = city(&["li", "wu"]).await;
    slow(&city).await;
    let api = city.api_with(&["--jobs-running", "1"]).await;
    let path = asked(&api, "li").await;
    until_queries(&city, |queries| queries > 0).await;
    let mut running = until_state(&api, "li", &path, "running").await;
    // On a busy machine the slow query may have been another one.
    let started = std::time::Instant::now();
    while running["progress"]["hop"] == 0 && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        running = until_state(&api, "li", &path, "running").await;
    }
    assert_eq!(running["progress"], json!({"hop": 1, "hops": 2, "tenths_done": null}));
    let refused = get(&api, "li", &format!("{path}/result")).await;
    assert_eq!(problem(refused, 409).await.0, "job-without-result");
    let next = asked(&api, "wu").await;
    assert_eq!(json(get(&api, "wu", &next).await, 200).await["place"], 0);
    let gone = send(&api, (Epidemiologist, "wu"), Method::DELETE, &next, None).await;
    assert_eq!(json(gone, 200).await["state"], "cancelled", "it never begins");
    let cancelled = send(&api, (Epidemiologist, "li"), Method::DELETE, &path, None).await;
    assert_eq!(json(cancelled, 200).await["state"], "cancelled");
    let took = until_queries(&city, |queries| queries == 0).await;
    assert!(took < Duration::from_secs(20), "long before the query's own end: {took:?}");
    let next = asked(&api, "wu").await;
    until_state(&api, "wu", &next, "running").await;
    end(api, &city).await;
}

#[tokio::test]
async fn whoever_hangs_up_stops_the_query() {
    let city = city(&["li"]).await;
    slow(&city).await;
    let api = city.api().await;
    let request = send(&api, (Epidemiologist, "li"), Method::POST, "/v1/traces", Some(question("li")));
    tokio::select! {
        _ = request => panic!("it takes a minute"),
        _ = until_queries(&city, |queries| queries > 0) => {}
    }
    // The request is dropped, and with it the connection.
    let took = until_queries(&city, |queries| queries == 0).await;
    assert!(took < Duration::from_secs(20), "long before the query's own end: {took:?}");
}

#[tokio::test]
async fn a_service_that_ends_stops_its_queries() {
    let city = city(&["li"]).await;
    slow(&city).await;
    let api = city.api().await;
    asked(&api, "li").await;
    until_queries(&city, |queries| queries > 0).await;
    drop(api);
    until_queries(&city, |queries| queries == 0).await;
}

#[tokio::test]
async fn accounts_have_turns_and_each_so_many_jobs() {
    let city = city(&["li", "wu"]).await;
    slow(&city).await;
    let api = city.api_with(&["--jobs-running", "1", "--jobs-each", "3"]).await;
    let mut paths = Vec::new();
    for account in ["li", "li", "li", "wu"] {
        paths.push((account, asked(&api, account).await));
    }
    until_state(&api, "li", &paths[0].1, "running").await;
    let mut places = Vec::new();
    for (account, path) in &paths[1..] {
        places.push(json(get(&api, account, path).await, 200).await["place"].clone());
    }
    assert_eq!(places, [1, 2, 0], "whoever has nothing running is next");
    let refused = ask(&api, "li").await;
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(problem(refused, 429).await.0, "too-many-jobs");
    send(&api, (Epidemiologist, "li"), Method::DELETE, &paths[2].1, None).await;
    asked(&api, "li").await;
    assert_eq!(problem(get(&api, "li", &paths[2].1).await, 410).await.0, "job-expired", "it has given way");
    end(api, &city).await;
}

#[tokio::test]
async fn a_job_that_fails_says_why_as_the_trace_would() {
    let city = city(&["li"]).await;
    city.store(&[scan(3, 1, 61)]).await;
    for (flags, kind) in
        [(["--max-contact-scans", "3"], "trace-too-large"), (["--job-results-mib", "0"], "results-full")]
    {
        let api = city.api_with(&flags).await;
        let path = asked(&api, "li").await;
        let failed = until_state(&api, "li", &path, "failed").await;
        assert_eq!(failed["problem"]["type"], format!("urn:venuecode:problem:{kind}"));
        assert_eq!(problem(get(&api, "li", &format!("{path}/result")).await, 409).await.0, "job-without-result");
    }
}

#[tokio::test]
async fn a_job_that_takes_too_long_fails_and_its_query_stops() {
    let city = city(&["li"]).await;
    slow(&city).await;
    let api = city.api_with(&["--job-max-s", "6"]).await;
    let path = asked(&api, "li").await;
    until_queries(&city, |queries| queries > 0).await;
    let failed = until_state(&api, "li", &path, "failed").await;
    assert_eq!(failed["problem"]["type"], "urn:venuecode:problem:job-too-long");
    until_queries(&city, |queries| queries == 0).await;
    end(api, &city).await;
}

#[tokio::test]
async fn a_job_that_cannot_be_written_down_reads_nothing() {
    let city = city(&["li"]).await;
    let api = city.api().await;
    city.run("DROP TABLE audit_log").await;
    let path = asked(&api, "li").await;
    let failed = until_state(&api, "li", &path, "failed").await;
    assert_eq!(failed["problem"]["type"], "urn:venuecode:problem:audit-unavailable");
}
