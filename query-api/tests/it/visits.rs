//! `GET /v1/persons/{person}/visits`.

use schemas::{Colour, Direction, Method, Verdict};
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
             "direction": "entry", "verdict": "admit", "colour": "green"},
            {"venue": 8, "venue_name": null, "scanned_at": at(MIDNIGHT + 60), "method": "reverse_scan",
             "direction": "exit", "verdict": "recorded", "colour": "red"},
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
