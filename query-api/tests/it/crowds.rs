//! `GET /v1/footfall/top` and `GET /v1/occupancy`.

use schemas::{Direction, ScanRow, Verdict};
use serde_json::{Value, json};

use crate::city::{City, MIDNIGHT, ORGANISATION, at, problem, range, scan};

fn exit(number: u64, venue: u32, after_s: i64) -> ScanRow {
    ScanRow { direction: Direction::Exit, ..scan(number, venue, after_s) }
}

#[tokio::test]
async fn inside_is_whose_last_passage_was_an_entry() {
    let city = City::new().await;
    city.own(7, "茶馆", ORGANISATION, 1).await;
    city.own(8, "书店", ORGANISATION, 1).await;
    let refused = ScanRow { verdict: Verdict::Refuse, ..scan(5, 7, 400) };
    city.store(&[
        scan(9, 7, -60),
        scan(1, 7, 100),
        scan(1, 7, 110),
        scan(2, 7, 100),
        exit(2, 7, 200),
        scan(3, 7, 100),
        exit(3, 7, 200),
        scan(3, 7, 300),
        exit(4, 7, 200),
        refused,
        scan(6, 7, 500),
        exit(6, 7, 500),
        scan(1, 8, 600),
    ])
    .await;
    let api = city.api().await;
    let asked = |scope: &str, after_s| format!("/v1/occupancy?scope={scope}&at={}", at(MIDNIGHT + after_s));
    let venue = |venue: u32, name: &str, inside: Value| json!({"venue": venue, "venue_name": name, "exits_scanned": !inside.is_null(), "inside": inside});
    let answer = api.ok(&asked(&format!("organisation&id={ORGANISATION}"), 700)).await;
    let expected = json!({
        "scope": "organisation", "id": ORGANISATION, "since": at(MIDNIGHT), "at": at(MIDNIGHT + 700), "inside": 2,
        "venues": [venue(7, "茶馆", json!(2)), venue(8, "书店", Value::Null)], "truncated": false
    });
    assert_eq!(answer, expected, "1 and 3 are in; whether somebody left 8 nobody knows");
    for (after_s, inside) in
        [(150, Value::Null), (199, Value::Null), (200, json!(1)), (300, json!(2)), (86_400, json!(0))]
    {
        assert_eq!(api.ok(&asked("venue&id=7", after_s)).await["inside"], inside, "{after_s}");
    }
    let nowhere = api.ok(&asked("venue&id=99", 700)).await;
    assert_eq!((&nowhere["inside"], &nowhere["venues"]), (&Value::Null, &json!([])));
    let wide = problem(api.get("/v1/occupancy?scope=city").await, 422).await;
    assert_eq!(wide, ("invalid-field".to_owned(), "scope".to_owned()));
}

#[tokio::test]
async fn the_top_is_by_scans_or_by_people() {
    let city = City::new().await;
    city.name(7, "茶馆", 1).await;
    city.store(&[scan(1, 7, 0), scan(1, 7, 60), scan(1, 7, 120), scan(1, 8, 60), scan(2, 8, 90), scan(1, 9, 86_400)])
        .await;
    let api = city.api().await;
    let asked = |by: &str| format!("/v1/footfall/top?scope=city&{}{by}", range(0, 86_400));
    let tea = json!({"venue": 7, "venue_name": "茶馆", "scans": 3, "persons": 1});
    let books = json!({"venue": 8, "venue_name": null, "scans": 2, "persons": 2});
    for (by, venues) in
        [("", json!([tea, books])), ("&by=scans&limit=1", json!([tea])), ("&by=people", json!([books, tea]))]
    {
        assert_eq!(api.ok(&asked(by)).await["venues"], venues, "{by}");
    }
    for (by, field) in [("&by=money", "by"), ("&limit=101", "limit"), ("&day=1", "day")] {
        assert_eq!(problem(api.get(&asked(by)).await, 422).await.1, field);
    }
}
