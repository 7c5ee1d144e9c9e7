//! Footfall from memory: the same answers, without asking ClickHouse, and new ones soon after something has changed.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures::{StreamExt, stream};
use schemas::{Colour, Direction, Method, ScanRow, Verdict, access::Role};
use serde_json::Value;

use crate::city::{Api, City, MIDNIGHT, at, env, json, range, scan, token};

const DAY_S: i64 = 86_400;
/// Well under the 15 s after which an answer is let go whatever was seen to change.
const SOON: Duration = Duration::from_secs(6);
const ANY: Duration = Duration::from_secs(60);
const LOOKS: &str = "%GROUPING SETS%";
/// Questions but those of the looks.
const QUESTIONS: &str = "query LIKE '%scans_by_venue%' AND query NOT LIKE '%GROUPING SETS%'";
const SCOPES: [&str; 5] = ["city", "district&id=310101", "district&id=310199", "category&id=retail", "venue&id=3"];

/// Scans of two days and of the last hours, at venues of two districts and categories.
fn scans(first_offset: u64) -> Vec<ScanRow> {
    let now = Utc::now().timestamp() - MIDNIGHT;
    let row = |number: u64| {
        let after_s = match number % 3 {
            0 => (number * 331) as i64 % (2 * DAY_S),
            1 => (number * 86) as i64 % DAY_S,
            _ => now - (number * 13) as i64 % 9_000,
        };
        let mut row = scan(number % 50, (number % 8) as u32, after_s);
        row.district = 310_101 + (number % 8 / 4) as u32 * 3;
        row.category = ["retail", "catering"][(number % 2) as usize].to_owned();
        row.colour = Colour::ALL[(number % 4) as usize];
        row.method = Method::ALL[(number % 5) as usize];
        row.direction = Direction::ALL[(number % 2) as usize];
        row.verdict = Verdict::ALL[(number % 3) as usize];
        row.kafka_offset = first_offset + number;
        row
    };
    (0..900).map(row).collect()
}

/// Questions of every kind: whole and divided steps, past and running.
fn questions() -> Vec<String> {
    let now = Utc::now().timestamp();
    let hour = now - now % 3_600;
    let mut times = vec![
        ("minute", range(0, 3_600)),
        ("minute", range(1_800, 9_060)),
        ("minute", range(90, 4_000)),
        ("hour", range(0, DAY_S)),
        ("hour", range(600, 40_020)),
        ("hour", range(30, 9_999)),
        ("day", range(-DAY_S, 3 * DAY_S)),
        ("day", range(7_260, DAY_S + 60)),
        ("day", format!("from={}&to={}", at(0), at(now + DAY_S))),
    ];
    for step in ["minute", "hour", "day"] {
        times.push((step, format!("from={}&to={}", at(hour - 7_200), at(hour + 3_600))));
        times.push((step, format!("from={}&to={}", at(hour - 5_400), at(hour - 60))));
    }
    let mut questions = Vec::new();
    for scope in SCOPES {
        for (step, time) in &times {
            for people in ["false", "true", "estimate"] {
                questions.push(format!("/v1/footfall?scope={scope}&step={step}&people={people}&{time}"));
            }
        }
        questions.push(format!("/v1/footfall/top?scope={scope}&{}", range(0, DAY_S)));
        questions.push(format!("/v1/footfall/top?scope={scope}&by=people&{}", range(600, 2 * DAY_S)));
    }
    questions
}

async fn answers(api: &Api, role: Role, questions: &[String]) -> Vec<Value> {
    let answer = async |question: &String| {
        let request = api.bare_request(reqwest::Method::GET, question).bearer_auth(token(&api.issuer, role));
        json(request.send().await.expect("an answer"), 200).await
    };
    stream::iter(questions).map(answer).buffered(4).collect().await
}

