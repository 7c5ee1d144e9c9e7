//! NDJSON: a JSON object in each line, with every column, null where there is nothing.

use chrono::SecondsFormat;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    cells::{Cell, Column},
    formats::ExportError,
};

struct Line<'a> {
    columns: &'a [Column],
    cells: &'a [Cell<'a>],
}

/// The lines of rows.
pub fn rows(columns: &[Column], rows: &[Vec<Cell<'_>>]) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    for cells in rows {
        serde_json::to_writer(&mut bytes, &Line { columns, cells })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            match cell {
                Cell::Empty => line.serialize_entry(column.name, &()),
                Cell::Text(text) => line.serialize_entry(column.name, text),
                Cell::Whole(number) => line.serialize_entry(column.name, number),
                Cell::Real(number) => line.serialize_entry(column.name, number),
                Cell::Time(time) => line.serialize_entry(column.name, &time.to_rfc3339_opts(SecondsFormat::Secs, true)),
                Cell::Flag(flag) => line.serialize_entry(column.name, flag),
            }?;
        }
        line.end()
    }
}
