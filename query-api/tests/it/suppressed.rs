//! What dashboards are shown.

use benches::doors::scope_of;
use schemas::{Colour, Method, ScanRow, access::Role};
use serde_json::{Value, json};

use crate::city::{Api, City, MIDNIGHT, at, json as body, problem, range, scan};

async fn shown(api: &Api, path: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(Role::Dashboard, "screen", scope_of(Role::Dashboard), now, 600).expect("a token");
    let request = api.bare_request(reqwest::Method::GET, path).bearer_auth(token);
    body(request.send().await.expect("an answer"), 200).await
}

/// Two full hours with 34 and 12 scans of as many people at venue 7, one with 9, and one with 40 scans of three people.
fn four_hours() -> Vec<ScanRow> {
    let at_hour = |hour: u64, count: u64, people: u64| {
        (0..count).map(move |n| {
            let mut row = scan(n % people, 7, (hour * 3_600 + n * 60) as i64);
            row.colour = if n == 0 { Colour::Red } else { Colour::Green };
            row.method = if n < 12 { Method::Manual } else { Method::VenueCode };
            row.kafka_offset = hour * 1_000 + n;
            row
        })
    };
    at_hour(0, 34, 34).chain(at_hour(1, 12, 12)).chain(at_hour(2, 9, 9)).chain(at_hour(3, 40, 3)).collect()
}

#[tokio::test]
async fn small_groups_are_hidden_and_what_would_give_them_away() {
    let city = City::new().await;
    city.store(&four_hours()).await;
    let api = city.api().await;
    let hours = shown(&api, &format!("/v1/footfall?scope=venue&id=7&step=hour&{}", range(0, 86_400))).await;
    assert_eq!(hours["smallest_group"], 10);
    let green = |count: Value| json!({"green": count, "yellow": null, "red": null, "unknown": null});
    let methods = |code: Value, manual: Value| {
        json!({"venue_code": code, "sentinel_health_code": null, "sentinel_id_card": null, "reverse_scan": null,
               "manual": manual})
    };
    let bucket = |hour: i64, scans: u64, colours: &Value, methods: &Value| {
        json!({"start": at(MIDNIGHT + hour * 3_600), "scans": scans, "persons": scans, "colours": colours,
               "methods": methods, "refused": null, "exits": null})
    };
    let expected = json!([
        bucket(0, 30, &green(json!(30)), &methods(json!(20), json!(10))),
        bucket(1, 10, &green(json!(10)), &methods(Value::Null, json!(10))),
    ]);
    assert_eq!(hours["buckets"], expected, "9 scans and 40 scans of three people are small groups");

    // A wide scope is told from counts, which know scans only.
    let hours = shown(&api, &format!("/v1/footfall?scope=city&step=hour&{}", range(0, 86_400))).await;
    let scans: Vec<_> = hours["buckets"].as_array().expect("a list").iter().map(|bucket| &bucket["scans"]).collect();
    assert_eq!(scans, [30, 10, 40]);
    assert!(hours["buckets"][0]["persons"].is_null());
}

#[tokio::test]
async fn times_that_differ_by_seconds_are_the_same_for_a_screen() {
    let city = City::new().await;
    city.store(&four_hours()).await;
    let api = city.api().await;
    let asked = |from, to| format!("/v1/footfall?scope=venue&id=7&step=hour&{}", range(from, to));
    let whole = shown(&api, &asked(0, 3_600)).await["buckets"].clone();
    assert_eq!(whole[0]["scans"], 30);
    for (from, to) in [(1, 3_600), (0, 3_599), (1_800, 1_801)] {
        assert_eq!(shown(&api, &asked(from, to)).await["buckets"], whole, "{from} {to}");
    }
    // An earlier time is shown as if it had been asked for itself.
    for (from, to) in [(86_400, 90_000), (86_401, 88_200)] {
        let beside = shown(&api, &format!("{}&earlier_days=1", asked(from, to))).await;
        assert_eq!((&beside["buckets"], &beside["earlier"]), (&serde_json::json!([]), &whole), "{from} {to}");
    }
    let cut = api.ok(&asked(1, 3_600)).await;
    assert_eq!(cut["buckets"][0]["scans"], 33, "others see what they asked for");
}

