//! `GET /v1/footfall`.

use query_api::buckets::Step;
use schemas::{Colour, Direction, Method, ScanRow, Verdict};
use serde_json::json;

use crate::{
    city::{City, ORGANISATION, problem, range, scan},
    counts::buckets,
};

#[tokio::test]
async fn days_begin_at_midnight_of_the_city() {
    let city = City::new().await;
    let colour = |number, after_s, colour| {
        let mut row = scan(number, 7, after_s);
        row.colour_shown = Colour::Green;
        row.colour = colour;
        row
    };
    let rows = [
        colour(1, -1, Colour::Green),
        colour(1, 0, Colour::Yellow),
        colour(1, 86_399, Colour::Red),
        colour(2, 50_000, Colour::Unknown),
        colour(2, 86_400, Colour::Green),
    ];
    city.store(&rows).await;
    let api = city.api().await;
    let days = api.ok(&format!("/v1/footfall?scope=venue&id=7&step=day&{}", range(-86_400, 172_800))).await;
    let expected = json!({"scope": "venue", "id": "7", "step": "day", "buckets": buckets(&rows, Step::Day, true)});
    assert_eq!(days, expected);
    assert_eq!(days["buckets"][1]["colours"], json!({"green": 0, "yellow": 1, "red": 1, "unknown": 1}));
    let cut = api.ok(&format!("/v1/footfall?scope=city&people=true&step=day&{}", range(1, 86_399))).await;
    assert_eq!(cut["id"], "shanghai");
    assert_eq!(cut["buckets"], buckets(&rows[3..4], Step::Day, true), "half-open, and in the bucket of its day");
}

#[tokio::test]
async fn each_scope_counts_its_own() {
    let city = City::new().await;
    city.own(7, "x", ORGANISATION, 1).await;
    city.own(8, "x", ORGANISATION, 1).await;
    city.own(8, "x", "91310000MA1FL0001R", 2).await;
    let mut elsewhere = scan(2, 8, 10);
    elsewhere.district = 310_104;
    elsewhere.category = "餐饮".to_owned();
    let rows = [scan(1, 7, 5), elsewhere];
    city.store(&rows).await;
    let api = city.api().await;
    for (scope, rows) in [
        ("scope=venue&id=8".to_owned(), &rows[1..]),
        (format!("scope=organisation&id={ORGANISATION}"), &rows[..1]),
        ("scope=organisation&id=91310000MA1FL0001R".to_owned(), &rows[1..]),
        ("scope=district&id=310104".to_owned(), &rows[1..]),
        ("scope=category&id=%E9%A4%90%E9%A5%AE".to_owned(), &rows[1..]),
        ("scope=city".to_owned(), &rows[..]),
        ("scope=city&id=shanghai".to_owned(), &rows[..]),
    ] {
        let answer = api.ok(&format!("/v1/footfall?{scope}&step=minute&people=true&{}", range(0, 60))).await;
        assert_eq!(answer["buckets"], buckets(rows, Step::Minute, true), "{scope}");
    }
    let nowhere = api.ok(&format!("/v1/footfall?scope=category&id=none&step=hour&{}", range(0, 60))).await;
    assert_eq!(nowhere["buckets"], json!([]));
}

#[tokio::test]
async fn an_earlier_time_is_counted_beside() {
    let city = City::new().await;
    let (today, last_week) = ([scan(1, 7, 60), scan(2, 7, 7_200)], [scan(3, 7, 100 - 7 * 86_400)]);
    city.store(&today).await;
    city.store(&last_week).await;
    let api = city.api().await;
    for scope in ["venue&id=7", "city"] {
        let path = format!("/v1/footfall?scope={scope}&people=false&step=hour&{}&earlier_days=7", range(0, 86_400));
        let answer = api.ok(&path).await;
        assert_eq!(answer["buckets"], buckets(&today, Step::Hour, false));
        assert_eq!(answer["earlier"], buckets(&last_week, Step::Hour, false));
    }
    for (value, field) in
        [("earlier_days=0", "earlier_days"), ("earlier_days=367", "earlier_days"), ("people=1", "people")]
    {
        let path = format!("/v1/footfall?scope=city&step=day&{}&{value}", range(0, 86_400));
        assert_eq!(problem(api.get(&path).await, 422).await.1, field);
    }
}

