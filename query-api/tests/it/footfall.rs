//! `GET /v1/footfall`.

use schemas::{Colour, ScanRow};
use serde_json::{Value, json};

use crate::city::{City, MIDNIGHT, at, range, scan};

fn bucket(start: i64, scans: u64, persons: u64, colours: [u64; 4]) -> Value {
    let [green, yellow, red, unknown] = colours;
    json!({"start": at(MIDNIGHT + start), "scans": scans, "persons": persons,
           "colours": {"green": green, "yellow": yellow, "red": red, "unknown": unknown}})
}

#[tokio::test]
async fn days_begin_at_midnight_of_the_city() {
    let city = City::new().await;
    let colour = |number, after_s, colour| {
        let mut row = scan(number, 7, after_s);
        row.colour_shown = Colour::Green;
        row.colour = colour;
        row
    };
    city.store(&[
        colour(1, -1, Colour::Green),
        colour(1, 0, Colour::Yellow),
        colour(1, 86_399, Colour::Red),
        colour(2, 50_000, Colour::Unknown),
        colour(2, 86_400, Colour::Green),
    ])
    .await;
    let api = city.api().await;
    let days = api.ok(&format!("/v1/footfall?scope=venue&id=7&step=day&{}", range(-86_400, 172_800))).await;
    let expected = json!({"scope": "venue", "id": "7", "step": "day", "buckets": [
        bucket(-86_400, 1, 1, [1, 0, 0, 0]),
        bucket(0, 3, 2, [0, 1, 1, 1]),
        bucket(86_400, 1, 1, [1, 0, 0, 0]),
    ]});
    assert_eq!(days, expected);
    let cut = api.ok(&format!("/v1/footfall?scope=city&step=day&{}", range(1, 86_399))).await;
    assert_eq!(cut["id"], "shanghai");
    assert_eq!(cut["buckets"], json!([bucket(0, 1, 1, [0, 0, 0, 1])]), "half-open, and in the bucket of its day");
}

#[tokio::test]
async fn each_scope_counts_its_own() {
    let city = City::new().await;
    let mut elsewhere = scan(2, 8, 10);
    elsewhere.district = 310_104;
    elsewhere.category = "餐饮".to_owned();
    city.store(&[scan(1, 7, 5), elsewhere]).await;
    let api = city.api().await;
    for (scope, scans) in [
        ("scope=venue&id=8", 1),
        ("scope=district&id=310104", 1),
        ("scope=category&id=%E9%A4%90%E9%A5%AE", 1),
        ("scope=city", 2),
        ("scope=city&id=shanghai", 2),
    ] {
        let answer = api.ok(&format!("/v1/footfall?{scope}&step=minute&{}", range(0, 60))).await;
        assert_eq!(answer["buckets"], json!([bucket(0, scans, scans, [scans, 0, 0, 0])]), "{scope}");
    }
    let nowhere = api.ok(&format!("/v1/footfall?scope=category&id=none&step=hour&{}", range(0, 60))).await;
    assert_eq!(nowhere["buckets"], json!([]));
}

/// Scans of one day, several in each hour, at venues of two districts and categories.
fn a_day() -> Vec<ScanRow> {
    let row = |number: u64| {
        let mut row = scan(number % 50, (number % 8) as u32, (number * 86) as i64);
        row.district = 310_101 + (number % 8 / 4) as u32 * 3;
        row.category = ["retail", "catering"][(number % 2) as usize].to_owned();
        row.colour = Colour::ALL[(number % 4) as usize];
        row.kafka_offset = number;
        row
    };
    (0..1_000).map(row).collect()
}

#[tokio::test]
async fn whole_hours_without_people_are_answered_from_few_rows() {
    let city = City::new().await;
    city.store(&a_day()).await;
    let api = city.api().await;
    let answer = api.ok(&format!("/v1/footfall?scope=city&step=hour&people=false&{}", range(0, 86_400))).await;
    let scans: u64 = answer["buckets"].as_array().expect("a list").iter().filter_map(|b| b["scans"].as_u64()).sum();
    assert_eq!(scans, 1_000);
    assert_eq!(answer["buckets"][0]["persons"], Value::Null);

    let sql = format!(
        "SELECT read_rows < 500, projections FROM system.query_log WHERE type = 'QueryFinish' \
         AND current_database = '{}' AND query LIKE '%toStartOfHour(scanned_at) AS hour%' AND user = 'query'",
        city.admin.database
    );
    // The log is written after the answer.
    let mut read = Vec::new();
    for _ in 0..50 {
        city.run("SYSTEM FLUSH LOGS query_log").await;
        read = city.lines(&sql).await;
        if !read.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(read, [format!("1\t['{}.scans_by_venue.footfall_by_hour']", city.admin.database)]);
}

#[tokio::test]
async fn kept_counts_are_right_after_rows_were_deleted() {
    let city = City::new().await;
    city.store(&a_day()).await;
    let api = city.api().await;
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
            for step in ["hour", "day"] {
                let question = format!("/v1/footfall?{scope}&step={step}&{}", range(0, 86_400));
                let mut counted = api.ok(&question).await["buckets"].clone();
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
    city.run("ALTER TABLE scans_by_venue DROP PROJECTION footfall_by_hour SETTINGS mutations_sync = 2").await;
    city.store(&a_day()).await;
    city.run("DELETE FROM schema_migrations WHERE version >= 9").await;
    service::migrate::migrate(&city.admin).await.expect("the migrations run");
    let api = city.api().await;
    let mut later = a_day();
    later.iter_mut().for_each(|row| row.kafka_offset += 1_000);
    city.store(&later).await;
    for _ in 0..20 {
        let answer = api.ok(&format!("/v1/footfall?scope=city&step=day&people=false&{}", range(0, 86_400))).await;
        assert_eq!(answer["buckets"][0]["scans"], 2_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
