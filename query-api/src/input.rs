//! Takes requests apart field by field, from a query string or a JSON body alike, and says which field is wrong.
//!
//! Values are never repeated in messages: they may be a person.

use std::{collections::BTreeMap, ops::RangeInclusive};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, Query, path::Path, rejection::BytesRejection},
    http::{HeaderMap, header, request::Parts},
};
use chrono::DateTime;
use schemas::PersonKey;
use serde_json::Value;
pub use service::http::Segment;

use crate::{QueryError, store::TimeRange};

/// Bytes of the longest body that is read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

const TIME: &str = "a time as RFC 3339, from 1970 to 2105, such as 2022-05-23T08:00:00Z; in a URL, + is written %2B";

/// The fields of a request that have not been taken yet.
pub struct Fields {
    values: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = QueryError;

    /// The parameters of the query string.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, QueryError> {
        // Reading pairs of texts cannot fail, whatever the query string is.
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let mut values = BTreeMap::new();
        for (name, value) in pairs.map(|Query(pairs)| pairs).unwrap_or_default() {
            if values.insert(name.clone(), Value::String(value)).is_some() {
                return Err(QueryError::UnknownField { field: name, known: "each parameter once".to_owned() });
            }
        }
        Ok(Self { values, known: Vec::new() })
    }
}

impl Fields {
    /// The fields of a JSON body.
    ///
    /// # Errors
    /// When it is not declared as JSON, too long, no JSON or no object.
    pub fn try_from_json(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Self, QueryError> {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(QueryError::UnsupportedMediaType);
        }
        let body = body.map_err(|rejection| match rejection.status().as_u16() {
            413 => QueryError::BodyTooLarge { limit_bytes: MAX_BODY_BYTES },
            _ => QueryError::BrokenBody,
        })?;
        match serde_json::from_slice(&body).map_err(QueryError::MalformedJson)? {
            Value::Object(object) => Ok(Self { values: object.into_iter().collect(), known: Vec::new() }),
            _ => Err(QueryError::InvalidField { field: "", expected: "a JSON object".to_owned() }),
        }
    }

    /// The fields of an object within a body.
    ///
    /// # Errors
    /// When it is no object.
    pub fn try_from_value(value: Value, field: &'static str, expected: &str) -> Result<Self, QueryError> {
        match value {
            Value::Object(object) => Ok(Self { values: object.into_iter().collect(), known: Vec::new() }),
            _ => Err(invalid(field, expected)),
        }
    }

    /// The text of a field that may be left out.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text(&mut self, field: &'static str, expected: &str) -> Result<Option<String>, QueryError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(field, expected)),
        }
    }

    /// The text of a field that must be there.
    ///
    /// # Errors
    /// When it is missing or no text.
    pub fn required(&mut self, field: &'static str, expected: &str) -> Result<String, QueryError> {
        let text = self.text(field, expected)?;
        text.ok_or_else(|| QueryError::MissingField { field, expected: expected.to_owned() })
    }

    /// A whole number within a range, or the default.
    ///
    /// # Errors
    /// When it is no whole number or out of range.
    pub fn number(&mut self, field: &'static str, range: RangeInclusive<u32>, default: u32) -> Result<u32, QueryError> {
        self.take(field).map_or(Ok(default), |value| number(field, &value, &range))
    }

    /// A whole number within a range that must be there.
    ///
    /// # Errors
    /// When it is missing, no whole number or out of range.
    pub fn required_number(&mut self, field: &'static str, range: RangeInclusive<u32>) -> Result<u32, QueryError> {
        match self.take(field) {
            Some(value) => number(field, &value, &range),
            None => Err(QueryError::MissingField { field, expected: within(&range) }),
        }
    }

    /// A list that may be left out, which is then empty.
    ///
    /// # Errors
    /// When it is no list, or longer than `most`.
    pub fn list(&mut self, field: &'static str, most: usize, expected: &str) -> Result<Vec<Value>, QueryError> {
        match self.take(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) if values.len() <= most => Ok(values),
            Some(_) => Err(invalid(field, expected)),
        }
    }

    /// Yes or no; no, when left out.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, QueryError> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(invalid(field, "true or false")),
        }
    }

    /// A district of GB/T 2260, or its first digits.
    ///
    /// # Errors
    /// When it can be neither.
    pub fn area(&mut self, field: &'static str) -> Result<Option<u32>, QueryError> {
        Ok(Some(self.number(field, 11..=829_999, 0)?).filter(|area| *area > 0))
    }

    /// A time that may be left out, truncated to whole seconds.
    ///
    /// # Errors
    /// When it is no time.
    pub fn time(&mut self, field: &'static str) -> Result<Option<u32>, QueryError> {
        self.text(field, TIME)?.map(|text| time(field, &text)).transpose()
    }

    /// `from` and `to`, truncated to whole seconds.
    ///
    /// # Errors
    /// When one is missing or no time, or `to` is not after `from`.
    pub fn time_range(&mut self) -> Result<TimeRange, QueryError> {
        let from = time("from", &self.required("from", TIME)?)?;
        let to = time("to", &self.required("to", TIME)?)?;
        if to > from { Ok(TimeRange { from, to }) } else { Err(invalid("to", "a time after `from`")) }
    }

    /// Refuses what has not been taken.
    ///
    /// # Errors
    /// When there is anything left.
    pub fn finish(self) -> Result<(), QueryError> {
        let known = self.known.join(", ");
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(field) => Err(QueryError::UnknownField { field, known }),
        }
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.values.remove(field).filter(|value| !value.is_null())
    }
}

