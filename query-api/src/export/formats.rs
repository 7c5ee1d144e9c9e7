//! The formats of tables, and what turns rows into their bytes.

use super::{
    cells::{Cell, Column},
    csv, ndjson,
    parquet::ParquetFile,
};

/// A format of a flat table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values (RFC 4180), with a line of names, in UTF-8.
    Csv,
    /// A JSON object in each line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl TableFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Ndjson, Self::Parquet];

    /// The word in requests, which is the file's extension as well.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }

    /// The media type of such a file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Rows that are turned into bytes together, which is all that is held of the file at a time. Of Parquet they are a row
    /// group, whose readers suffer from small ones.
    pub const fn rows_at_a_time(self) -> usize {
        match self {
            Self::Csv | Self::Ndjson => 500,
            Self::Parquet => 5_000,
        }
    }
}

/// Why a table could not be put into its format: our own mistake.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A line of CSV.
    #[error("cannot write csv")]
    Csv(#[source] ::csv::Error),
    /// A line of NDJSON.
    #[error("cannot write json")]
    Json(#[from] serde_json::Error),
    /// A row group, or the end of the file.
    #[error("cannot write parquet")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// A cell is not of its column's kind.
    #[error("a value of column {0} is of another kind")]
    Kind(&'static str),
}

/// Turns rows into the bytes of a file.
pub enum Encoder {
    /// CSV.
    Csv,
    /// NDJSON of these columns.
    Ndjson(&'static [Column]),
    /// Parquet.
    Parquet(Box<ParquetFile>),
}

impl Encoder {
    /// Begins a file, with what stands before its first row.
    ///
    /// # Errors
    /// When the format does not take the columns.
    pub fn begin(format: TableFormat, columns: &'static [Column]) -> Result<(Self, Vec<u8>), ExportError> {
        Ok(match format {
            TableFormat::Csv => (Self::Csv, csv::names(columns)?),
            TableFormat::Ndjson => (Self::Ndjson(columns), Vec::new()),
            TableFormat::Parquet => (Self::Parquet(Box::new(ParquetFile::begin(columns)?)), Vec::new()),
        })
    }

    /// The bytes of the next rows; of Parquet, as far as they are settled.
    ///
    /// # Errors
    /// When a cell is not of its column's kind.
    pub fn rows(&mut self, rows: &[Vec<Cell<'_>>]) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Csv => csv::rows(rows),
            Self::Ndjson(columns) => ndjson::rows(columns, rows),
            Self::Parquet(file) => file.rows(rows),
        }
    }

    /// What stands after the last row.
    ///
    /// # Errors
    /// When the end cannot be written.
    pub fn end(self) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Csv | Self::Ndjson(_) => Ok(Vec::new()),
            Self::Parquet(file) => file.end(),
        }
    }
}