#[tokio::test]
async fn an_hour_less_its_minutes_is_no_count_of_a_small_group() {
    let city = City::new().await;
    let mut rows: Vec<ScanRow> = (0..28).map(|n| scan(n, 7, if n < 19 { 0 } else { 60 })).collect();
    rows.iter_mut().zip(0..).for_each(|(row, offset)| row.kafka_offset = offset);
    city.store(&rows).await;
    let api = city.api().await;
    for scope in ["venue&id=7", "district&id=310101", "city"] {
        let scans = async |step: &str| -> Vec<u64> {
            let path = format!("/v1/footfall?scope={scope}&step={step}&{}", range(0, 3_600));
            let answer = shown(&api, &path).await;
            let buckets = answer["buckets"].as_array().expect("a list").iter();
            buckets.map(|bucket| bucket["scans"].as_u64().expect("a count")).collect()
        };
        // 20 to 29 less 10 to 19: anything from one to nine were in the other minute.
        assert_eq!((scans("hour").await, scans("minute").await), (vec![20], vec![10]), "{scope}");
    }
}

#[tokio::test]
async fn tops_crowds_and_headlines_have_no_small_groups_either() {
    let city = City::new().await;
    let mut rows = four_hours();
    rows.extend((0..9).map(|n| ScanRow { kafka_offset: 9_000 + n, ..scan(n, 8, n as i64) }));
    let left = ScanRow { direction: schemas::Direction::Exit, kafka_offset: 9_100, ..scan(0, 7, 50_000) };
    rows.push(left);
    city.store(&rows).await;
    let api = city.api().await;
    let day = range(0, 86_400);
    let top = shown(&api, &format!("/v1/footfall/top?scope=city&{day}")).await;
    let venue = json!({"venue": 7, "venue_name": null, "scans": 90, "persons": 30});
    assert_eq!(top["venues"], json!([venue]), "venue 8 had nine");
    for (at_s, inside) in [(51_000, json!(30)), (120, Value::Null)] {
        let path = format!("/v1/occupancy?scope=venue&id=7&at={}", at(MIDNIGHT + at_s));
        assert_eq!(shown(&api, &path).await["inside"], inside, "at {at_s}");
    }
    let days = shown(&api, &format!("/v1/city/days?{}", range(0, 2 * 86_400))).await;
    assert_eq!((&days["days"][0]["scans"], &days["days"][1]["scans"]), (&json!(100), &Value::Null));
    let live = shown_live(&api).await;
    assert!(live.contains("\"counts\":null"), "nothing was scanned today: {live}");

    let all = city.api_with(&["--smallest-group", "1"]).await;
    let top = shown(&all, &format!("/v1/footfall/top?scope=city&{day}")).await;
    assert_eq!((top["venues"].as_array().map(Vec::len), &top["smallest_group"]), (Some(2), &Value::Null));
}

#[tokio::test]
async fn the_first_of_many_are_the_first_of_few_whatever_is_hidden() {
    let city = City::new().await;
    // Venues 1 to 9 have 50 scans or a few less, the first three of few people; 20 to 22 have small groups.
    let rows = (1..10_u32).flat_map(|venue| {
        let people = if venue < 4 { 5 } else { 45 };
        (0..50 - u64::from(venue % 3)).map(move |n| scan(n % people, venue, n as i64))
    });
    let few = (20..23).flat_map(|venue| (0..3).map(move |n| scan(n, venue, n as i64)));
    let mut rows: Vec<ScanRow> = rows.chain(few).collect();
    rows.iter_mut().zip(0..).for_each(|(row, offset)| row.kafka_offset = offset);
    city.store(&rows).await;
    let api = city.api().await;
    for by in ["scans", "people"] {
        let top = async |limit: usize| -> Vec<u64> {
            let path = format!("/v1/footfall/top?scope=city&by={by}&limit={limit}&{}", range(0, 86_400));
            let answer = shown(&api, &path).await;
            answer["venues"].as_array().expect("a list").iter().filter_map(|venue| venue["venue"].as_u64()).collect()
        };
        let all = top(100).await;
        // 49 and 48 are the same as 40.
        assert_eq!(all, [6, 9, 4, 5, 7, 8], "{by}");
        for limit in 1..=all.len() {
            assert_eq!(top(limit).await, all[..limit], "{by} {limit}");
        }
    }
}

