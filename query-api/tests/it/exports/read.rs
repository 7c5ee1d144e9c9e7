//! Files read again, and what they must hold by the JSON answer.

use std::collections::BTreeSet;

use parquet::{
    basic::Type,
    file::reader::{FileReader, SerializedFileReader},
};
use reqwest::Response;
use serde_json::{Map, Value, json};

use crate::city::City;

pub type Row = Map<String, Value>;

pub fn header(answer: &Response, name: &str) -> String {
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
pub(super) fn csv_rows(bytes: &[u8]) -> Vec<Row> {
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

pub(super) fn words(list: &Value) -> Value {
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
                    assert_eq!(&bare(cell), text, "{name}");
                }
                other => assert_eq!(cell, other.to_string(), "{name}"),
            }
        }
    }
}

/// A text without the apostrophes that stand where a cell may begin.
fn bare(cell: &str) -> String {
    let parts = cell.split_inclusive([';', '\t', '\r', '\n']);
    parts.map(|part| part.strip_prefix('\'').unwrap_or(part)).collect()
}

/// Numbers as fractions: 0 and 0.0 are the same.
fn plain(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), |number| json!(number))
}
