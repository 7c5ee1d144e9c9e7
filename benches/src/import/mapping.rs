//! From the columns of a CSV row to a scan.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};
use csv::StringRecord;
use schemas::{UnixSeconds, VenueId};

use super::ColumnArgs;

/// How the time column is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeUnit {
    /// Minutes from the origin.
    Minutes,
    /// Seconds from the origin.
    Seconds,
    /// RFC 3339.
    Rfc3339,
    /// A format of chrono's `strftime`.
    Format(String),
}

impl FromStr for TimeUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use chrono::format::{Item, StrftimeItems};
        match text {
            "minutes" => Ok(Self::Minutes),
            "seconds" => Ok(Self::Seconds),
            "rfc3339" => Ok(Self::Rfc3339),
            _ if !text.contains('%') => {
                Err("expected minutes, seconds, rfc3339, or a format such as \"%Y-%m-%d %H:%M:%S\"".to_owned())
            }
            _ if StrftimeItems::new(text).any(|item| item == Item::Error) => {
                Err("the format has an unknown % sequence".to_owned())
            }
            _ => Ok(Self::Format(text.to_owned())),
        }
    }
}

/// A column that the file does not have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the file has no column `{column}` (--{option}); its columns are: {columns}")]
pub struct MappingError {
    /// The column that was asked for.
    pub column: String,
    /// The option that names it.
    pub option: &'static str,
    /// The columns that there are.
    pub columns: String,
}

/// Why a row is no scan. The person's number is never part of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowProblem {
    /// More or fewer columns than the header.
    #[error("has {found} columns, the header {expected}")]
    Columns {
        /// In the row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// No number of a venue.
    #[error("column `{column}`: `{value}` is no venue number (0 to 4294967295)")]
    Venue {
        /// The column.
        column: String,
        /// What is in it.
        value: String,
    },
    /// Not a time of the given unit.
    #[error("column `{column}`: `{value}` is no time in {unit}")]
    Time {
        /// The column.
        column: String,
        /// What is in it.
        value: String,
        /// How times were said to be written.
        unit: String,
    },
}

/// A row that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRow<'a> {
    /// Number of the person's document.
    pub person: &'a str,
    /// The venue.
    pub venue: VenueId,
    /// The time, in whole seconds.
    pub at: UnixSeconds,
}

/// The columns found in a file's header.
#[derive(Debug, Clone)]
pub struct Mapping {
    columns: ColumnArgs,
    width: usize,
    person: usize,
    venue: usize,
    time: usize,
}

impl Mapping {
    /// Finds the columns in a header.
    ///
    /// # Errors
    /// When one is not there; the error lists those that are.
    pub fn try_new(columns: &ColumnArgs, headers: &StringRecord) -> Result<Self, MappingError> {
        Ok(Self {
            width: headers.len(),
            person: find(headers, &columns.person_column, "person-column")?,
            venue: find(headers, &columns.venue_column, "venue-column")?,
            time: find(headers, &columns.time_column, "time-column")?,
            columns: columns.clone(),
        })
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When the row is not as wide as the header, or venue or time cannot be read.
    pub fn row<'a>(&self, record: &'a StringRecord) -> Result<ScanRow<'a>, RowProblem> {
        if record.len() != self.width {
            return Err(RowProblem::Columns { found: record.len(), expected: self.width });
        }
        let field = |index: usize| record.get(index).unwrap_or_default().trim();
        let (person, venue, time) = (field(self.person), field(self.venue), field(self.time));
        let venue = venue
            .parse()
            .map_err(|_| RowProblem::Venue { column: self.columns.venue_column.clone(), value: venue.to_owned() })?;
        let at = self.time(time).ok_or_else(|| RowProblem::Time {
            column: self.columns.time_column.clone(),
            value: time.to_owned(),
            unit: match &self.columns.time_unit {
                TimeUnit::Minutes => "minutes".to_owned(),
                TimeUnit::Seconds => "seconds".to_owned(),
                TimeUnit::Rfc3339 => "RFC 3339".to_owned(),
                TimeUnit::Format(format) => format!("the format {format}"),
            },
        })?;
        Ok(ScanRow { person, venue, at })
    }

    fn time(&self, text: &str) -> Option<UnixSeconds> {
        match &self.columns.time_unit {
            TimeUnit::Minutes => from_origin(self.columns.time_origin, text, 60),
            TimeUnit::Seconds => from_origin(self.columns.time_origin, text, 1),
            TimeUnit::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp()),
            TimeUnit::Format(format) => formatted(text, format, self.columns.utc_offset),
        }
    }
}