/// The text of a path's one parameter.
///
/// # Errors
/// When it is not encoded as a path is.
pub fn segment(segment: Segment, field: &'static str) -> Result<String, QueryError> {
    segment.map(|Path(text)| text).map_err(|_| invalid(field, "a text in UTF-8, percent-encoded where needed"))
}

/// A person key.
///
/// # Errors
/// When the text is none.
pub fn person(text: &str) -> Result<PersonKey, QueryError> {
    text.parse().map_err(|_| invalid("person", PERSON))
}

/// What a person key looks like.
pub const PERSON: &str = "a person key: 16 lower-case hex digits, the first one from 1 to f";

/// A field whose value cannot be used.
pub fn invalid(field: &'static str, expected: &str) -> QueryError {
    QueryError::InvalidField { field, expected: expected.to_owned() }
}

fn number(field: &'static str, value: &Value, range: &RangeInclusive<u32>) -> Result<u32, QueryError> {
    let number = match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    number.filter(|number| range.contains(number)).ok_or_else(|| invalid(field, &within(range)))
}

fn within(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

fn time(field: &'static str, text: &str) -> Result<u32, QueryError> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| invalid(field, TIME))?;
    u32::try_from(at.timestamp()).map_err(|_| invalid(field, TIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: serde_json::Value) -> Fields {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json; charset=utf-8".parse().expect("a header"));
        Fields::try_from_json(&headers, Ok(Bytes::from(json.to_string()))).expect("an object")
    }

    fn field_of(error: QueryError) -> String {
        match error {
            QueryError::InvalidField { field, .. } | QueryError::MissingField { field, .. } => field.to_owned(),
            QueryError::UnknownField { field, known } => format!("{field} unknown, {known} known"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn times_are_whole_seconds_in_any_offset() {
        let range = |from: &str, to: &str| {
            let json = serde_json::json!({"from": from, "to": to});
            fields(json).time_range().map(|range| (range.from, range.to)).map_err(field_of)
        };
        assert_eq!(range("1970-01-01T08:00:01.9+08:00", "1970-01-01T00:00:02Z"), Ok((1, 2)));
        assert_eq!(range("1970-01-01T00:00:02Z", "1970-01-01T00:00:02.5Z"), Err("to".to_owned()));
        assert_eq!(range("1969-12-31T23:59:59Z", "1970-01-01T00:00:02Z"), Err("from".to_owned()));
        assert_eq!(range("1970-01-01T00:00:02Z", "2107-01-01T00:00:00Z"), Err("to".to_owned()));
        assert_eq!(range("yesterday", "2022-01-01T00:00:00Z"), Err("from".to_owned()));
    }

    #[test]
    fn numbers_are_whole_and_in_their_range() {
        let number = |value| fields(serde_json::json!({ "n": value })).number("n", 1..=10, 7).ok();
        for (value, expected) in [
            (serde_json::json!(1), Some(1)),
            (serde_json::json!("10"), Some(10)),
            (serde_json::Value::Null, Some(7)),
            (serde_json::json!(0), None),
            (serde_json::json!(11), None),
            (serde_json::json!(1.5), None),
            (serde_json::json!(-1), None),
            (serde_json::json!("+5"), None),
            (serde_json::json!(""), None),
            (serde_json::json!(true), None),
        ] {
            assert_eq!(number(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn what_is_left_over_is_refused_by_name() {
        let mut fields = fields(serde_json::json!({"a": "x", "zz": 1}));
        assert_eq!(fields.required("a", "anything").ok().as_deref(), Some("x"));
        assert_eq!(fields.required("b", "anything").map_err(field_of), Err("b".to_owned()));
        assert_eq!(fields.finish().map_err(field_of), Err("zz unknown, a, b known".to_owned()));
    }
}