/// Waits until both services answer the same what is asked after so long; the first one remembers.
async fn until_the_same(remembers: &Api, asks: &Api, questions: &[String], within: Duration) {
    let since = Instant::now();
    loop {
        let after = since.elapsed();
        let (remembered, asked) =
            tokio::join!(answers(remembers, Role::Regulator, questions), answers(asks, Role::Regulator, questions));
        let different = questions.iter().zip(remembered.iter().zip(&asked)).find(|(_, (one, other))| one != other);
        let Some((question, (remembered, asked))) = different else { return };
        assert!(after < within, "{question}\n{remembered}\n{asked}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn polls_from_memory_say_the_same_and_soon_what_has_changed() {
    let city = City::new().await;
    city.store(&scans(0)).await;
    let asks = city.api_with(&["--late-scans-ms", "0", "--share-answers-ms", "0"]).await;
    let questions = questions();
    // So few that they are answered soon enough to tell what is soon.
    let some = |turn: usize| {
        let some = questions.iter().enumerate();
        let some = some.filter(|(at, question)| (at + turn).is_multiple_of(7) || question.contains("/top"));
        some.map(|(_, question)| question.clone()).collect::<Vec<_>>()
    };
    for (turn, change) in [
        "",
        "ALTER TABLE scans_by_venue DELETE WHERE kafka_offset % 7 = 3 SETTINGS mutations_sync = 2",
        "DELETE FROM scans_by_venue WHERE venue_id = 3",
        "ALTER TABLE scans_by_venue DELETE WHERE TRUE SETTINGS mutations_sync = 2",
    ]
    .into_iter()
    .enumerate()
    {
        let some = some(turn);
        // One that has kept nothing for so long that it would let it go meanwhile.
        let remembers = city.api_with(&["--late-scans-ms", "300"]).await;
        until_the_same(&remembers, &asks, &some, ANY).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        answers(&remembers, Role::Regulator, &some).await;
        if change.is_empty() {
            city.store(&scans(1_000)).await;
        } else {
            city.run(change).await;
        }
        until_the_same(&remembers, &asks, &some, SOON).await;
        until_the_same(&remembers, &asks, &questions, ANY).await;
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_asked_for_again() {
    let city = City::new().await;
    city.store(&scans(0)).await;
    let api = city.api().await;
    let mut questions = vec![format!("/v1/footfall?scope=city&step=hour&people=false&{}", range(600, 40_020))];
    for scope in SCOPES {
        for (step, time) in [("minute", range(0, 7_200)), ("hour", range(0, DAY_S)), ("day", range(-DAY_S, 3 * DAY_S))]
        {
            let question = |people: &str| format!("/v1/footfall?scope={scope}&step={step}&people={people}&{time}");
            questions.extend(["false", "true", "estimate"].map(question));
        }
        questions.push(format!("/v1/footfall/top?scope={scope}&{}", range(0, DAY_S)));
    }
    let first = answers(&api, Role::Regulator, &questions).await;
    // The first poll of all asked for the first look, and the first one after it for what is kept since.
    let mut before = city.asked(QUESTIONS).await;
    assert!(before > 0, "no question was seen");
    for attempt in 0.. {
        assert!(attempt < 20, "each poll asks ClickHouse");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(answers(&api, Role::Regulator, &questions).await, first);
        let now = city.asked(QUESTIONS).await;
        if now == before {
            break;
        }
        before = now;
    }
    // A dashboard has what it is shown rounded from the same counts.
    let rounded =
        answers(&api, Role::Dashboard, &[format!("/v1/footfall?scope=city&step=hour&{}", range(0, DAY_S))]).await;
    assert!(rounded[0]["buckets"].as_array().is_some_and(|buckets| !buckets.is_empty()), "{}", rounded[0]);
    assert_eq!(city.asked(QUESTIONS).await, before);
}

/// How a look can end that this is about: well, because it was not read from what is kept, or because there was too much
/// to read. Not one that was cut off, by its service's end or by a machine that was too slow.
const ENDS: &str = "(0, 584, 158)";

/// What the log of ClickHouse has of the looks of services.
async fn of_looks(city: &City, what: &str) -> Vec<String> {
    city.run("SYSTEM FLUSH LOGS query_log").await;
    let looks = format!(
        "SELECT {what} AS said FROM system.query_log WHERE type != 'QueryStart' AND user = '{}' \
         AND current_database = currentDatabase() AND query LIKE '{LOOKS}' AND exception_code IN {ENDS} ORDER BY said",
        env("VENUECODE_QUERY_USER")
    );
    city.lines(&looks).await
}

/// How they have ended: which projections were read, or with which exception.
async fn looks(city: &City) -> Vec<String> {
    let projections = "arrayStringConcat(arrayMap(p -> splitByChar('.', p)[-1], projections))";
    of_looks(city, &format!("DISTINCT if(exception_code = 0, {projections}, toString(exception_code))")).await
}

#[tokio::test]
async fn looks_read_what_is_kept_and_polls_ask_for_themselves_where_nothing_is() {
    let city = City::new().await;
    // The hour to come begins with a whole minute, else no poll is answered from the counts; and its minutes are looked at
    // however long this takes.
    let now = ((Utc::now().timestamp() - MIDNIGHT) / 3_600 + 1) * 3_600;
    // All in one minute, else the scans are as few as the counts.
    let row = |number: u64| ScanRow { kafka_offset: number, ..scan(number % 50, 1, now + (number % 60) as i64) };
    city.store(&(0..20_000).map(row).collect::<Vec<_>>()).await;
    city.run("OPTIMIZE TABLE scans_by_venue FINAL").await;
    let path = format!("/v1/footfall?scope=city&step=day&{}", range(-2 * DAY_S, now + DAY_S));
    // Polls until the looks have ended like that, and whichever way they end, says how many scans there are.
    let poll = async |expected: u64, ended: &[&str]| {
        let api = city.api_with(&["--late-scans-ms", "300"]).await;
        let since = Instant::now();
        loop {
            let answer = answers(&api, Role::Regulator, std::slice::from_ref(&path)).await;
            let scans = answer[0]["buckets"].as_array().expect("a list").iter().filter_map(|day| day["scans"].as_u64());
            assert_eq!(scans.sum::<u64>(), expected);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if since.elapsed() < Duration::from_secs(2) {
                continue;
            }
            let looks = looks(&city).await;
            if looks == ended {
                break;
            }
            assert!(since.elapsed() < ANY, "{looks:?}");
        }
    };
    poll(20_000, &["places_by_hour", "places_by_minute"]).await;
    for projection in ["places_by_hour", "places_by_minute"] {
        city.run(&format!("ALTER TABLE scans_by_venue DROP PROJECTION {projection} SETTINGS mutations_sync = 2")).await;
    }
    city.run("INSERT INTO scans_by_venue SELECT scans_by_venue.* FROM scans_by_venue, numbers(55) AS times").await;
    // No projection is of use, and there are too many rows to read.
    poll(56 * 20_000, &["158", "584", "places_by_hour", "places_by_minute"]).await;
}

#[tokio::test]
async fn while_nobody_scans_looks_do_not_end_in_an_exception_each_time() {
    let city = City::new().await;
    city.store(&[scan(1, 3, 0)]).await;
    let api = city.api_with(&["--late-scans-ms", "100"]).await;
    let poll = [format!("/v1/footfall?scope=city&step=hour&{}", range(0, DAY_S))];
    let since = Instant::now();
    while city.asked(&format!("query LIKE '{LOOKS}'")).await < 10 {
        assert!(since.elapsed() < ANY, "nothing is looked at");
        answers(&api, Role::Regulator, &poll).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Once of the hours and once of the minutes, to see that no counts of so few scans are of use.
    let thrown = of_looks(&city, "toString(countIf(exception_code != 0))").await;
    assert!(["1", "2"].contains(&thrown[0].as_str()), "{thrown:?}");
}