/// So many ask the same at once, and ClickHouse is asked for it a few times at most.
#[tokio::test]
async fn who_asks_the_same_at_the_same_time_shares_an_answer() {
    let city = City::new().await;
    city.store(&a_day()).await;
    let api = city
        .api_with(&["--share-answers-ms", "10000", "--late-scans-ms", "0", "--max-concurrent-requests", "128"])
        .await;
    let path = format!("/v1/footfall?scope=city&step=day&{}", range(0, 86_400));
    let answers = futures::future::join_all((0..100).map(|_| api.ok(&path))).await;
    assert!(answers.iter().all(|answer| answer["buckets"][0]["scans"] == 1_000));
    city.run("SYSTEM FLUSH LOGS query_log").await;
    let asked = "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' AND user = 'query' \
                 AND current_database = currentDatabase() AND query LIKE '%of_green%'";
    assert_eq!(city.lines(asked).await, ["1"]);
}

/// Scans of one day, several in each hour, at venues of two districts and categories.
fn a_day() -> Vec<ScanRow> {
    let row = |number: u64| {
        let mut row = scan(number % 50, (number % 8) as u32, (number * 86) as i64);
        row.district = 310_101 + (number % 8 / 4) as u32 * 3;
        row.category = ["retail", "catering"][(number % 2) as usize].to_owned();
        row.colour = Colour::ALL[(number % 4) as usize];
        row.method = Method::ALL[(number % 5) as usize];
        row.direction = Direction::ALL[(number % 2) as usize];
        row.verdict = Verdict::ALL[(number % 3) as usize];
        row.kafka_offset = number;
        row
    };
    (0..1_000).map(row).collect()
}

/// The same scans as further messages.
fn later(count: u64) -> Vec<ScanRow> {
    let mut rows = a_day();
    rows.iter_mut().for_each(|row| row.kafka_offset += 1_000 * count);
    rows
}

async fn now(city: &City) -> String {
    city.lines("SELECT toString(now64(6))").await.pop().expect("a time")
}

