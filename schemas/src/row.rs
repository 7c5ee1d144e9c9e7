//! The row of a stored scan, and its bytes in ClickHouse's RowBinary format.
//!
//! Encoded by hand, once per batch: the same bytes are sent again when an insert's outcome is unclear.

use uuid::Uuid;

use crate::{Colour, Direction, Exemption, Method, PersonKey, Reasons, TestResult, UnixSeconds, VenueId, Verdict};

/// Seconds since 1970 as ClickHouse's `DateTime` holds them: 32 bits, clamped.
fn date_time(at: UnixSeconds) -> u32 {
    u32::try_from(at.max(0)).unwrap_or(u32::MAX)
}

/// A scan with venue and health as of the scan, as `scans_in` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRow {
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// When.
    pub scanned_at: UnixSeconds,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// What the person was told.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Reasons,
    /// Exemption that was claimed.
    pub exemption: Exemption,
    /// The colour that was shown.
    pub colour_shown: Colour,
    /// The colour in force when the scan was made, as far as was known when it was accepted.
    pub colour: Colour,
    /// Result of the last test before the scan, as far as was known when it was accepted.
    pub test_result: TestResult,
    /// When that test was sampled; 0 without one.
    pub test_sampled_at: UnixSeconds,
    /// District of the venue.
    pub district: u32,
    /// Category of the venue.
    pub category: String,
    /// Whether the phone was far from the venue, by what it said.
    pub far_from_venue: bool,
    /// Identity and receipt.
    pub event_id: Uuid,
    /// Which incarnation of which partition it came from: a random number written in the ledger.
    pub stream: u32,
    /// Offset in that partition.
    pub kafka_offset: u64,
}

impl ScanRow {
    /// The columns of `scans_in` in the order in which [`ScanRow::encode`] writes them.
    pub const COLUMNS: &'static str = "person_id, venue_id, scanned_at, method, direction, verdict, reasons, exemption, \
         colour_shown, colour, test_result, test_sampled_at, district, category, far_from_venue, event_id, stream, \
         kafka_offset";

    /// Appends the row in RowBinary.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.person.to_u64().to_le_bytes());
        out.extend_from_slice(&self.venue.to_le_bytes());
        out.extend_from_slice(&date_time(self.scanned_at).to_le_bytes());
        out.extend_from_slice(&[self.method as u8, self.direction as u8, self.verdict as u8]);
        out.extend_from_slice(&self.reasons.bits().to_le_bytes());
        let words = [self.exemption as u8, self.colour_shown as u8, self.colour as u8, self.test_result as u8];
        out.extend_from_slice(&words);
        out.extend_from_slice(&date_time(self.test_sampled_at).to_le_bytes());
        out.extend_from_slice(&self.district.to_le_bytes());
        encode_string(&self.category, out);
        out.push(u8::from(self.far_from_venue));
        // ClickHouse keeps a UUID as two little-endian halves, the high one first.
        let (high, low) = self.event_id.as_u64_pair();
        out.extend_from_slice(&high.to_le_bytes());
        out.extend_from_slice(&low.to_le_bytes());
        out.extend_from_slice(&self.stream.to_le_bytes());
        out.extend_from_slice(&self.kafka_offset.to_le_bytes());
    }
}

/// Appends a string in RowBinary: its length as LEB128, then its bytes.
pub fn encode_string(text: &str, out: &mut Vec<u8>) {
    let mut length = text.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
}
