//! A flat table: named columns of one kind each, and rows of cells.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// What the cells of a column are, if they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts, and words of closed lists.
    Text,
    /// Whole numbers.
    Whole,
    /// Numbers with a fraction.
    Real,
    /// Times in UTC.
    Time,
    /// Yes or no.
    Flag,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, that of the field in the JSON answer; the unit is in it where there is one.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
}

impl Column {
    /// A column of texts.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: Kind::Text }
    }

    /// A column of whole numbers.
    pub const fn whole(name: &'static str) -> Self {
        Self { name, kind: Kind::Whole }
    }

    /// A column of numbers with a fraction.
    pub const fn real(name: &'static str) -> Self {
        Self { name, kind: Kind::Real }
    }

    /// A column of times.
    pub const fn time(name: &'static str) -> Self {
        Self { name, kind: Kind::Time }
    }

    /// A column of yes and no.
    pub const fn flag(name: &'static str) -> Self {
        Self { name, kind: Kind::Flag }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// None.
    Empty,
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Real(f64),
    /// A time.
    Time(DateTime<Utc>),
    /// Yes or no.
    Flag(bool),
}

impl Cell<'_> {
    /// The word that JSON has for a value of a closed list.
    pub fn word(value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::String(word)) => Self::Text(word.into()),
            _ => Self::Empty,
        }
    }

    /// Several of them in one cell, with spaces between.
    pub fn list(values: impl IntoIterator<Item = impl Serialize>) -> Self {
        let word = |value| match serde_json::to_value(value) {
            Ok(Value::String(word)) => word,
            Ok(value) => value.to_string(),
            Err(_) => String::new(),
        };
        Self::Text(values.into_iter().map(word).collect::<Vec<_>>().join(" ").into())
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for Cell<'_> {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u8> for Cell<'_> {
    fn from(number: u8) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        // Counts of rows are far smaller.
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<DateTime<Utc>> for Cell<'_> {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl From<bool> for Cell<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A table that can leave as a file.
pub trait Table: Send + Sync + 'static {
    /// What it holds, in one word; the name of the file.
    fn name(&self) -> &'static str;
    /// Its columns.
    fn columns(&self) -> &'static [Column];
    /// How many rows there are.
    fn count(&self) -> usize;
    /// Whether a limit left anything of the answer out.
    fn is_truncated(&self) -> bool;
    /// The rows, each with a cell for every column.
    fn rows(&self) -> Box<dyn Iterator<Item = Vec<Cell<'_>>> + Send + '_>;
}
