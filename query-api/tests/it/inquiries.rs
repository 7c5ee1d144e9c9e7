//! `POST /v1/traces` beyond one window of one person: dwell times, further hops, several cases, venues, limits, coverage.

use schemas::{Direction, ScanRow};
use serde_json::{Value, json};

use crate::city::{City, MIDNIGHT, at, person, scan};

const MINUTE: i64 = 60;

fn left(row: ScanRow) -> ScanRow {
    ScanRow { direction: Direction::Exit, ..row }
}

fn ask(fields: Value) -> Value {
    let mut body = json!({"from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400)});
    for (field, value) in fields.as_object().expect("fields") {
        body[field] = value.clone();
    }
    body
}

fn contacts(trace: &Value) -> Vec<(Value, Value)> {
    let contacts = trace["contacts"].as_array().expect("a list");
    contacts.iter().map(|contact| (contact["person"].clone(), contact["hop"].clone())).collect()
}

fn people(contacts: &[(u64, u8)]) -> Vec<(Value, Value)> {
    contacts.iter().map(|(number, hop)| (json!(person(*number)), json!(hop))).collect()
}

#[tokio::test]
async fn with_dwell_each_encounter_names_the_rule_of_both_stays() {
    let city = City::new().await;
    city.store(&[
        scan(1, 7, 0),
        left(scan(1, 7, 50 * MINUTE)),
        scan(1, 8, 300 * MINUTE),
        scan(2, 7, 40 * MINUTE), // leaves for elsewhere
        scan(2, 9, 70 * MINUTE),
        scan(3, 7, 51 * MINUTE),       // comes too late
        left(scan(4, 7, 20 * MINUTE)), // only the exit is known
        scan(5, 8, 20 * MINUTE),       // is believed to stay for four hours of nine
        scan(5, 9, 560 * MINUTE),
        scan(6, 8, 61 * MINUTE), // the same, for five hours
        scan(6, 9, 600 * MINUTE),
    ])
    .await;
    let trace = city.api().await.trace(ask(json!({"person": person(1), "rule": "dwell"}))).await;
    assert_eq!((&trace["rule"], &trace["window_minutes"]), (&json!("dwell"), &json!(null)));
    let stay = |from: i64, until: i64, rule: &str, capped: bool| json!({"from": at(MIDNIGHT + from * MINUTE), "until": at(MIDNIGHT + until * MINUTE), "rule": rule, "capped": capped});
    let visits: Vec<_> =
        trace["visits"].as_array().expect("a list").iter().map(|visit| visit["stay"].clone()).collect();
    assert_eq!(visits, [stay(0, 50, "exit_scan", false), json!(null), stay(300, 360, "class_default", false)]);
    assert_eq!(contacts(&trace), people(&[(4, 1), (2, 1), (6, 1)]));
    let evidence = |number: usize| {
        let encounter = &trace["contacts"][number]["encounters"][0];
        (encounter["overlap_minutes"].clone(), encounter["rule"].clone(), encounter["stays"].clone())
    };
    let index = stay(0, 50, "exit_scan", false);
    assert_eq!(
        evidence(0),
        (json!(20.0), json!("exit_only"), json!({"index": index, "contact": stay(-40, 20, "exit_only", false)}))
    );
    assert_eq!(
        evidence(1),
        (json!(10.0), json!("next_scan"), json!({"index": index, "contact": stay(40, 70, "next_scan", false)}))
    );
    let later = stay(300, 360, "class_default", false);
    assert_eq!(
        evidence(2),
        (json!(1.0), json!("next_scan"), json!({"index": later, "contact": stay(61, 301, "next_scan", true)}))
    );
}

#[tokio::test]
async fn a_stay_that_reaches_into_the_time_is_followed_from_its_start() {
    let city = City::new().await;
    city.store(&[
        scan(1, 7, -30 * MINUTE),
        scan(2, 7, -20 * MINUTE),
        left(scan(2, 7, -MINUTE)),
        scan(3, 7, 10 * MINUTE),
    ])
    .await;
    let api = city.api().await;
    let trace = api.trace(ask(json!({"person": person(1), "rule": "dwell"}))).await;
    assert_eq!(trace["visits"][0]["scanned_at"], at(MIDNIGHT - 30 * MINUTE));
    // The second was gone before midnight.
    assert_eq!(contacts(&trace), people(&[(3, 1)]));
    assert_eq!(trace["contacts"][0]["overlap_minutes_total"], 20.0);
    let window = api.trace(ask(json!({"person": person(1)}))).await;
    assert_eq!((&window["visits"], &window["contacts"]), (&json!([]), &json!([])), "a window begins with its scan");
}

#[tokio::test]
async fn a_stay_that_begins_when_the_time_ends_is_not_followed() {
    let city = City::new().await;
    let end = 86_400;
    city.store(&[
        scan(1, 8, end - 1),
        scan(1, 7, end),
        scan(2, 7, end + 5),
        scan(3, 8, end - 2),
        scan(3, 9, end),
        scan(4, 9, end + 5),
    ])
    .await;
    let api = city.api().await;
    for rule in ["window", "dwell"] {
        let trace = api.trace(ask(json!({"person": person(1), "rule": rule, "hops": 2}))).await;
        assert_eq!(contacts(&trace), people(&[(3, 1)]), "{rule}");
    }
}

#[tokio::test]
async fn with_dwell_nobody_is_met_after_the_time() {
    let city = City::new().await;
    let end = 86_400;
    city.store(&[
        scan(1, 7, end - 20 * MINUTE),
        scan(2, 7, end - 10 * MINUTE),
        scan(2, 8, end - 5 * MINUTE),
        scan(3, 8, end - 1),
        scan(4, 7, end), // 1 and 2 are still there
        scan(5, 8, end),
    ])
    .await;
    let trace = city.api().await.trace(ask(json!({"person": person(1), "rule": "dwell", "hops": 2}))).await;
    assert_eq!(contacts(&trace), people(&[(2, 1), (3, 2)]));
    assert_eq!(trace["visits"][0]["stay"]["until"], at(MIDNIGHT + end - 1));
    assert_eq!(trace["contacts"][1]["encounters"][0]["stays"]["index"]["until"], at(MIDNIGHT + end - 1));
}

/// 1 meets 2 and 3; 2 meets 4, who then meets 5; 6 met 2 before 2 met 1.
fn chain() -> Vec<ScanRow> {
    vec![
        scan(6, 9, 0),
        scan(2, 9, 5 * MINUTE),
        scan(1, 7, 100 * MINUTE),
        scan(2, 7, 105 * MINUTE),
        scan(3, 7, 110 * MINUTE),
        scan(2, 8, 200 * MINUTE),
        scan(4, 8, 210 * MINUTE),
        scan(4, 10, 300 * MINUTE),
        scan(5, 10, 310 * MINUTE),
    ]
}

#[tokio::test]
async fn secondary_contacts_come_after_the_exposure_of_who_met_them() {
    let city = City::new().await;
    city.store(&chain()).await;
    city.name(8, "豫园商城", 1).await;
    let api = city.api().await;
    let hops = async |hops: u8| api.trace(ask(json!({"person": person(1), "hops": hops}))).await;
    assert_eq!(contacts(&hops(1).await), people(&[(2, 1), (3, 1)]));
    assert_eq!(contacts(&hops(2).await), people(&[(2, 1), (3, 1), (4, 2)]));
    let three = hops(3).await;
    assert_eq!(contacts(&three), people(&[(2, 1), (3, 1), (4, 2), (5, 3)]));
    assert_eq!(three["contact_counts"], json!([2, 1, 1]));
    assert_eq!(three["contacts"][2]["encounters"][0]["source"], json!(person(2)));
    assert_eq!(three["contacts"][2]["encounters"][0]["venue_name"], "豫园商城");
    let score = |number: usize| three["contacts"][number]["score"].as_f64().expect("a score");
    let met = |minutes: f64| 1.0 - 0.5f64.powf(minutes / 15.0);
    let expected = [met(25.0), met(20.0), met(25.0) * 0.5 * met(20.0), met(25.0) * 0.25 * met(20.0).powi(2)];
    assert!((0..4).all(|number| (score(number) - expected[number]).abs() < 1e-9), "{three}");
}

#[tokio::test]
async fn each_limit_says_what_it_left_out() {
    let city = City::new().await;
    city.store(&chain()).await;
    let body = ask(json!({"person": person(1), "hops": 3}));
    let cut = |what: &str, hop: Option<u8>, limit: u64, at_least: u64| json!([{"what": what, "case": null, "hop": hop, "limit": limit, "at_least": at_least}]);
    for (flags, cuts, expected) in [
        // Of two people the one with the higher score is followed.
        (["--max-followed", "1"], cut("followed_people", Some(1), 1, 2), &[(2, 1), (3, 1), (4, 2), (5, 3)][..]),
        // Two scans of contacts, two and three of them in the second hop.
        (["--max-contact-scans", "4"], cut("scans", Some(2), 4, 5), &[(2, 1), (3, 1)][..]),
        (["--max-pairs", "2"], json!([]), &[(2, 1), (3, 1), (4, 2), (5, 3)][..]),
        (["--max-trace-venues", "2"], cut("venues", None, 2, 3), &[(2, 1), (3, 1), (4, 2), (5, 3)][..]),
        (["--max-encounters", "3"], cut("encounters", None, 3, 4), &[(2, 1), (3, 1), (4, 2)][..]),
    ] {
        let trace = city.api_with(&flags).await.trace(body.clone()).await;
        assert_eq!(trace["cuts"], cuts, "{flags:?}");
        assert_eq!(trace["truncated"], cuts != json!([]), "{flags:?}");
        assert_eq!(contacts(&trace), people(expected), "{flags:?}");
    }
    let mut crowd = chain();
    crowd.extend((20..30).map(|number| scan(number, 8, 201 * MINUTE)));
    let city = City::new().await;
    city.store(&crowd).await;
    let trace = city.api_with(&["--max-pairs", "5"]).await.trace(body).await;
    assert_eq!((&trace["cuts"], contacts(&trace)), (&cut("pairs", Some(2), 5, 6), people(&[(2, 1), (3, 1)])));
}

#[tokio::test]
async fn whoever_scores_highest_is_followed() {
    let city = City::new().await;
    let mut rows = chain();
    // Longer with 1 than 2 was, and with a later key; leads to 8.
    rows.extend([scan(7, 7, 101 * MINUTE), scan(7, 11, 400 * MINUTE), scan(8, 11, 401 * MINUTE)]);
    city.store(&rows).await;
    let trace = city.api_with(&["--max-followed", "1"]).await.trace(ask(json!({"person": person(1), "hops": 3}))).await;
    assert_eq!(contacts(&trace), people(&[(7, 1), (2, 1), (3, 1), (8, 2)]));
    let cut = |hop: u8, at_least: u64| json!({"what": "followed_people", "case": null, "hop": hop, "limit": 1, "at_least": at_least});
    assert_eq!(trace["cuts"], json!([cut(1, 3)]));
}

/// 1 met 2 for long and 3 for a moment; 2 met 4 and 5, 3 met 6 for longer; 5 met 7, 6 met 8.
#[tokio::test]
async fn a_long_time_with_somebody_who_hardly_counts_is_not_followed_before_a_short_one_with_somebody_who_does() {
    let city = City::new().await;
    city.store(&[
        scan(1, 7, 0),
        scan(2, 7, MINUTE),
        scan(3, 7, 29 * MINUTE),
        scan(2, 8, 100 * MINUTE),
        scan(4, 8, 115 * MINUTE),
        scan(5, 8, 120 * MINUTE),
        scan(3, 9, 100 * MINUTE),
        scan(6, 9, 101 * MINUTE),
        scan(5, 10, 200 * MINUTE),
        scan(7, 10, 200 * MINUTE),
        scan(6, 11, 200 * MINUTE),
        scan(8, 11, 200 * MINUTE),
    ])
    .await;
    let trace = city.api_with(&["--max-followed", "2"]).await.trace(ask(json!({"person": person(1), "hops": 3}))).await;
    assert_eq!(contacts(&trace), people(&[(2, 1), (3, 1), (6, 2), (4, 2), (5, 2), (7, 3)]));
}

#[tokio::test]
async fn venues_come_by_time_together_then_by_contacts_then_by_number() {
    let city = City::new().await;
    city.store(&[
        scan(1, 4, 0),
        scan(1, 5, 100 * MINUTE),
        scan(2, 5, 120 * MINUTE), // ten minutes together
        scan(1, 6, 200 * MINUTE),
        scan(3, 6, 225 * MINUTE), // ten minutes, with two people
        scan(4, 6, 225 * MINUTE),
        scan(1, 7, 300 * MINUTE),
        scan(2, 7, 301 * MINUTE), // 29 minutes
        scan(1, 3, 400 * MINUTE),
    ])
    .await;
    let trace = city.api().await.trace(ask(json!({"person": person(1)}))).await;
    let venues = trace["venues"].as_array().expect("a list").iter();
    let venues: Vec<_> = venues.map(|v| json!([v["venue"], v["contacts"], v["overlap_minutes"]])).collect();
    assert_eq!(
        venues,
        [json!([7, 1, 29.0]), json!([6, 2, 10.0]), json!([5, 1, 10.0]), json!([3, 0, 0.0]), json!([4, 0, 0.0])]
    );
}

#[tokio::test]
async fn several_cases_share_contacts_and_venues() {
    let city = City::new().await;
    city.store(&[
        scan(1, 7, 0),
        scan(2, 7, 600 * MINUTE), // the same venue, much later
        scan(2, 8, 700 * MINUTE),
        scan(3, 7, MINUTE),
        scan(3, 8, 701 * MINUTE),
        scan(4, 7, 2 * MINUTE),
        scan(5, 9, 800 * MINUTE),
    ])
    .await;
    city.name(7, "豫园商城", 1).await;
    let api = city.api().await;
    let mut body = ask(json!({"persons": [person(1), person(2)]}));
    let trace = api.trace(body.clone()).await;
    assert_eq!(trace["person"], json!(null));
    assert_eq!(
        trace["shared"],
        json!({
            "contacts": [{"person": person(3), "hop": 1, "cases": [0, 1]}],
            "venues": [{"venue": 7, "venue_name": "豫园商城", "cases": [0, 1]}],
        })
    );
    let cases: Vec<_> = trace["visits"].as_array().expect("a list").iter().map(|visit| visit["case"].clone()).collect();
    assert_eq!(cases, [json!(0), json!(1), json!(1)]);

    // Who was at a venue, beside them.
    body["venues"] = json!([{"venue": 9, "from": at(MIDNIGHT + 820 * MINUTE), "to": at(MIDNIGHT + 821 * MINUTE)}]);
    let trace = api.trace(body).await;
    assert_eq!(contacts(&trace), people(&[(3, 1), (4, 1), (5, 1)]));
    let met = &trace["contacts"][2];
    assert_eq!((&met["cases"], &met["encounters"][0]["source"]), (&json!([2]), &json!(null)));
    assert_eq!(met["exposed_at"], at(MIDNIGHT + 820 * MINUTE));
    assert_eq!(trace["cases"][2]["venue"], 9);
}

#[tokio::test]
async fn a_venue_leads_to_the_people_who_were_there() {
    let city = City::new().await;
    city.store(&[scan(1, 7, 0), scan(2, 7, 40 * MINUTE), scan(3, 7, 71 * MINUTE), scan(4, 8, 41 * MINUTE)]).await;
    let venue = json!({"venue": 7, "from": at(MIDNIGHT + 35 * MINUTE), "to": at(MIDNIGHT + 71 * MINUTE)});
    let trace = city.api().await.trace(ask(json!({"venues": [venue]}))).await;
    assert_eq!(
        (contacts(&trace), &trace["visits"]),
        (people(&[(2, 1)]), &json!([])),
        "30 minutes after 0:00 is too early"
    );
    let dwell = city.api().await.trace(ask(json!({"venues": [venue], "rule": "dwell"}))).await;
    assert_eq!(contacts(&dwell), people(&[(2, 1), (1, 1)]), "an hour is usual");
}

#[tokio::test]
async fn coverage_says_how_complete_the_scans_of_each_venue_look() {
    let city = City::new().await;
    let day = 86_400;
    city.store(&[
        scan(1, 7, 0),
        left(scan(1, 7, MINUTE)),
        scan(2, 7, 2 * day + 1),
        scan(1, 8, day - 1),
        scan(3, 8, 9 * day),
    ])
    .await;
    city.run("INSERT INTO application_states (application_id, revision, venue_id, at_ms) VALUES (generateUUIDv4(), 1, 8, 1653000000000)")
        .await;
    let body = json!({"person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 3 * day), "coverage": true});
    let coverage = city.api().await.trace(body.clone()).await["coverage"].clone();
    assert_eq!(coverage["newest_scan"], at(MIDNIGHT + 9 * day));
    let venue = |venue: u32, days_with_scans: u64, entries: u64, exits: u64, code_since: Value| {
        json!({"venue": venue, "days": 3, "days_with_scans": days_with_scans, "entries": entries, "exits": exits,
               "code_since": code_since})
    };
    let since = json!("2022-05-19T22:40:00Z");
    assert_eq!(coverage["venues"], json!([venue(7, 2, 2, 1, json!(null)), venue(8, 1, 1, 0, since)]));

    let mut recent = body;
    recent["coverage"] = json!(false);
    let now = chrono::Utc::now();
    recent["from"] = json!((now - chrono::TimeDelta::days(29)).to_rfc3339());
    recent["to"] = json!(now.to_rfc3339());
    let coverage = city.api().await.trace(recent).await["coverage"].clone();
    assert_eq!((&coverage["within_retention"], &coverage["venues"]), (&json!(true), &json!(null)));
}