/// Whole units, or a decimal fraction of which seconds are kept.
fn from_origin(origin: DateTime<Utc>, text: &str, unit_s: i64) -> Option<UnixSeconds> {
    let seconds = match text.parse::<i64>() {
        Ok(whole) => whole.checked_mul(unit_s)?,
        Err(_) => {
            let fraction: f64 = text.parse().ok()?;
            let seconds = (fraction * unit_s as f64).floor();
            // Beyond that the addition below could not be a time anyway.
            (seconds.abs() < 1e15).then_some(seconds as i64)?
        }
    };
    origin.timestamp().checked_add(seconds)
}

fn formatted(text: &str, format: &str, offset: FixedOffset) -> Option<UnixSeconds> {
    if let Ok(with_offset) = DateTime::parse_from_str(text, format) {
        return Some(with_offset.timestamp());
    }
    let local = NaiveDateTime::parse_from_str(text, format)
        .or_else(|_| NaiveDate::parse_from_str(text, format).map(|day| day.and_time(chrono::NaiveTime::MIN)))
        .ok()?;
    Some(offset.from_local_datetime(&local).single()?.timestamp())
}

/// The place of a column, by its exact name.
pub(super) fn find(headers: &StringRecord, column: &str, option: &'static str) -> Result<usize, MappingError> {
    headers.iter().position(|h| h.trim() == column).ok_or_else(|| MappingError {
        column: column.to_owned(),
        option,
        columns: headers.iter().map(str::trim).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        columns: ColumnArgs,
    }

    fn columns(args: &[&str]) -> ColumnArgs {
        Cli::try_parse_from([&["import"], args].concat()).expect("valid arguments").columns
    }

    fn time(args: &[&str], text: &str) -> Option<UnixSeconds> {
        let headers = StringRecord::from(vec!["user", "venue", "time"]);
        let mapping = Mapping::try_new(&columns(args), &headers).expect("all columns are there");
        mapping.row(&StringRecord::from(vec!["1", "2", text])).ok().map(|row| row.at)
    }

    #[test]
    fn times_are_read_in_every_unit() {
        let origin = ["--time-unit", "minutes", "--time-origin", "2022-06-01T00:00:00+08:00"];
        assert_eq!(time(&origin, "90"), Some(1_654_012_800 + 5400));
        assert_eq!(time(&origin, "0.5"), Some(1_654_012_800 + 30));
        assert_eq!(time(&["--time-unit", "seconds"], "1654012800"), Some(1_654_012_800));
        assert_eq!(time(&[], "2022-06-01T00:00:00.7+08:00"), Some(1_654_012_800));
        let format = ["--time-unit", "%d/%m/%Y %H:%M"];
        assert_eq!(time(&format, "01/06/2022 00:00"), Some(1_654_012_800));
        let utc = ["--time-unit", "%d/%m/%Y %H:%M", "--utc-offset", "-00:00"];
        assert_eq!(time(&utc, "31/05/2022 16:00"), Some(1_654_012_800));
        assert_eq!(time(&["--time-unit", "%Y%m%d %H%M%S %z"], "20220531 180000 +0200"), Some(1_654_012_800));
        assert_eq!(time(&["--time-unit", "%Y%m%d"], "20220601"), Some(1_654_012_800));
    }

    #[test]
    fn what_is_no_time_is_refused_with_column_and_unit() {
        for (args, text) in [(&["--time-unit", "minutes"][..], "noon"), (&["--time-unit", "seconds"], "1e300")] {
            assert_eq!(time(args, text), None, "{text}");
        }
        let headers = StringRecord::from(vec!["venue", "time", "user"]);
        let mapping = Mapping::try_new(&columns(&[]), &headers).expect("in any order");
        let problem = mapping.row(&StringRecord::from(vec!["2", "yesterday", "secret"])).unwrap_err().to_string();
        assert_eq!(problem, "column `time`: `yesterday` is no time in RFC 3339");
        let problem = mapping.row(&StringRecord::from(vec!["-1", "x", "secret"])).unwrap_err().to_string();
        assert_eq!(problem, "column `venue`: `-1` is no venue number (0 to 4294967295)");
        let problem = mapping.row(&StringRecord::from(vec!["2", "x"])).unwrap_err().to_string();
        assert_eq!(problem, "has 2 columns, the header 3");
    }

    #[test]
    fn a_missing_column_is_told_which_there_are() {
        let headers = StringRecord::from(vec!["user", "venue", "minute"]);
        let error = Mapping::try_new(&columns(&[]), &headers).unwrap_err().to_string();
        assert_eq!(error, "the file has no column `time` (--time-column); its columns are: user, venue, minute");
    }

    #[test]
    fn an_unknown_unit_or_format_is_refused_at_once() {
        assert!(TimeUnit::from_str("hours").unwrap_err().starts_with("expected minutes"));
        assert!(TimeUnit::from_str("%Y-%Q").unwrap_err().contains("unknown"));
    }
}
