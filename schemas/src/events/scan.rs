//! The scan as the gateway accepted it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, VERSION, Versioned, check_time, read};
use crate::{Colour, Direction, Exemption, Method, PersonKey, PlateKey, Reasons, UnixSeconds, VenueId, Verdict};

/// One scan with the verdict that was shown. Topic `scans`, key: person.
///
/// Times are seconds since 1970 in UTC. Nothing here names the person: only the person key travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanEvent {
    /// Message version.
    pub v: u8,
    /// Identity and receipt of the scan: the client's, or [`ScanEvent::derive_id`].
    pub event_id: Uuid,
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// When the scan was made.
    pub scanned_at: UnixSeconds,
    /// When the gateway accepted it, in milliseconds since 1970.
    pub accepted_at_ms: i64,
    /// What the person was told.
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reasons: Reasons,
    /// The colour that was shown.
    pub colour: Colour,
    /// The exemption that was claimed.
    #[serde(default = "no_exemption")]
    pub exemption: Exemption,
    /// Whether the phone was far from the venue, by what it said. Where it was travels no further than the gateway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub far_from_venue: bool,
    /// The lorry, at a venue of the freight loop (S4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freight: Option<FreightScan>,
}

/// What a scan at a venue of the freight loop is of besides a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FreightScan {
    /// The lorry.
    pub vehicle: PlateKey,
    /// What the venue is.
    pub stop: FreightStop,
}

words! {
    /// Where a lorry is scanned (S4).
    FreightStop {
        /// Where it enters the city.
        Checkpoint = "checkpoint",
        /// Where it is bound for.
        Destination = "destination",
    }
}

