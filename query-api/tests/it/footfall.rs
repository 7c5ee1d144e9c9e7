//! `GET /v1/footfall`.

use schemas::Colour;
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