#[tokio::test]
async fn a_screen_sees_the_top_of_one_day() {
    let city = City::new().await;
    let api = city.api().await;
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(Role::Dashboard, "screen", scope_of(Role::Dashboard), now, 600).expect("a token");
    for (from, to, is_one_day) in [(0, 86_400, true), (5, 6, true), (0, 86_401, false), (-1, 1, false)] {
        let path = format!("/v1/footfall/top?scope=city&{}", range(from, to));
        let answer = api.bare_request(reqwest::Method::GET, &path).bearer_auth(&token).send().await.expect("an answer");
        if is_one_day {
            assert_eq!(answer.status(), 200, "{path}");
        } else {
            assert_eq!(problem(answer, 422).await, ("invalid-field".to_owned(), "to".to_owned()), "{path}");
        }
        api.ok(&path).await;
    }
}

#[tokio::test]
async fn a_screen_sees_who_is_inside_as_of_hours_that_are_over_only() {
    let city = City::new().await;
    city.own(7, "x", crate::city::ORGANISATION, 1).await;
    city.own(8, "x", crate::city::ORGANISATION, 1).await;
    let exit = ScanRow { direction: schemas::Direction::Exit, ..scan(99, 7, 10) };
    let entries = (0..25).map(|n| scan(n, 7, if n < 15 { 3_599 } else { 3_600 }));
    let few =
        (0..9).map(|n| scan(n, 8, 100)).chain([ScanRow { direction: schemas::Direction::Exit, ..scan(98, 8, 10) }]);
    let mut rows: Vec<ScanRow> = entries.chain([exit]).chain(few).collect();
    rows.iter_mut().zip(0..).for_each(|(row, offset)| row.kafka_offset = offset);
    city.store(&rows).await;
    let api = city.api().await;
    for (asked, counted, inside) in [(3_600, 3_600, 10), (7_199, 3_600, 10), (7_200, 7_200, 20)] {
        let path =
            format!("/v1/occupancy?scope=organisation&id={}&at={}", crate::city::ORGANISATION, at(MIDNIGHT + asked));
        let answer = shown(&api, &path).await;
        assert_eq!(answer["at"], at(MIDNIGHT + counted));
        let venue = json!({"venue": 7, "venue_name": "x", "exits_scanned": true, "inside": inside});
        assert_eq!(answer["venues"], json!([venue]), "nobody hears of venue 8, where nine are: {asked}");
    }
}

#[tokio::test]
async fn a_screen_does_not_see_the_minute_that_runs() {
    let city = City::new().await;
    let now = chrono::Utc::now().timestamp() - MIDNIGHT;
    let row = |n| ScanRow { kafka_offset: n, ..scan(n, 7, if n < 20 { now - 120 } else { now + 90 }) };
    let rows: Vec<ScanRow> = (0..40).map(row).collect();
    city.store(&rows).await;
    let api = city.api().await;
    let sum = |answer: &Value| -> u64 {
        let buckets = answer["buckets"].as_array().expect("a list").iter();
        buckets.map(|bucket| bucket["scans"].as_u64().expect("a count")).sum()
    };
    let day = now.div_euclid(86_400) * 86_400;
    for (question, from, to) in [
        ("venue&id=7&step=minute", now - 600, now + 600),
        ("city&step=minute", now - 600, now + 600),
        ("city&step=day", day - 86_400, day + 2 * 86_400),
        ("city&step=day&people=estimate", day - 86_400, day + 2 * 86_400),
    ] {
        let path = format!("/v1/footfall?scope={question}&{}", range(from, to));
        assert_eq!((sum(&shown(&api, &path).await), sum(&api.ok(&path).await)), (20, 40), "{path}");
        let ahead = format!("/v1/footfall?scope={question}&{}", range(now + 86_400, now + 87_000));
        assert_eq!(sum(&shown(&api, &ahead).await), 0, "{ahead}");
    }
    let days = shown(&api, &format!("/v1/city/days?{}", range(day - 86_400, day + 2 * 86_400))).await;
    let kept = days["days"].as_array().and_then(|days| days.last()).map(|day| day["scans_kept"].clone());
    assert_eq!(kept, Some(json!(20)));
}

async fn shown_live(api: &Api) -> String {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(Role::Dashboard, "screen", scope_of(Role::Dashboard), now, 600).expect("a token");
    let request = api.bare_request(reqwest::Method::GET, "/v1/footfall/live?scope=city&events=1");
    request.bearer_auth(token).send().await.expect("an answer").text().await.expect("a body")
}
