//! `GET /v1/persons/{person}/visits`.

use schemas::{Colour, Direction, Method, ScanRow, Verdict};
use serde_json::json;

use crate::city::{City, MIDNIGHT, at, person, range, scan};

#[tokio::test]
async fn visits_come_oldest_first_with_names_of_the_newest_directory() {
    let city = City::new().await;
    let mut exit = scan(1, 8, 60);
    exit.method = Method::ReverseScan;
    exit.direction = Direction::Exit;
    exit.verdict = Verdict::Recorded;
    exit.colour_shown = Colour::Green;
    exit.colour = Colour::Red;
    city.store(&[exit, scan(1, 7, 0), scan(2, 7, 30)]).await;
    city.name(7, "老名字", 1).await;
    city.name(7, "豫园商城", 2).await;
    let api = city.api().await;

    let path = format!("/v1/persons/{}/visits?{}", person(1), range(0, 3_600));
    let expected = json!({
        "person": person(1).to_string(),
        "visits": [
            {"venue": 7, "venue_name": "豫园商城", "scanned_at": at(MIDNIGHT), "method": "venue_code",
             "direction": "entry", "verdict": "admit", "colour": "green", "flags": []},
            {"venue": 8, "venue_name": null, "scanned_at": at(MIDNIGHT + 60), "method": "reverse_scan",
             "direction": "exit", "verdict": "recorded", "colour": "red", "flags": []},
        ],
        "truncated": false,
    });
    assert_eq!(api.ok(&path).await, expected);
}

#[tokio::test]
async fn the_start_belongs_to_the_range_and_the_end_does_not() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 0), scan(1, 2, 60), scan(1, 3, 120)]).await;
    let api = city.api().await;
    let visits = api.ok(&format!("/v1/persons/{}/visits?{}", person(1), range(0, 120))).await;
    let venues: Vec<_> = visits["visits"].as_array().expect("a list").iter().map(|v| v["venue"].clone()).collect();
    assert_eq!(venues, [1, 2]);
    let offset = format!("from={}&to=2022-05-23T08:02:01%2B08:00", at(MIDNIGHT));
    let visits = api.ok(&format!("/v1/persons/{}/visits?{offset}", person(1))).await;
    assert_eq!(visits["visits"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_limit_keeps_the_oldest_and_says_that_there_are_more() {
    let city = City::new().await;
    city.store(&(0..5).map(|i| scan(1, i, i64::from(i))).collect::<Vec<_>>()).await;
    let api = city.api().await;
    let path = format!("/v1/persons/{}/visits?{}&limit=", person(1), range(0, 3_600));
    for (limit, listed, truncated) in [(4, 4, true), (5, 5, false), (10_000, 5, false)] {
        let answer = api.ok(&format!("{path}{limit}")).await;
        assert_eq!(answer["visits"].as_array().map(Vec::len), Some(listed));
        assert_eq!(answer["truncated"], truncated);
    }
    assert_eq!(api.ok(&format!("{path}1")).await["visits"][0]["venue"], 0);
}

#[tokio::test]
async fn code_and_sentinel_within_minutes_are_one_visit_where_the_city_says_so() {
    let city = City::new().await;
    let by = |method, venue, after_s| ScanRow { method, ..scan(1, venue, after_s) };
    let (code, sentinel) = (Method::VenueCode, Method::SentinelIdCard);
    let rows = [
        by(code, 7, -60),
        by(sentinel, 7, 0),     // repeats a scan before the range
        by(sentinel, 8, 600),   // another door
        by(sentinel, 7, 1_200), // ten minutes and more after the code
        by(code, 7, 1_800),     // ten minutes after the sentinel
        by(code, 7, 1_900),
        by(code, 7, 2_000), // by the same method: a visit of its own
        by(code, 9, 3_000),
        by(code, 9, 3_060),
    ];
    city.store(&rows).await;
    let path = format!("/v1/persons/{}/visits?{}", person(1), range(0, 3_600));
    let times = |answer: &serde_json::Value| -> Vec<String> {
        let visits = answer["visits"].as_array().expect("a list").iter();
        visits.map(|visit| visit["scanned_at"].as_str().expect("a time").to_owned()).collect()
    };
    let after = |seconds: &[i64]| seconds.iter().map(|after_s| at(MIDNIGHT + after_s)).collect::<Vec<_>>();
    let shanghai = city.api().await.ok(&path).await;
    assert_eq!(times(&shanghai), after(&[600, 1_200, 1_900, 2_000, 3_000, 3_060]));
    assert_eq!(shanghai["truncated"], false);
    let kaifeng = city.api_with(&["--city", "kaifeng"]).await.ok(&path).await;
    assert_eq!(times(&kaifeng), after(&[0, 600, 1_200, 1_800, 1_900, 2_000, 3_000, 3_060]), "both scans are kept");
    let limited = city.api().await.ok(&format!("{path}&limit=2")).await;
    assert_eq!((times(&limited), &limited["truncated"]), (after(&[600]), &json!(true)));
}
