//! CSV (RFC 4180) whose texts no spreadsheet runs.
//!
//! A spreadsheet takes a cell for a formula by its first character, quoted or not (OWASP, "CSV injection"). Such a text gets
//! an apostrophe in front; so does one that begins with an apostrophe, so that taking one off always gives the text back.

use std::borrow::Cow;

use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};

use super::{
    cells::{Cell, Column},
    formats::ExportError,
};

/// What begins a formula, or a field of one, somewhere; the wide forms are taken for the narrow ones in Chinese and Japanese.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
const GUARD: char = '\'';

/// The line of names.
pub fn names(columns: &[Column]) -> Result<Vec<u8>, ExportError> {
    lines(std::iter::once(columns.iter().map(|column| Cow::Borrowed(column.name))))
}

/// The lines of rows.
pub fn rows(rows: &[Vec<Cell<'_>>]) -> Result<Vec<u8>, ExportError> {
    lines(rows.iter().map(|cells| cells.iter().map(text)))
}

fn lines<'a>(lines: impl Iterator<Item = impl Iterator<Item = Cow<'a, str>>>) -> Result<Vec<u8>, ExportError> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        let cells: Vec<Cow<'_, str>> = line.collect();
        writer.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(ExportError::Csv)?;
    }
    writer.into_inner().map_err(|error| ExportError::Csv(error.into_error().into()))
}

fn text<'a>(cell: &'a Cell<'_>) -> Cow<'a, str> {
    match cell {
        Cell::Empty => "".into(),
        Cell::Text(text) => harmless(text),
        Cell::Whole(number) => number.to_string().into(),
        Cell::Real(number) => number.to_string().into(),
        Cell::Time(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
        Cell::Flag(flag) => if *flag { "true" } else { "false" }.into(),
    }
}

/// A text that no spreadsheet takes for a formula. Some pass over blanks before it, so these do not hide one.
fn harmless(text: &str) -> Cow<'_, str> {
    let first = text.trim_start_matches([' ', '\u{3000}', '\u{feff}']).chars().next();
    let is_formula = first.is_some_and(|first| FORMULA.contains(&first));
    if is_formula || text.starts_with(GUARD) { format!("{GUARD}{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use csv::ReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        reader.records().map(|record| record.expect("CSV").iter().map(str::to_owned).collect()).collect()
    }

    fn written(texts: &[String]) -> Vec<u8> {
        let cells = texts.iter().map(|text| Cell::Text(text.as_str().into()));
        rows(&[cells.collect()]).expect("written")
    }

    #[test]
    fn a_formula_gets_an_apostrophe_however_it_is_dressed() {
        for formula in
            ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a", "  =1", "\u{3000}＝1"]
        {
            let given = [formula.to_owned(), "豫园".to_owned()];
            assert_eq!(read(&written(&given)), [[format!("'{formula}"), "豫园".to_owned()]], "{formula:?}");
        }
        for text in ["豫园商城", "a=1", "", "1-2", "\"=1\""] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_cell_that_breaks_out_of_its_quotes_is_one_cell() {
        let breakout = "x\",\"=cmd|' /C calc'!A0\"\r\n=2".to_owned();
        assert_eq!(read(&written(std::slice::from_ref(&breakout))), [[breakout]]);
    }

    proptest! {
        /// Texts of what makes trouble: nothing begins a formula, nothing is lost, and cells stay apart.
        #[test]
        fn whatever_is_written_a_plain_reader_gets_and_no_spreadsheet_runs(
            texts in prop::collection::vec("[=+@＝＋－＠\t\r\n\"',; 　a豫-]{0,12}", 2..6)
        ) {
            let read = read(&written(&texts));
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].len(), texts.len());
            for (cell, text) in read[0].iter().zip(&texts) {
                let bare = cell.trim_start_matches([' ', '\u{3000}']);
                prop_assert!(!bare.starts_with(FORMULA), "{:?}", cell);
                prop_assert_eq!(cell.strip_prefix(GUARD).unwrap_or(cell), text);
            }
        }
    }
}