/// Rows that ClickHouse read for the query with a text in it since a time, and the projection that it read.
async fn read(city: &City, text: &str, since: &str) -> (u64, String) {
    let sql = format!(
        "SELECT read_rows, arrayStringConcat(projections) FROM system.query_log WHERE type = 'QueryFinish' \
         AND user = 'query' AND current_database = currentDatabase() AND query LIKE '%{text}%' \
         AND event_time_microseconds > '{since}' ORDER BY event_time_microseconds DESC LIMIT 1"
    );
    // The log is written after the answer.
    for _ in 0..50 {
        city.run("SYSTEM FLUSH LOGS query_log").await;
        if let Some((rows, projection)) = city.lines(&sql).await.first().and_then(|line| line.split_once('\t')) {
            let projection = projection.rsplit('.').next().unwrap_or_default().to_owned();
            return (rows.parse().expect("a number"), projection);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no query with {text}");
}

#[tokio::test]
async fn a_poll_reads_few_rows_however_many_are_stored() {
    let city = City::new().await;
    let mut read_before = Vec::new();
    // Five scans in each minute or more: where there are no more scans than minutes, the scans are read instead.
    for (days, stored) in [(0..5, 5_000_u64), (5..25, 25_000)] {
        for day in days {
            city.store(&later(day)).await;
        }
        city.run("OPTIMIZE TABLE scans_by_venue FINAL").await;
        let api = city.api_with(&["--share-answers-ms", "0", "--late-scans-ms", "0"]).await;
        let mut rows_read = Vec::new();
        for (question, text, projection) in [
            ("scope=city&step=minute", "of_green", "city_by_minute"),
            ("scope=city&step=day", "of_green", "city_by_minute"),
            ("scope=district&id=310101&step=hour", "of_green", "places_by_hour"),
            ("scope=district&id=310101&step=minute", "of_green", "places_by_minute"),
            ("scope=category&id=retail&step=day", "of_green", "places_by_hour"),
            ("scope=city&step=day&people=estimate", "uniqCombined64", "people_of_city_by_day"),
            ("scope=district&id=310101&step=day&people=estimate", "uniqCombined64", "people_of_districts_by_day"),
        ] {
            let since = now(&city).await;
            let answer = api.ok(&format!("/v1/footfall?{question}&{}", range(0, 86_400))).await;
            let buckets = answer["buckets"].as_array().expect("a list");
            assert!(buckets.iter().all(|bucket| bucket["persons"].is_null() != question.contains("estimate")));
            let scans: u64 = buckets.iter().filter_map(|bucket| bucket["scans"].as_u64()).sum();
            assert_eq!(scans, if question.contains("city") { stored } else { stored / 2 }, "{question}");
            let (rows, used) = read(&city, text, &since).await;
            println!("{question}: {rows} rows read of {stored}");
            assert_eq!(used, projection, "{question}");
            rows_read.push(rows);
        }
        let since = now(&city).await;
        let top = api.ok(&format!("/v1/footfall/top?scope=city&{}", range(0, 86_400))).await;
        assert_eq!(top["venues"][0]["scans"], stored / 8);
        let (rows, used) = read(&city, "venue_id, count() AS counted", &since).await;
        assert_eq!(used, "venues_by_day");
        rows_read.push(rows);
        if read_before.is_empty() {
            read_before = rows_read;
        } else {
            assert_eq!(rows_read, read_before, "five times as many scans of the same minutes are as many rows");
        }
    }
}

#[tokio::test]
async fn kept_counts_are_right_after_rows_were_deleted() {
    let city = City::new().await;
    city.store(&a_day()).await;
    let api = city.api_with(&["--share-answers-ms", "0", "--late-scans-ms", "0"]).await;
    let deletions = [
        "DELETE FROM scans_by_venue WHERE kafka_offset % 3 = 0",
        "DELETE FROM scans_by_venue WHERE kafka_offset % 7 = 0",
        "ALTER TABLE scans_by_venue APPLY DELETED MASK SETTINGS mutations_sync = 2",
        "ALTER TABLE scans_by_venue DELETE WHERE kafka_offset % 2 = 0 SETTINGS mutations_sync = 2",
        "OPTIMIZE TABLE scans_by_venue FINAL",
        "DELETE FROM scans_by_venue WHERE TRUE",
    ];
    for deletion in deletions {
        city.run(deletion).await;
        for scope in ["scope=city", "scope=district&id=310104", "scope=category&id=retail"] {
            for step in ["minute", "hour", "day"] {
                let question = format!("/v1/footfall?{scope}&step={step}&{}", range(0, 86_400));
                let mut counted = api.ok(&format!("{question}&people=true")).await["buckets"].clone();
                if step == "day" {
                    let estimated = api.ok(&format!("{question}&people=estimate")).await;
                    assert_eq!(estimated["buckets"], counted, "{deletion} {question}: few are told exactly");
                }
                for bucket in counted.as_array_mut().expect("a list") {
                    bucket.as_object_mut().expect("a bucket").remove("persons");
                }
                let kept = api.ok(&format!("{question}&people=false")).await;
                assert_eq!(kept["buckets"], counted, "{deletion} {question}");
            }
        }
    }
}

/// Tables of a build that kept no counts yet, with scans in them.
#[tokio::test]
async fn scans_stored_before_counts_were_kept_are_counted() {
    let city = City::new().await;
    for projection in [
        "city_by_minute",
        "places_by_hour",
        "places_by_minute",
        "venues_by_day",
        "people_of_city_by_day",
        "people_of_districts_by_day",
    ] {
        city.run(&format!("ALTER TABLE scans_by_venue DROP PROJECTION {projection} SETTINGS mutations_sync = 2")).await;
    }
    city.store(&a_day()).await;
    city.run("DELETE FROM schema_migrations WHERE version >= 9").await;
    service::migrate::migrate(&city.admin).await.expect("the migrations run");
    let api = city.api().await;
    city.store(&later(1)).await;
    for _ in 0..20 {
        let time = range(0, 86_400);
        let answer = api.ok(&format!("/v1/footfall?scope=city&step=day&people=estimate&{time}")).await;
        assert_eq!((&answer["buckets"][0]["scans"], &answer["buckets"][0]["persons"]), (&json!(2_000), &json!(50)));
        let answer = api.ok(&format!("/v1/footfall?scope=district&id=310101&step=hour&{time}")).await;
        let scans = answer["buckets"].as_array().expect("a list").iter().filter_map(|b| b["scans"].as_u64());
        assert_eq!(scans.sum::<u64>(), 1_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
