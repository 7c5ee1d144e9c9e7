//! Tables as files: what is in the JSON answer, row for row, by the same release.

use std::{collections::BTreeSet, time::Duration};

use axum::{Router, routing::get};
use parquet::{
    basic::Type,
    file::reader::{FileReader, SerializedFileReader},
};
use query_api::export::{Cell, Column, Table, TableFormat, file};
use reqwest::{Method, Response};
use schemas::access::{Role, Scope};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::city::{Api, City, MIDNIGHT, RELEASE, at, person, problem, range, scan};

pub const FORMATS: [&str; 3] = ["csv", "ndjson", "parquet"];

/// What a spreadsheet would run, were it the name of a venue.
const FORMULA: &str = "=cmd|' /C calc'!A0\",\"\n＝2";

type Row = Map<String, Value>;

fn body(fields: Value) -> Value {
    let mut body = json!({"persons": [person(1), person(2)], "from": at(MIDNIGHT), "to": at(MIDNIGHT + 86_400),
        "hops": 2, "release": RELEASE});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    body
}

async fn traced(api: &Api, fields: Value) -> Response {
    api.post("/v1/traces", "application/json", body(fields).to_string()).await
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().expect("text").to_owned()
}

/// The rows of a file, as its format has them.
pub async fn rows(city: &City, format: &str, answer: Response) -> Vec<Row> {
    let counted = header(&answer, "x-row-count").parse::<usize>().expect("a number");
    let bytes = answer.bytes().await.expect("a whole file");
    let rows = match format {
        "csv" => csv_rows(&bytes),
        "ndjson" => {
            let text = std::str::from_utf8(&bytes).expect("text");
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }
        "parquet" => parquet_rows(city, &bytes).await,
        other => panic!("{other}"),
    };
    assert_eq!(rows.len(), counted, "{format}");
    rows
}

/// With every value as a text, and none where there is nothing.
fn csv_rows(bytes: &[u8]) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(bytes);
    let names = reader.headers().expect("names").clone();
    let row = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.expect("CSV");
        names.iter().zip(&record).map(|(name, cell)| (name.to_owned(), json!(cell))).collect()
    };
    reader.records().map(row).collect()
}

/// Read by another reader of Parquet than the one that belongs to the writer: ClickHouse.
async fn parquet_rows(city: &City, bytes: &[u8]) -> Vec<Row> {
    let client = city.admin.query_client();
    city.run("DROP TABLE IF EXISTS exported").await;
    let path = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(path.path(), bytes).expect("written");
    let reader = SerializedFileReader::new(path.reopen().expect("a file")).expect("Parquet");
    let columns = reader.metadata().file_metadata().schema_descr().columns().iter().map(|column| {
        let kind = match (column.physical_type(), column.logical_type_ref().is_some()) {
            (Type::BYTE_ARRAY, true) => "String",
            (Type::INT64, true) => "DateTime64(3, 'UTC')",
            (Type::INT64, false) => "Int64",
            (Type::DOUBLE, false) => "Float64",
            (Type::BOOLEAN, false) => "Bool",
            other => panic!("{other:?}"),
        };
        format!("{} Nullable({kind})", column.name())
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    city.run(&format!("CREATE TABLE exported ({columns}) ENGINE = Memory")).await;
    let mut insert = city.client().insert_formatted_with("INSERT INTO exported FORMAT Parquet");
    insert.send(bytes.to_vec().into()).await.expect("sent");
    insert.end().await.expect("ClickHouse reads it");
    let client = client
        .with_setting("output_format_json_quote_64bit_integers", "0")
        .with_setting("date_time_output_format", "iso")
        .with_setting("max_threads", "1");
    let mut cursor = client.query("SELECT * FROM exported").fetch_bytes("JSONEachRow").expect("a query");
    let text = cursor.collect().await.expect("an answer");
    let text = String::from_utf8(text.to_vec()).expect("text").replace(".000Z\"", "Z\"");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn words(list: &Value) -> Value {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    json!(list.as_array().expect("a list").iter().map(word).collect::<Vec<_>>().join(" "))
}

/// The rows that a table must have, by the JSON answer.
pub fn expected(trace: &Value, table: &str) -> Vec<Row> {
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let object = |value: &Value| value.as_object().expect("an object").clone();
    let put_stay = |row: &mut Row, prefix: &str, stay: &Value| {
        for field in ["from", "until", "rule", "capped"] {
            row.insert(format!("{prefix}stay_{field}"), stay[field].clone());
        }
    };
    match table {
        "visits" => {
            let row = |visit: &Value| {
                let mut row = object(visit);
                let stay = row.remove("stay").unwrap_or_default();
                put_stay(&mut row, "", &stay);
                row.insert("flags".to_owned(), words(&visit["flags"]));
                let case = visit["case"].as_u64().expect("a number") as usize;
                row.insert("person".to_owned(), trace["cases"][case]["person"].clone());
                row
            };
            list(&trace["visits"]).iter().map(row).collect()
        }
        "contacts" => {
            let of_one = |contact: &Value| {
                let mut own = object(contact);
                own.insert("cases".to_owned(), words(&contact["cases"]));
                let encounters = own.remove("encounters").expect("a list");
                let row = |encounter: &Value| {
                    let (mut row, mut encounter) = (own.clone(), object(encounter));
                    let stays = encounter.remove("stays").unwrap_or_default();
                    put_stay(&mut row, "index_", &stays["index"]);
                    put_stay(&mut row, "contact_", &stays["contact"]);
                    row.extend(encounter);
                    row
                };
                list(&encounters).iter().map(row).collect::<Vec<_>>()
            };
            list(&trace["contacts"]).iter().flat_map(of_one).collect()
        }
        _ => {
            let row = |venue: &Value| {
                let mut row = object(venue);
                row.insert("cases".to_owned(), words(&venue["cases"]));
                row
            };
            list(&trace["venues"]).iter().map(row).collect()
        }
    }
}

/// Holds rows against those of the JSON answer.
pub fn compare(format: &str, rows: &[Row], expected: &[Row]) {
    assert_eq!(rows.len(), expected.len(), "{format}");
    for (row, expected) in rows.iter().zip(expected) {
        if format != "csv" {
            let numbers = |row: &Row| -> Row { row.iter().map(|(name, value)| (name.clone(), plain(value))).collect() };
            assert_eq!(numbers(row), numbers(expected), "{format}");
            continue;
        }
        let names = |row: &Row| row.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(row), names(expected));
        for (name, value) in expected {
            let cell = row[name].as_str().expect("text");
            match value {
                Value::Null => assert_eq!(cell, "", "{name}"),
                // By the same reader, which rounds.
                Value::Number(number) => assert_eq!(serde_json::from_str(cell).ok(), number.as_f64(), "{name}"),
                Value::String(text) => {
                    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝']), "{name}: {cell}");
                    assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), text, "{name}");
                }
                other => assert_eq!(cell, other.to_string(), "{name}"),
            }
        }
    }
}

