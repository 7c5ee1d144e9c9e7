//! How far a release leads: to whom its traces have found, and no further than its hops.

use schemas::PersonKey;
use serde_json::json;

use super::{LI, Route, id, read, refused, store, traced};
use crate::city::{City, KNOWN_FOR, person, problem, scan};

#[tokio::test]
async fn whom_a_released_trace_has_found_is_covered_as_far_as_its_hops_go() {
    let city = City::new().await;
    // 1 met 2, 2 met 3, 3 met 4, in a row of venues; 5 was elsewhere.
    city.store(&[
        scan(1, 1, 60),
        scan(2, 1, 60),
        scan(2, 2, 600),
        scan(3, 2, 600),
        scan(3, 3, 1200),
        scan(4, 3, 1200),
        scan(5, 4, 60),
    ])
    .await;
    city.name(1, "x", 1).await;
    store(&city, &[(id(1), json!({"hops": 1})), (id(2), json!({"hops": 2}))]).await;
    let api = city.api().await;
    let of = async |route, by| {
        let answer = read(&api, &LI, route, Some(id(by)), 0).await;
        if answer.status() == 200 { "read".to_owned() } else { problem(answer, 403).await.0 }
    };
    let (read, not) = ("read", "release-does-not-cover");
    for (route, by, expected) in [
        (Route::Visits(2), 1, not), // nobody has found them yet
        (Route::Trace(1), 1, read),
        (Route::Visits(2), 1, read),
        (Route::Visits(2), 2, not), // by another release
        (Route::Trace(2), 1, not),  // a hop too far
        (Route::Visits(5), 1, not),
        (Route::Trace(1), 2, read),
        (Route::Visits(3), 2, not),
        (Route::Trace(2), 2, read),
        (Route::Visits(3), 2, read),
        (Route::Trace(3), 2, not),
        (Route::Visits(4), 2, not),
        (Route::Visitors(2), 2, not), // people lead to people
        (Route::Visitors(1), 1, read),
    ] {
        assert_eq!(of(route, by).await, expected, "{route:?} by {by}");
    }
}

#[tokio::test]
async fn whom_further_hops_have_found_is_as_far_away_as_they_went() {
    let city = City::new().await;
    // 1 met 2, 2 met 3, 3 met 4.
    let row = [(1, 1, 60), (2, 1, 60), (2, 2, 600), (3, 2, 600), (3, 3, 1200), (4, 3, 1200)];
    city.store(&row.map(|(number, venue, after_s)| scan(number, venue, after_s))).await;
    store(&city, &[(id(1), json!({"hops": 2})), (id(2), json!({"hops": 2}))]).await;
    let api = city.api().await;
    let persons = |numbers: &[u64], hops: u8| {
        let keys: Vec<PersonKey> = numbers.iter().copied().map(person).collect();
        json!({"persons": keys, "hops": hops, "window_minutes": 5})
    };
    for (by, numbers, hops, expected) in [
        (1, &[1][..], 2, "read"),
        (1, &[2][..], 1, "read"),
        (1, &[2][..], 2, "persons"),
        (1, &[1, 2][..], 2, "persons"),
        (1, &[3][..], 1, "persons"),
        // 3 is a hop away from 2, and 2 from 1, whom the release names.
        (2, &[1][..], 1, "read"),
        (2, &[1, 2][..], 1, "read"),
        (2, &[3][..], 1, "persons"),
    ] {
        assert_eq!(traced(&api, by, persons(numbers, hops)).await, expected, "{numbers:?} {hops} by {by}");
    }
    for (route, by, status) in [(Route::Visits(3), 1, 200), (Route::Visits(3), 2, 200), (Route::Visits(4), 1, 403)] {
        assert_eq!(read(&api, &LI, route, Some(id(by)), 0).await.status(), status, "{route:?} by {by}");
    }
    let keys = |numbers: &[u64]| {
        let keys: Vec<String> = numbers.iter().map(|number| person(*number).to_u64().to_string()).collect();
        format!("[{}]", keys.join(","))
    };
    let log = city
        .lines("SELECT persons, depth, reached, reached_depths FROM audit_log ORDER BY at_ms, sequence LIMIT 4")
        .await;
    let entry = |persons: &[u64], depth: u8, reached: &[u64], depths: &str| {
        format!("{}\t{depth}\t{}\t{depths}", keys(persons), keys(reached))
    };
    assert_eq!(
        log,
        [
            entry(&[1], 0, &[2, 3], "[1,2]"),
            entry(&[2], 1, &[1, 3], "[2,2]"),
            entry(&[1], 0, &[2], "[1]"),
            entry(&[1, 2], 1, &[3], "[2]"),
        ]
    );
}

#[tokio::test]
async fn what_was_read_before_a_release_was_asked_for_leads_nowhere_by_it() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60), scan(2, 1, 60)]).await;
    store(&city, &[(id(1), json!({}))]).await;
    let api = city.api().await;
    assert_eq!(read(&api, &LI, Route::Trace(1), Some(id(1)), 0).await.status(), 200);
    assert_eq!(read(&api, &LI, Route::Visits(2), Some(id(1)), 0).await.status(), 200);
    // Asked for again with the same request, after its records were gone.
    let later = chrono::Utc::now().timestamp_millis() + 1;
    store(&city, &[(id(1), json!({"revision": 9, "asked_at_ms": later}))]).await;
    tokio::time::sleep(KNOWN_FOR).await;
    let answer = problem(read(&api, &LI, Route::Visits(2), Some(id(1)), 0).await, 403).await;
    assert_eq!(answer, refused("release-does-not-cover", "person"));
}

#[tokio::test]
async fn an_entry_without_depths_tells_nothing_of_how_far_somebody_is() {
    let city = City::new().await;
    city.store(&[scan(2, 1, 60)]).await;
    store(&city, &[(id(1), json!({"hops": 2}))]).await;
    let api = city.api().await;
    let key = person(2).to_u64();
    for (depths, expected) in [("[]", "person"), ("[1]", "read")] {
        let columns = "chain, sequence, at_ms, release_id, reached, reached_depths";
        let values = format!("generateUUIDv4(), 0, toUnixTimestamp64Milli(now64(3)), '{}', [{key}], {depths}", id(1));
        city.run(&format!("INSERT INTO audit_log ({columns}) VALUES ({values})")).await;
        assert_eq!(traced(&api, 1, json!({"person": person(2)})).await, expected, "{depths}");
    }
}

#[tokio::test]
async fn a_release_that_is_taken_back_is_read_by_for_a_second_at_most_and_one_that_is_given_at_once() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60)]).await;
    store(&city, &[(id(1), json!({"revision": 1, "state": "asked"}))]).await;
    let api = city.api().await;
    let status = async || read(&api, &LI, Route::Visits(1), Some(id(1)), 0).await.status();
    assert_eq!(status().await, 403);
    store(&city, &[(id(1), json!({"revision": 2}))]).await;
    assert_eq!(status().await, 200);
    store(&city, &[(id(1), json!({"revision": 3, "state": "withdrawn", "withdrawn_by": "li"}))]).await;
    let taken_back = std::time::Instant::now();
    // However often it is read by meanwhile.
    while taken_back.elapsed() < KNOWN_FOR {
        status().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(status().await, 403);
}
