//! CSV (RFC 4180) whose texts no spreadsheet runs.
//!
//! A spreadsheet takes a cell for a formula by its first character, quoted or not (OWASP, "CSV injection"). Such a text gets
//! an apostrophe in front; so does one that begins with an apostrophe. Where a comma is the decimal sign, spreadsheets part
//! cells at semicolons or tabs and know no quotes that begin within such a cell, so the same goes for what follows a semicolon,
//! a tab or a line end in a text. Taking one apostrophe off in each of these places always gives the text back.

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
/// After these another cell begins for some.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

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

/// A text in which no spreadsheet finds a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    let starts =
        || std::iter::once(0).chain(text.match_indices(SEPARATORS).map(|(at, separator)| at + separator.len()));
    if !starts().any(|start| takes_guard(&text[start..])) {
        return text.into();
    }
    let mut guarded = String::with_capacity(text.len() + 8);
    let mut rest = 0;
    for start in starts() {
        guarded.push_str(&text[rest..start]);
        rest = start;
        if takes_guard(&text[start..]) {
            guarded.push(GUARD);
        }
    }
    guarded.push_str(&text[rest..]);
    guarded.into()
}

/// Whether what begins here may be taken for a formula, or for something guarded. Some pass over blanks before a formula, and
/// two quotes where a cell begins are none, so neither hides one.
fn takes_guard(text: &str) -> bool {
    let bare = text.trim_start_matches([' ', '\u{3000}', '\u{feff}', '"']);
    bare.starts_with(FORMULA) || text.starts_with(GUARD)
}

#[cfg(test)]
mod tests {
    use csv::ReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        read_by(b',', bytes).split_off(1)
    }

    fn read_by(delimiter: u8, bytes: &[u8]) -> Vec<Vec<String>> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
        reader.records().map(|record| record.expect("CSV").iter().map(str::to_owned).collect()).collect()
    }

    /// The text, without the apostrophes.
    fn bare(cell: &str) -> String {
        let (mut text, mut is_start) = (String::new(), true);
        for character in cell.chars() {
            if !(is_start && character == GUARD) {
                text.push(character);
            }
            is_start = SEPARATORS.contains(&character);
        }
        text
    }

    fn written(texts: &[String]) -> Vec<u8> {
        let cells = texts.iter().map(|text| Cell::Text(text.as_str().into()));
        // With its line of names: what stands first in a file is passed over if it is a byte order mark.
        let names = names(&[Column::text("text")]).expect("written");
        [names, rows(&[cells.collect()]).expect("written")].concat()
    }

    #[test]
    fn a_formula_gets_an_apostrophe_however_it_is_dressed() {
        for formula in
            ["=1+1", "+1", "-1", "@a", "＝1", "＋1", "－1", "＠a", "  =1", "\u{3000}＝1", "\u{feff}=1", "\u{feff} -1"]
        {
            let given = [formula.to_owned(), "豫园".to_owned()];
            assert_eq!(read(&written(&given)), [[format!("'{formula}"), "豫园".to_owned()]], "{formula:?}");
        }
        for text in ["豫园商城", "a=1", "", "1-2"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_formula_further_on_gets_one_where_a_cell_may_begin() {
        for (text, guarded) in [
            ("豫园;=1", "豫园;'=1"),
            ("a; ＝1;b", "a;' ＝1;b"),
            ("a\t=1", "a\t'=1"),
            ("\t=1", "'\t'=1"),
            ("a\r\n-1", "a\r'\n'-1"),
            ("a;'b", "a;''b"),
            ("a;\"=1\"", "a;'\"=1\""),
        ] {
            assert_eq!(harmless(text), guarded);
        }
    }

    #[test]
    fn a_cell_that_breaks_out_of_its_quotes_is_one_cell() {
        let breakout = "x\",\"=cmd|' /C calc'!A0\"\r\n=2".to_owned();
        let read = read(&written(std::slice::from_ref(&breakout)));
        assert_eq!(read, [["x\",\"=cmd|' /C calc'!A0\"\r'\n'=2"]]);
        assert_eq!(bare(&read[0][0]), breakout);
    }

    proptest! {
        /// Texts of what makes trouble: nothing begins a formula, nothing is lost, and cells stay apart.
        #[test]
        fn whatever_is_written_a_plain_reader_gets_and_no_spreadsheet_runs(
            texts in prop::collection::vec("[=+@＝＋－＠\t\r\n\"',; 　\u{feff}a豫-]{0,12}", 2..6)
        ) {
            let bytes = written(&texts);
            let read = read(&bytes);
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].len(), texts.len());
            for (cell, text) in read[0].iter().zip(&texts) {
                let begins = cell.trim_start_matches([' ', '\u{3000}', '\u{feff}']);
                prop_assert!(!begins.starts_with(FORMULA), "{:?}", cell);
                prop_assert_eq!(&bare(cell), text);
            }
            for delimiter in *b";\t" {
                // A quote that ends one cell may begin another for these, with the line's end in it: no formula either.
                for cell in read_by(delimiter, &bytes).concat() {
                    let begins = cell.trim_start_matches([' ', '\u{3000}', '\u{feff}', '\r', '\n']);
                    prop_assert!(!begins.starts_with(FORMULA), "{:?} of {:?}", cell, texts);
                }
            }
        }
    }
}
