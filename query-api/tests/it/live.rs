//! `GET /v1/footfall/live`.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures::{Stream, StreamExt};
use reqwest::{Method, Response};
use schemas::{
    ScanRow,
    access::{Role, Scope},
};
use serde_json::Value;

use crate::{
    city::{Api, City, MIDNIGHT, ORGANISATION, at, problem, scan},
    counts::counts,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// What a busy machine may take to end a stream; who waits for the next sign of life takes fifteen seconds.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A scan of just now.
fn now(number: u64, venue: u32) -> ScanRow {
    ScanRow { kafka_offset: number, ..scan(number, venue, Utc::now().timestamp() - MIDNIGHT) }
}

fn token(api: &Api, holder: &str, lifetime_s: u32) -> String {
    let now = Utc::now().timestamp();
    api.issuer.issue(Role::Regulator, holder, Scope::default(), now, lifetime_s).expect("a token")
}

async fn open(api: &Api, holder: &str, scope: &str) -> Response {
    let request = api.bare_request(Method::GET, &format!("/v1/footfall/live?scope={scope}"));
    request.bearer_auth(token(api, holder, 600)).send().await.expect("an answer")
}

/// The data of the events of a stream.
fn events(response: Response) -> impl Stream<Item = Value> + Unpin {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = response.bytes_stream();
    // Each event is written as one piece.
    Box::pin(chunks.filter_map(async |chunk| {
        let text = String::from_utf8(chunk.ok()?.to_vec()).expect("text");
        let data = text.strip_prefix("event: counts\ndata: ")?.strip_suffix("\n\n")?;
        Some(serde_json::from_str(data).expect("JSON"))
    }))
}

async fn next(events: &mut (impl Stream<Item = Value> + Unpin)) -> Value {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event in time").expect("an event")
}

/// Waits for an event with so many scans.
async fn until(events: &mut (impl Stream<Item = Value> + Unpin), scans: u64) -> Value {
    loop {
        let event = next(events).await;
        if event["counts"]["scans"] == scans {
            return event;
        }
    }
}

#[tokio::test]
async fn every_scope_hears_of_its_scans_within_a_second() {
    let city = City::new().await;
    city.own(7, "茶馆", ORGANISATION, 1).await;
    let api = city.api().await;
    let mut streams = Vec::new();
    let own = format!("organisation&id={ORGANISATION}");
    for scope in ["venue&id=7", &own, "district&id=310101", "category&id=retail", "city"] {
        let mut stream = events(open(&api, &scope.to_lowercase(), scope).await);
        assert_eq!(next(&mut stream).await["counts"]["scans"], 0, "what there is comes at once");
        streams.push(stream);
    }
    // Looked at every 250 ms: a machine that is busy for a while has its chance after that.
    let mut stored: Vec<ScanRow> = Vec::new();
    let begun = Instant::now();
    let took = loop {
        let number = stored.len() as u64;
        let rows = [now(number, 7)];
        let started = Instant::now();
        city.store(&rows).await;
        stored.extend(rows);
        for stream in &mut streams {
            let event = until(stream, number + 1).await;
            assert_eq!(event["counts"], counts(&stored, false));
        }
        let took = started.elapsed();
        if took < Duration::from_secs(1) {
            break took;
        }
        assert!(begun.elapsed() < PATIENCE, "heard of after {took:?} only");
    };
    println!("heard of by all five after {took:?}");

    // Only those whose scope has it.
    let all = stored.len() as u64 + 1;
    city.store(&[ScanRow { district: 310_104, category: "catering".to_owned(), ..now(all, 8) }]).await;
    assert_eq!(until(&mut streams[4], all).await["counts"]["scans"], all);
    let still = tokio::time::timeout(Duration::from_secs(1), streams[0].next()).await;
    assert!(still.is_err(), "nothing has changed there: {still:?}");
}

#[tokio::test]
async fn one_look_serves_all_who_listen_and_nobody_asks_while_nobody_does() {
    let city = City::new().await;
    let api = city.api_with(&["--live-interval-ms", "500", "--max-live-streams-each", "40"]).await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = events(open(&api, "screens", "city").await);
        next(&mut stream).await;
        streams.push(stream);
    }
    let asked = async || {
        city.run("SYSTEM FLUSH LOGS query_log").await;
        let sql = "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND user = 'query' \
                   AND current_database = currentDatabase() AND query LIKE '%GROUP BY district, category%'";
        city.lines(sql).await[0].parse::<u64>().expect("a number")
    };
    let (before, begun) = (asked().await, Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let looks = asked().await - before;
    // Each look may ask a second time, as nothing is stored that the kept counts could tell.
    let most = 2 * (begun.elapsed().as_millis() as u64 / 500 + 2);
    assert!((1..=most).contains(&looks), "{looks} looks for 40 streams, at most {most}");
    drop(streams);
    let (mut before, dropped) = (asked().await, Instant::now());
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = asked().await;
        if now == before {
            return;
        }
        assert!(dropped.elapsed() < PATIENCE, "looks go on");
        before = now;
    }
}

