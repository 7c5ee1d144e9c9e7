//! `POST /v1/traces`.

use schemas::{Colour, Method};
use serde_json::json;

use crate::city::{City, MIDNIGHT, RELEASE, at, json, person, problem, scan};

fn body(number: u64, minutes: u32) -> serde_json::Value {
    json!({"person": person(number).to_string(), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400),
           "window_minutes": minutes, "release": RELEASE})
}

#[tokio::test]
async fn a_contact_is_listed_with_every_encounter() {
    let city = City::new().await;
    let mut near = scan(2, 7, 3_600 - 90);
    near.method = Method::SentinelIdCard;
    near.colour = Colour::Yellow;
    city.store(&[
        scan(1, 7, 3_600),
        scan(1, 8, 7_200),
        near,
        scan(2, 8, 7_200 + 600),
        scan(3, 7, 3_600 + 601), // a second too late
        scan(4, 9, 3_600),       // elsewhere
        scan(5, 7, 3_600 + 600), // the last second of the window
    ])
    .await;
    city.name(7, "豫园商城", 1).await;
    let api = city.api().await;
    let visit = |venue: u32, name: Option<&str>, after_s| {
        json!({"case": 0, "venue": venue, "venue_name": name, "scanned_at": at(MIDNIGHT + after_s), "method": "venue_code",
               "direction": "entry", "verdict": "admit", "colour": "green", "flags": []})
    };
    let expected = json!({
        "person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400), "rule": "window", "window_minutes": 10,
        "cases": [{"case": 0, "person": person(1), "venue": null, "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400)}],
        "hops": 1, "halving_minutes": 15, "hop_percent": 50,
        "visits": [visit(7, Some("豫园商城"), 3_600), visit(8, None, 7_200)],
        "contacts": [
            {"person": person(2), "hop": 1, "score": 1.0 - 0.5f64.powf(8.5 / 15.0), "cases": [0],
             "exposed_at": at(MIDNIGHT + 3_600), "encounter_count": 2, "overlap_minutes_total": 8.5, "encounters": [
                {"venue": 7, "venue_name": "豫园商城", "index_at": at(MIDNIGHT + 3_600),
                 "contact_at": at(MIDNIGHT + 3_510), "gap_minutes": 1.5, "overlap_minutes": 8.5,
                 "method": "sentinel_id_card", "colour": "yellow", "rule": "window", "source": person(1)},
                {"venue": 8, "venue_name": null, "index_at": at(MIDNIGHT + 7_200), "contact_at": at(MIDNIGHT + 7_800),
                 "gap_minutes": 10.0, "overlap_minutes": 0.0, "method": "venue_code", "colour": "green",
                 "rule": "window", "source": person(1)},
            ]},
            {"person": person(5), "hop": 1, "score": 0.0, "cases": [0], "exposed_at": at(MIDNIGHT + 4_200),
             "encounter_count": 1, "overlap_minutes_total": 0.0, "encounters": [
                {"venue": 7, "venue_name": "豫园商城", "index_at": at(MIDNIGHT + 3_600),
                 "contact_at": at(MIDNIGHT + 4_200), "gap_minutes": 10.0, "overlap_minutes": 0.0,
                 "method": "venue_code", "colour": "green", "rule": "window", "source": person(1)},
            ]},
        ],
        "contact_count": 2, "contact_counts": [2], "truncated": false, "cuts": [],
        "venues": [
            {"venue": 7, "venue_name": "豫园商城", "cases": [0], "contacts": 2, "encounters": 2, "overlap_minutes": 8.5},
            {"venue": 8, "venue_name": null, "cases": [0], "contacts": 1, "encounters": 1, "overlap_minutes": 0.0},
        ],
        "shared": {"contacts": [], "venues": []},
        "limits": {"max_visits": 10_000, "max_followed": 2_000, "max_scans": 2_000_000, "max_pairs": 20_000_000,
                   "max_contacts": 10_000, "max_encounters": 200_000, "max_venues": 1_000},
    });
    let mut trace = api.trace(body(1, 10)).await;
    let coverage = trace.as_object_mut().and_then(|trace| trace.remove("coverage")).expect("a coverage statement");
    assert_eq!(trace, expected);
    assert_eq!((&coverage["retention_days"], &coverage["within_retention"]), (&json!(30), &json!(false)));
    let not_known = coverage["not_known"].as_array().expect("a list").iter().map(|one| &one["what"]);
    assert_eq!(
        json!(not_known.collect::<Vec<_>>()),
        json!(["unscanned", "assumed_ends", "not_stored_yet", "dead_letters", "longer_chains"])
    );
}

#[tokio::test]
async fn only_visits_in_the_range_are_followed_but_contacts_may_be_outside() {
    let city = City::new().await;
    city.store(&[scan(1, 7, -1), scan(1, 8, 0), scan(2, 7, -1), scan(3, 8, -60)]).await;
    let api = city.api().await;
    let trace = api.trace(body(1, 30)).await;
    assert_eq!(trace["visits"].as_array().map(Vec::len), Some(1));
    assert_eq!(trace["contacts"].as_array().map(Vec::len), Some(1));
    assert_eq!(trace["contacts"][0]["person"], person(3).to_string());
}

#[tokio::test]
async fn a_person_without_visits_has_no_contacts() {
    let city = City::new().await;
    city.store(&[scan(2, 7, 0)]).await;
    let trace = city.api().await.trace(body(1, 30)).await;
    assert_eq!((&trace["visits"], &trace["contacts"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn limits_leave_out_whole_contacts_and_late_visits_and_say_so() {
    let city = City::new().await;
    let mut rows: Vec<_> = (0..4).map(|i| scan(1, 7, i * 10)).collect();
    rows.extend((2..6).map(|i| scan(i, 7, i as i64 * 100)));
    city.store(&rows).await;
    let all = city.api().await.trace(body(1, 60)).await;
    assert_eq!((&all["contact_count"], &all["truncated"]), (&json!(4), &json!(false)));

    let mut limited = body(1, 60);
    limited["limit"] = json!(3);
    let three = city.api().await.trace(limited).await;
    assert_eq!(three["contacts"].as_array(), all["contacts"].as_array().map(|all| all[..3].to_vec()).as_ref());
    assert_eq!((&three["contact_count"], &three["truncated"]), (&json!(4), &json!(true)));
    let cut = |what: &str, case: Option<u8>, limit: u64, at_least: u64| json!([{"what": what, "case": case, "hop": null, "limit": limit, "at_least": at_least}]);
    assert_eq!(three["cuts"], cut("contacts", None, 3, 4));

    let two = city.api_with(&["--max-encounters", "11"]).await.trace(body(1, 60)).await;
    assert_eq!(two["contacts"].as_array(), all["contacts"].as_array().map(|all| all[..2].to_vec()).as_ref());
    assert_eq!(two["cuts"], cut("encounters", None, 11, 16));

    let one_visit = city.api_with(&["--max-visits", "1"]).await.trace(body(1, 60)).await;
    assert_eq!(one_visit["visits"].as_array().map(Vec::len), Some(1));
    assert_eq!((&one_visit["contacts"][0]["encounter_count"], &one_visit["truncated"]), (&json!(1), &json!(true)));
    assert_eq!(one_visit["cuts"], cut("visits", Some(0), 1, 2));

    let few_pairs = city.api_with(&["--max-pairs", "15"]).await;
    let refused = few_pairs.post("/v1/traces", "application/json", body(1, 60).to_string()).await;
    assert_eq!(problem(refused, 422).await, ("trace-too-large".to_owned(), "window_minutes".to_owned()));

    let mut dwell = body(1, 60);
    dwell["rule"] = json!("dwell");
    dwell.as_object_mut().expect("an object").remove("window_minutes");
    for flags in [["--max-pairs", "1"], ["--max-contact-scans", "3"]] {
        let refused = city.api_with(&flags).await.post("/v1/traces", "application/json", dwell.to_string()).await;
        assert_eq!(problem(refused, 422).await, ("trace-too-large".to_owned(), "to".to_owned()), "{flags:?}");
    }

    for ranges in ["0", "120"] {
        let flags = ["--max-contact-scans", "3", "--max-window-steps", ranges];
        let refused = city.api_with(&flags).await.post("/v1/traces", "application/json", body(1, 60).to_string()).await;
        assert_eq!(problem(refused, 422).await, ("trace-too-large".to_owned(), "window_minutes".to_owned()));
    }
    let enough = ["--max-contact-scans", "4"];
    let answer = city.api_with(&enough).await.post("/v1/traces", "application/json", body(1, 60).to_string()).await;
    assert_eq!(json(answer, 200).await["contact_count"], 4);
}

#[tokio::test]
async fn scans_beside_the_windows_that_are_looked_at_count_towards_the_limit() {
    let city = City::new().await;
    let mut rows = vec![scan(1, 7, 0), scan(2, 7, 30), scan(1, 8, 3_600)];
    rows.extend((3..20).map(|number| scan(number, 7, 200)));
    city.store(&rows).await;
    assert_eq!(city.api().await.trace(body(1, 1)).await["contact_count"], 1);
    let few = city.api_with(&["--max-contact-scans", "10"]).await;
    let refused = few.post("/v1/traces", "application/json", body(1, 1).to_string()).await;
    assert_eq!(problem(refused, 422).await, ("trace-too-large".to_owned(), "window_minutes".to_owned()));
}

#[tokio::test]
async fn more_windows_than_one_query_takes_are_asked_for_in_several() {
    const VISITS: u32 = 21_000;
    let city = City::new().await;
    let mut rows: Vec<_> = (0..VISITS).map(|venue| scan(1, venue, i64::from(venue))).collect();
    let met = [0, 699, 700, 9_999, 10_000, 19_999, 20_000, VISITS - 1];
    rows.extend(met.map(|venue| scan(2, venue, i64::from(venue) + 60)));
    city.store(&rows).await;
    let trace = city.api_with(&["--max-visits", "30000"]).await.trace(body(1, 1)).await;
    assert_eq!(trace["visits"].as_array().map(Vec::len), Some(VISITS as usize));
    let encounters = trace["contacts"][0]["encounters"].as_array().expect("a list");
    assert_eq!(encounters.iter().map(|e| e["venue"].clone()).collect::<Vec<_>>(), met);
}
