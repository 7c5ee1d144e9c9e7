//! The lines that clients send to the gateway and the answers they get, as the HTTP contract has them.

use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, DocumentType, Method, PersonKey, Reason, TestResult, UnixSeconds, VenueId, Verdict};
use serde::{Deserialize, Serialize};
use service::Problem;
use uuid::Uuid;

/// A time as HTTP carries it. Times beyond the calendar read as 1970, which the gateway refuses.
pub fn http_time(at: UnixSeconds) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or_default()
}

/// A document as clients send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentLine<'a> {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: DocumentType,
    /// Its number.
    pub number: &'a str,
}

/// A scan: one of `code` and `venue`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScanLine<'a> {
    /// The signed code, as a phone reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    /// The venue's number, as trusted devices and imports know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue: Option<VenueId>,
    /// Who.
    pub document: DocumentLine<'a>,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// When; without it, now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned_at: Option<DateTime<Utc>>,
    /// Why others register the person; needed where they do and no ID number tells the age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_reason: Option<&'a str>,
}

/// A health-code change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthLine<'a> {
    /// Whose.
    pub document: DocumentLine<'a>,
    /// The new colour.
    pub colour: Colour,
    /// From when it is in force.
    pub since: DateTime<Utc>,
    /// Until when, where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Which authority decided.
    pub issuer: &'a str,
    /// Number of the evidence.
    pub evidence: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// A test result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestLine<'a> {
    /// Whose.
    pub document: DocumentLine<'a>,
    /// When the sample was taken.
    pub sampled_at: DateTime<Utc>,
    /// When the laboratory had the result.
    pub resulted_at: DateTime<Utc>,
    /// The result.
    pub result: TestResult,
    /// Which laboratory.
    pub laboratory: &'a str,
}

/// A venue of the directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VenueLine<'a> {
    /// Its number.
    pub venue: VenueId,
    /// Name as on the poster.
    pub name: &'a str,
    /// Category of the city profile.
    pub category: &'a str,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// Detailed address.
    pub address: &'a str,
    /// Latitude in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Longitude in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// The answer to a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct BatchAnswer {
    /// One outcome per line, in the order of the lines.
    pub lines: Vec<LineOutcome>,
}

/// What became of one line: a problem, or what the feed answers.
#[derive(Debug, Clone, Deserialize)]
pub struct LineOutcome {
    /// Number of the line in the batch, from 1.
    pub line: usize,
    /// Why it was refused.
    pub problem: Option<Problem>,
    /// Receipt of a scan.
    pub receipt: Option<Uuid>,
    /// Verdict on a scan.
    pub verdict: Option<Verdict>,
    /// Whose health or test it was.
    pub person: Option<PersonKey>,
    /// The signed code of a venue.
    pub code: Option<String>,
}

/// The answer to a single scan.
#[derive(Debug, Clone, Deserialize)]
pub struct ScanAnswer {
    /// Identity of the scan.
    pub receipt: Uuid,
    /// What the person was told.
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// The colour that was shown.
    pub colour: Colour,
    /// Where.
    pub venue: AnsweredVenue,
    /// When.
    pub scanned_at: DateTime<Utc>,
    /// The last test, if one is known.
    pub last_test: Option<AnsweredTest>,
    /// The sentence shown.
    pub message: Sentence,
    /// The text to speak.
    pub speech: Sentence,
}

/// The venue in an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct AnsweredVenue {
    /// Its number.
    pub id: VenueId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
}

/// The last test in an answer.
#[derive(Debug, Clone, Deserialize)]
pub struct AnsweredTest {
    /// When the sample was taken.
    pub sampled_at: DateTime<Utc>,
    /// The result.
    pub result: TestResult,
}

/// A sentence in both languages.
#[derive(Debug, Clone, Deserialize)]
pub struct Sentence {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}
