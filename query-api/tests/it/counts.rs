//! Footfall counted in plain Rust from the same rows.

use std::collections::{BTreeMap, BTreeSet};

use query_api::buckets::Step;
use schemas::{Colour, Direction, Method, ScanRow, Verdict};
use serde_json::{Map, Value, json};

use crate::city::at;

const OFFSET_S: i64 = 8 * 3_600;

/// What must be said of some scans.
pub fn counts<'a>(rows: impl IntoIterator<Item = &'a ScanRow>, people: bool) -> Value {
    let rows: Vec<&ScanRow> = rows.into_iter().collect();
    let count = |is_counted: &dyn Fn(&ScanRow) -> bool| rows.iter().filter(|row| is_counted(row)).count();
    let by_word = |words: &mut dyn Iterator<Item = (&'static str, usize)>| -> Value {
        Value::Object(words.map(|(word, count)| (word.to_owned(), json!(count))).collect::<Map<_, _>>())
    };
    let mut colours = Colour::ALL.iter().map(|colour| (colour.as_str(), count(&|row| row.colour == *colour)));
    let mut methods = Method::ALL.iter().map(|method| (method.as_str(), count(&|row| row.method == *method)));
    let mut counts = json!({
        "scans": rows.len(), "colours": by_word(&mut colours), "methods": by_word(&mut methods),
        "refused": count(&|row| row.verdict == Verdict::Refuse),
        "exits": count(&|row| row.direction == Direction::Exit),
    });
    if people {
        counts["persons"] = json!(rows.iter().map(|row| row.person).collect::<BTreeSet<_>>().len());
    }
    counts
}

/// The buckets of some scans by the clock of China.
pub fn buckets<'a>(rows: impl IntoIterator<Item = &'a ScanRow>, step: Step, people: bool) -> Value {
    let mut buckets: BTreeMap<i64, Vec<&ScanRow>> = BTreeMap::new();
    for row in rows {
        let local = row.scanned_at + OFFSET_S;
        buckets.entry(local - local % step.seconds() - OFFSET_S).or_default().push(row);
    }
    let bucket = |(start, rows): (i64, Vec<&ScanRow>)| {
        let mut bucket = counts(rows, people);
        bucket["start"] = json!(at(start));
        bucket
    };
    Value::Array(buckets.into_iter().map(bucket).collect())
}