impl Versioned for ScanEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ScanEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no scan of a version known here, or a time is out of range.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_time("scanned_at", event.scanned_at)?;
        check_time("accepted_at_ms", event.accepted_at_ms / 1000)?;
        Ok(event)
    }

    /// The identity of a scan whose client sends none: a UUID (version 8) made of person, venue, time, method
    /// and direction, so that the same scan sent again is known again.
    pub fn derive_id(person: PersonKey, venue: VenueId, at: UnixSeconds, method: Method, direction: Direction) -> Uuid {
        let mut input = [0u8; 22];
        input[..8].copy_from_slice(&person.to_u64().to_le_bytes());
        input[8..12].copy_from_slice(&venue.to_le_bytes());
        input[12..20].copy_from_slice(&at.to_le_bytes());
        input[20] = method as u8;
        input[21] = direction as u8;
        let mut head = [0u8; 16];
        head.copy_from_slice(&blake3::hash(&input).as_bytes()[..16]);
        Uuid::new_v8(head)
    }

    /// The identity of such a scan with a lorry: whoever comes with another one in the same second is scanned anew.
    pub fn derive_id_with(scan: Uuid, vehicle: PlateKey) -> Uuid {
        let mut hash = blake3::Hasher::new();
        hash.update(scan.as_bytes()).update(&vehicle.to_u64().to_le_bytes());
        let mut head = [0u8; 16];
        head.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        Uuid::new_v8(head)
    }

    /// Adds the message to a buffer, as serde would write it. Every scan is written once, and by hand that takes a third of
    /// the time: no word of it needs to be looked through for characters to escape.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut id = Uuid::encode_buffer();
        out.extend_from_slice(b"{\"v\":");
        write_number(out, i64::from(self.v));
        write_text(out, "event_id", self.event_id.hyphenated().encode_lower(&mut id).as_bytes());
        write_text(out, "person", &self.person.to_hex());
        write_name(out, "venue");
        write_number(out, i64::from(self.venue));
        write_text(out, "method", self.method.as_str().as_bytes());
        write_text(out, "direction", self.direction.as_str().as_bytes());
        write_name(out, "scanned_at");
        write_number(out, self.scanned_at);
        write_name(out, "accepted_at_ms");
        write_number(out, self.accepted_at_ms);
        write_text(out, "verdict", self.verdict.as_str().as_bytes());
        write_name(out, "reasons");
        out.push(b'[');
        for (nth, reason) in self.reasons.iter().enumerate() {
            out.extend_from_slice(if nth == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(reason.as_str().as_bytes());
            out.push(b'"');
        }
        out.push(b']');
        write_text(out, "colour", self.colour.as_str().as_bytes());
        write_text(out, "exemption", self.exemption.as_str().as_bytes());
        if self.far_from_venue {
            write_name(out, "far_from_venue");
            out.extend_from_slice(b"true");
        }
        if let Some(FreightScan { vehicle, stop }) = &self.freight {
            write_name(out, "freight");
            out.extend_from_slice(b"{\"vehicle\":\"");
            out.extend_from_slice(vehicle.to_string().as_bytes());
            out.push(b'"');
            write_text(out, "stop", stop.as_str().as_bytes());
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// The version written by this build.
    pub const fn version() -> u8 {
        VERSION
    }
}

const fn no_exemption() -> Exemption {
    Exemption::None
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A text of characters that need no escape.
fn write_text(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    write_name(out, name);
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn write_number(out: &mut Vec<u8>, number: i64) {
    // Writing to a vector does not fail.
    let _ = serde_json::to_writer(out, &number);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ScanEvent {
        let person = "1123456789abcdef".parse().expect("valid");
        ScanEvent {
            v: 1,
            event_id: ScanEvent::derive_id(person, 7, 1_653_000_000, Method::VenueCode, Direction::Entry),
            person,
            venue: 7,
            method: Method::VenueCode,
            direction: Direction::Entry,
            scanned_at: 1_653_000_000,
            accepted_at_ms: 1_653_000_000_123,
            verdict: Verdict::Admit,
            reasons: Reasons::NONE,
            colour: Colour::Green,
            exemption: Exemption::None,
            far_from_venue: false,
            freight: None,
        }
    }

    #[test]
    fn a_message_of_a_newer_build_with_more_fields_is_still_read() {
        let mut json = serde_json::to_value(example()).expect("serialises");
        json["not_yet_known"] = serde_json::json!({"a": 1});
        assert_eq!(ScanEvent::try_parse(json.to_string().as_bytes()).expect("reads"), example());
    }

    #[test]
    fn a_message_that_cannot_be_used_says_which_field_is_wrong() {
        let broken = |field: &str, value: serde_json::Value| {
            let mut json = serde_json::to_value(example()).expect("serialises");
            json[field] = value;
            ScanEvent::try_parse(json.to_string().as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(broken("v", 2.into()), "message version 2 is not known here; versions 1 to 1 are");
        assert!(broken("scanned_at", 1_653_000_000_123i64.into()).starts_with("field `scanned_at`"));
        assert_eq!(broken("colour", "blue".into()), "not a message of this topic");
    }

    #[test]
    fn the_message_written_by_hand_is_the_one_that_serde_writes() {
        let plain = example();
        let mut scans = vec![plain.clone()];
        scans.extend(Method::ALL.iter().map(|method| ScanEvent { method: *method, ..plain.clone() }));
        scans.extend(Direction::ALL.iter().map(|direction| ScanEvent { direction: *direction, ..plain.clone() }));
        scans.extend(Verdict::ALL.iter().map(|verdict| ScanEvent { verdict: *verdict, ..plain.clone() }));
        scans.extend(Colour::ALL.iter().map(|colour| ScanEvent { colour: *colour, ..plain.clone() }));
        scans.extend(Exemption::ALL.iter().map(|exemption| ScanEvent { exemption: *exemption, ..plain.clone() }));
        scans.extend(
            (0..=u16::MAX).step_by(97).map(|bits| ScanEvent { reasons: Reasons::from_bits(bits), ..plain.clone() }),
        );
        scans.push(ScanEvent { far_from_venue: true, ..plain.clone() });
        let vehicle = "1fedcba987654321".parse().expect("a key");
        scans.extend(FreightStop::ALL.iter().map(|stop| ScanEvent {
            venue: VenueId::MAX,
            far_from_venue: true,
            freight: Some(FreightScan { vehicle, stop: *stop }),
            ..plain.clone()
        }));
        for scan in scans {
            let mut written = Vec::new();
            scan.write_json(&mut written);
            assert_eq!(String::from_utf8(written), serde_json::to_string(&scan).map(Ok).expect("serialises"));
        }
    }

    #[test]
    fn the_derived_identity_differs_in_each_part() {
        let base = example();
        let id = |p: u64, v, t, m, d| ScanEvent::derive_id(PersonKey::from_u64(p).expect("valid"), v, t, m, d);
        let (p, v, t) = (base.person.to_u64(), base.venue, base.scanned_at);
        let ids = [
            id(p, v, t, Method::VenueCode, Direction::Entry),
            id(p + 1, v, t, Method::VenueCode, Direction::Entry),
            id(p, v + 1, t, Method::VenueCode, Direction::Entry),
            id(p, v, t + 1, Method::VenueCode, Direction::Entry),
            id(p, v, t, Method::Manual, Direction::Entry),
            id(p, v, t, Method::VenueCode, Direction::Exit),
        ];
        let lorry = |key| ScanEvent::derive_id_with(ids[0], PlateKey::from_u64(key).expect("valid"));
        let ids = [ids.as_slice(), &[lorry(p), lorry(p + 1)]].concat();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((distinct.len(), ids[0]), (ids.len(), base.event_id));
    }
}