/// Numbers as fractions: 0 and 0.0 are the same.
fn plain(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), |number| json!(number))
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
    for format in FORMATS {
        let refused = traced(&api, json!({"format": format})).await;
        assert_eq!(problem(refused, 503).await.0, "audit-unavailable");
    }
}

/// A table with as many rows as it says, unless it breaks off before.
struct Numbers {
    count: usize,
    breaks_off_at: Option<usize>,
    panics: bool,
}

impl Table for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn columns(&self) -> &'static [Column] {
        const { &[Column::whole("number"), Column::text("text")] }
    }

    fn count(&self) -> usize {
        self.count
    }

    fn is_truncated(&self) -> bool {
        false
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_> {
        Box::new((0..self.count).map(|number| {
            let here = self.breaks_off_at == Some(number);
            assert!(!(here && self.panics), "it ends abnormally, as it should in this test");
            // A value of another kind is what formats with a schema refuse.
            let number = if here { Cell::Text("?".into()) } else { (number as u64).into() };
            vec![number, "文字".into()]
        }))
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_no_whole_answer() {
    const ROWS: usize = 20_000;
    let [csv, ndjson, parquet] = TableFormat::ALL;
    for (format, breaks_off_at, panics) in [
        (csv, Some(ROWS - 1), true),
        (ndjson, Some(ROWS - 1), true),
        (parquet, Some(ROWS - 1), true),
        (parquet, Some(ROWS - 1), false),
        (csv, None, false),
        (ndjson, None, false),
        (parquet, None, false),
    ] {
        let table = move || Numbers { count: ROWS, breaks_off_at, panics };
        let router: Router = Router::new().route("/", get(move || async move { file(format, table()) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let answer = reqwest::get(&url).await.expect("it begins");
        assert_eq!((answer.status().as_u16(), header(&answer, "x-row-count")), (200, ROWS.to_string()));
        let body = answer.bytes().await;
        assert_eq!(body.is_err(), breaks_off_at.is_some(), "{format:?} {breaks_off_at:?}");
        server.abort();
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_file() {
    let city = busy().await;
    let api = city.api().await;
    let request = api.request(Method::POST, "/v1/traces").header("content-type", "application/json");
    let answer = request.body(body(json!({"format": "ndjson"})).to_string()).send().await.expect("an answer");
    drop(answer);
    for _ in 0..100 {
        let metrics = api.get("/metrics").await.text().await.expect("text");
        if metrics.contains("query_api_exports_total{format=\"ndjson\"") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the export does not end");
}
