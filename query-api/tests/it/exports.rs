//! Tables as files: what is in the JSON answer, row for row, by the same release.

mod leaving;
mod read;

use reqwest::{Method, Response};
use schemas::access::{Role, Scope};
use serde_json::{Value, json};

use crate::city::{Api, City, MIDNIGHT, RELEASE, at, person, problem, range, scan};
use read::{Row, header, words};

pub use read::{compare, expected, rows};

pub const FORMATS: [&str; 3] = ["csv", "ndjson", "parquet"];

/// What a spreadsheet would run, were it the name of a venue.
const FORMULA: &str = "=cmd|' /C calc'!A0\",\"\n＝2";

fn body(fields: Value) -> Value {
    let mut body = json!({"persons": [person(1), person(2)], "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400),
        "hops": 2, "release": RELEASE});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

async fn traced(api: &Api, fields: Value) -> Response {
    api.post("/v1/traces", "application/json", body(fields).to_string()).await
}

/// A city where two cases meet others at three venues, one of which has a formula for a name, over two hops.
pub async fn busy() -> City {
    let city = City::new().await;
    let mut rows = Vec::new();
    for number in 1..30 {
        rows.push(scan(number, 1, number as i64 * 60));
        rows.push(scan(number, 1 + number as u32 % 3, 7_200 + number as i64 * 200));
    }
    city.store(&rows).await;
    city.name(1, FORMULA, 1).await;
    city.name(2, "豫园商城", 1).await;
    city
}

#[tokio::test]
async fn a_table_has_what_the_json_answer_has_row_for_row_in_every_format() {
    let city = busy().await;
    let api = city.api().await;
    for rule in ["window", "dwell"] {
        let trace = crate::city::json(traced(&api, json!({"rule": rule})).await, 200).await;
        for table in ["visits", "contacts", "venues"] {
            let expected = expected(&trace, table);
            assert!(expected.len() >= 3, "{table}: {trace}");
            for format in FORMATS {
                let answer = traced(&api, json!({"rule": rule, "format": format, "table": table})).await;
                assert_eq!(answer.status(), 200, "{format} {table}");
                compare(format, &rows(&city, format, answer).await, &expected);
            }
        }
    }
    let formulas = expected(&crate::city::json(traced(&api, json!({})).await, 200).await, "venues");
    assert!(formulas.iter().any(|row| row["venue_name"] == FORMULA), "what is neutralised is there");
}

#[tokio::test]
async fn visits_and_visitors_leave_as_files_too() {
    let city = busy().await;
    let api = city.api().await;
    let visits = format!("/v1/persons/{}/visits?{}", person(1), range(0, 86_400));
    let visitors = format!("/v1/venues/1/visitors?{}", range(0, 86_400));
    for (path, list, own) in [(visits, "visits", "person"), (visitors, "visitors", "venue")] {
        let whole = api.ok(&path).await;
        let row = |value: &Value| {
            let mut row = value.as_object().expect("an object").clone();
            row.insert(own.to_owned(), whole[own].clone());
            if let Some(flags) = row.get("flags") {
                let flags = words(flags);
                row.insert("flags".to_owned(), flags);
            }
            row
        };
        let expected: Vec<Row> = whole[list].as_array().expect("a list").iter().map(row).collect();
        assert!(expected.len() >= 2, "{whole}");
        for format in FORMATS {
            let answer = api.get(&format!("{path}&format={format}")).await;
            compare(format, &rows(&city, format, answer).await, &expected);
        }
        let cut = api.get(&format!("{path}&format=csv&limit=1")).await;
        assert_eq!(["x-row-count", "x-truncated"].map(|name| header(&cut, name)), ["1", "true"]);
    }
}

#[tokio::test]
async fn footfall_leaves_as_a_file_with_what_is_suppressed_left_empty() {
    let city = busy().await;
    let api = city.api().await;
    let path = format!("/v1/footfall?scope=city&step=hour&people=true&earlier_days=1&{}", range(0, 90_000));
    let now = chrono::Utc::now().timestamp();
    for role in [Role::Epidemiologist, Role::Dashboard] {
        let token = api.issuer.issue(role, "it", Scope::default(), now, 600).expect("a token");
        let get =
            async |path: &str| api.bare_request(Method::GET, path).bearer_auth(&token).send().await.expect("an answer");
        let whole = crate::city::json(get(&path).await, 200).await;
        let row = |earlier: bool| {
            let whole = &whole;
            move |bucket: &Value| {
                let mut row = bucket.as_object().expect("an object").clone();
                for list in ["colours", "methods"] {
                    for (word, count) in row.remove(list).expect("counts").as_object().expect("an object") {
                        row.insert(format!("{list}_{word}"), count.clone());
                    }
                }
                row.insert("earlier".to_owned(), json!(earlier));
                row.insert("step".to_owned(), json!("hour"));
                row.insert("persons_estimated".to_owned(), json!(whole["persons_estimated"] == true));
                row.extend(["scope", "id"].map(|name| (name.to_owned(), whole[name].clone())));
                row
            }
        };
        let buckets = |name: &str| whole[name].as_array().expect("a list").clone();
        let (asked, earlier) = (buckets("buckets"), buckets("earlier"));
        let expected: Vec<Row> = asked.iter().map(row(false)).chain(earlier.iter().map(row(true))).collect();
        assert!(expected.len() >= 2, "{whole}");
        assert_eq!(expected.iter().any(|row| row["colours_red"].is_null()), role == Role::Dashboard);
        for format in FORMATS {
            let answer = get(&format!("{path}&format={format}")).await;
            compare(format, &rows(&city, format, answer).await, &expected);
        }
    }
}

#[tokio::test]
async fn a_file_says_what_it_is_and_nothing_of_whom_it_is_about() {
    let city = busy().await;
    let api = city.api().await;
    for (format, media_type) in [
        ("csv", "text/csv; charset=utf-8; header=present"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
    ] {
        let answer = traced(&api, json!({"format": format})).await;
        let name = format!("attachment; filename=\"contacts.{format}\"");
        let expected = [media_type, name.as_str(), "no-store", "false"];
        let names = ["content-type", "content-disposition", "cache-control", "x-truncated"];
        assert_eq!(names.map(|name| header(&answer, name)), expected);
    }
    let json = traced(&api, json!({"format": "json"})).await;
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(json.headers()["cache-control"], "no-store");
    for (fields, field) in [
        (json!({"format": "xlsx"}), "format"),
        (json!({"table": "visits"}), "table"),
        (json!({"format": "csv", "table": "people"}), "table"),
    ] {
        let refused = problem(traced(&api, fields.clone()).await, 422).await;
        assert_eq!(refused, ("invalid-field".to_owned(), field.to_owned()), "{fields}");
    }
}

#[tokio::test]
async fn a_file_takes_the_same_release_and_the_same_entry_as_the_answer() {
    let city = busy().await;
    let api = city.api().await;
    let mut without = body(json!({"format": "csv"}));
    without.as_object_mut().expect("an object").remove("release");
    let refused = api.post("/v1/traces", "application/json", without.to_string()).await;
    assert_eq!(problem(refused, 403).await.0, "release-required");
    assert_eq!(city.lines("SELECT count() FROM audit_log").await, ["0"]);
    for (number, format) in (1..).zip(["json", "csv", "ndjson", "parquet"]) {
        assert_eq!(traced(&api, json!({"format": format})).await.status(), 200);
        assert_eq!(city.lines("SELECT count() FROM audit_log").await, [number.to_string()], "{format}");
    }
    // However little of it left: whoever has the one table could have had the others.
    let same =
        "SELECT uniq(reached), uniq(reached_depths), uniq(scans), uniq(persons), any(length(reached)) FROM audit_log";
    assert_eq!(city.lines(same).await, ["1\t1\t1\t1\t27"]);
    city.run("DROP TABLE audit_log").await;
    for format in ["json"].into_iter().chain(FORMATS) {
        let refused = traced(&api, json!({"format": format})).await;
        assert_eq!(problem(refused, 503).await.0, "audit-unavailable");
    }
}