#[tokio::test]
async fn places_are_bounded_and_come_back() {
    let city = City::new().await;
    let api = city.api_with(&["--max-live-streams", "3", "--max-live-streams-each", "2"]).await;
    let first = open(&api, "a", "city").await;
    let _second = open(&api, "a", "city").await;
    let refused = open(&api, "a", "city").await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused, 429).await.0, "too-many-listeners");
    let _other = open(&api, "b", "city").await;
    assert_eq!(problem(open(&api, "c", "city").await, 429).await.0, "too-many-listeners");
    drop(first);
    for _ in 0..100 {
        if open(&api, "a", "city").await.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place of who has gone stays taken");
}

#[tokio::test]
async fn a_stream_ends_with_the_service_and_after_the_events_that_were_asked_for() {
    let city = City::new().await;
    let api = city.api().await;
    let mut one = events(open(&api, "a", "city&events=1").await);
    let event = next(&mut one).await;
    assert_eq!(event["since"].as_str().map(|since| &since[10..]), Some("T16:00:00Z"), "midnight of the city");
    assert!(at(Utc::now().timestamp()).as_str() > event["since"].as_str().expect("a time"));
    assert_eq!(one.next().await, None);
    let mut endless = events(open(&api, "a", "city").await);
    next(&mut endless).await;
    let begun = Instant::now();
    drop(api);
    assert_eq!(tokio::time::timeout(PATIENCE, endless.next()).await.expect("an end"), None);
    let ended = begun.elapsed();
    println!("ended {ended:?} after the service was told to");
    assert!(ended < AT_ONCE, "{ended:?}");
}

#[tokio::test]
async fn an_outage_is_told_and_its_end() {
    let city = City::new().await;
    city.store(&[now(1, 7)]).await;
    let api = city.api().await;
    let mut stream = open(&api, "a", "venue&id=7").await.bytes_stream();
    let mut until = async |start: &str| loop {
        let chunk =
            tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time").expect("more").expect("bytes");
        let text = String::from_utf8(chunk.to_vec()).expect("text");
        if text.starts_with(start) {
            return text;
        }
    };
    let first = until("event: counts\n").await;
    assert!(first.contains("\"at\":\"20"), "when it was looked at: {first}");
    let begun = Instant::now();
    city.run("RENAME TABLE scans_by_venue TO gone").await;
    assert_eq!(until("event: ").await, "event: unavailable\ndata: {}\n\n");
    assert!(begun.elapsed() >= Duration::from_secs(4), "a short one is not worth it");
    city.run("RENAME TABLE gone TO scans_by_venue").await;
    let again = until("event: ").await;
    assert!(again.starts_with("event: counts\n") && again != first, "the same counts, looked at later: {again}");
}

#[tokio::test]
async fn a_dashboard_hears_of_whole_groups_however_often_it_comes_back() {
    let city = City::new().await;
    let api = city.api().await;
    let mut all = events(open(&api, "a", "city").await);
    let shown = async || -> Value {
        let scope = benches::doors::scope_of(Role::Dashboard);
        let token = api.issuer.issue(Role::Dashboard, "screen", scope, Utc::now().timestamp(), 600).expect("a token");
        let request = api.bare_request(Method::GET, "/v1/footfall/live?scope=city&events=1").bearer_auth(token);
        next(&mut events(request.send().await.expect("an answer"))).await["counts"]["scans"].clone()
    };
    for (stored, told) in [(0..15, 10), (15..24, 10), (24..25, 20)] {
        let end = stored.end;
        city.store(&stored.map(|number| now(number, 7)).collect::<Vec<_>>()).await;
        until(&mut all, end).await;
        assert_eq!(shown().await, told, "{end} scans");
    }
}
