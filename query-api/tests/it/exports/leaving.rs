//! Files on their way: what breaks off is no whole file, and nobody holds one for ever.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};
use query_api::export::{Cell, Column, Exits, Table, TableFormat, file};
use tokio::net::TcpListener;

use super::{
    busy,
    read::{Row, csv_rows, header},
};
use crate::city::problem;

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

/// Serves such a table, until the test ends.
async fn serve(
    format: TableFormat,
    table: impl Fn() -> Numbers + Clone + Send + Sync + 'static,
    exits: Arc<Exits>,
    until_ms: Option<i64>,
) -> String {
    let answer = move || async move { exits.exit(until_ms).map(|exit| file(format, table(), exit)) };
    let router: Router = Router::new().route("/", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The numbers of such a table as its file has them, which was written in many pieces.
fn numbers(format: TableFormat, bytes: &axum::body::Bytes) -> Vec<u64> {
    let number = |row: &Row| row["number"].as_u64().or_else(|| row["number"].as_str()?.parse().ok()).expect("a number");
    match format {
        TableFormat::Csv => csv_rows(bytes).iter().map(number).collect(),
        TableFormat::Ndjson => {
            let lines = std::str::from_utf8(bytes).expect("text").lines();
            lines.map(|line| number(&serde_json::from_str(line).expect("JSON"))).collect()
        }
        TableFormat::Parquet => {
            let reader = SerializedFileReader::new(bytes.clone()).expect("Parquet");
            let rows = reader.get_row_iter(None).expect("rows");
            rows.map(|row| row.expect("a row").get_long(0).expect("a number") as u64).collect()
        }
    }
}

/// Far more than all buffers on the way hold.
const ENDLESS: Numbers = Numbers { count: 20_000_000, breaks_off_at: None, panics: false };

#[tokio::test]
async fn a_file_has_so_long_to_leave_and_so_many_do() {
    let exits = Arc::new(Exits::new(1));
    let until_ms = chrono::Utc::now().timestamp_millis() + 8_000;
    let url = serve(TableFormat::Csv, || ENDLESS, Arc::clone(&exits), Some(until_ms)).await;
    let answer = reqwest::get(&url).await.expect("it begins");
    assert_eq!(answer.status(), 200);
    let refused = reqwest::get(&url).await.expect("an answer");
    assert_eq!(header(&refused, "retry-after"), "5");
    assert_eq!(problem(refused, 503).await.0, "exports-full");
    // Nobody takes the first one, nor lets go of it.
    let started = std::time::Instant::now();
    while exits.exit(None).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "it is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(chrono::Utc::now().timestamp_millis() >= until_ms, "not before its time");
    assert!(answer.bytes().await.is_err(), "and it is no whole file");
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
        let url = serve(format, table, Arc::new(Exits::new(1)), None).await;
        let answer = reqwest::get(&url).await.expect("it begins");
        assert_eq!((answer.status().as_u16(), header(&answer, "x-row-count")), (200, ROWS.to_string()));
        let body = answer.bytes().await;
        assert_eq!(body.is_err(), breaks_off_at.is_some(), "{format:?} {breaks_off_at:?}");
        if let Ok(bytes) = body {
            let numbers = numbers(format, &bytes);
            assert!(numbers.iter().copied().eq(0..ROWS as u64), "{format:?}: {} rows", numbers.len());
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_file() {
    let city = busy().await;
    let api = city.api().await;
    // What this process sends is in the metrics of every service in it.
    let url = serve(TableFormat::Ndjson, || ENDLESS, Arc::new(Exits::new(1)), None).await;
    drop(reqwest::get(&url).await.expect("it begins"));
    for _ in 0..100 {
        let metrics = api.get("/metrics").await.text().await.expect("text");
        if metrics.contains("query_api_exports_total{format=\"ndjson\",outcome=\"given_up\"}") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the export does not end");
}
