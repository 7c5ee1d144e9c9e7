//! Who was erased: known by a digest alone, so that nothing comes back of them, whatever is read again. Pure.

use std::{collections::HashMap, fmt, str::FromStr, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AlertEvent, HealthEvent, IdentityEvent, PersonKey, ScanEvent, TestEvent, TripEvent, UnixSeconds,
    events::{AlertAction, ErasureAction, ErasureEvent, TripAction},
    topics,
};

/// What the digest of a person is for; another purpose takes another context.
const CONTEXT: &str = "VenueCode 2026-11 digest of an erased person";

static HASHER: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key(CONTEXT));

/// 128 bits of BLAKE3 over a person key, with a context of their own. Whoever has the key can tell that it is the one;
/// nobody goes back from here but by trying all keys. Its text is 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonDigest([u8; 16]);

/// A text that is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected the digest of a person: 32 lower-case hex digits")]
pub struct PersonDigestError;

impl PersonDigest {
    /// How it is made, for who is given one: a hash of the eight bytes of the key, the lowest first.
    pub const ALGORITHM: &'static str = "BLAKE3, derive_key \"VenueCode 2026-11 digest of an erased person\", 128 bits";

    /// The digest of a person.
    pub fn of(person: PersonKey) -> Self {
        let mut digest = [0; 16];
        HASHER.clone().update(&person.to_u64().to_le_bytes()).finalize_xof().fill(&mut digest);
        Self(digest)
    }
}

impl fmt::Display for PersonDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PersonDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonDigest")
    }
}

impl FromStr for PersonDigest {
    type Err = PersonDigestError;

    fn from_str(text: &str) -> Result<Self, PersonDigestError> {
        let mut digest = [0; 16];
        hex::decode_to_slice(text, &mut digest).map_err(|_| PersonDigestError)?;
        if text.bytes().any(|b| b.is_ascii_uppercase()) { Err(PersonDigestError) } else { Ok(Self(digest)) }
    }
}

impl Serialize for PersonDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PersonDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PersonDigest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PersonDigest".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{32}$"})
    }
}

/// Who was erased, and up to when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased(HashMap<PersonDigest, i64>);

impl Erased {
    /// One person, up to a time in milliseconds since 1970.
    pub fn one(person: PersonKey, before_ms: i64) -> Self {
        Self(HashMap::from([(PersonDigest::of(person), before_ms)]))
    }

    /// Notes what a record of the log decided; whether anybody is erased by it who was not before, or up to a later time.
    pub fn note(&mut self, event: &ErasureEvent) -> bool {
        let (ErasureAction::Erase { grounds, .. } | ErasureAction::Done { grounds, .. }) = &event.action else {
            return false;
        };
        let before_ms = self.0.entry(grounds.digest).or_insert(i64::MIN);
        let is_new = *before_ms < grounds.before_ms;
        *before_ms = grounds.before_ms.max(*before_ms);
        is_new
    }

    /// Whether nobody was erased.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what is told of a person at a time, in milliseconds since 1970, was erased.
    pub fn has(&self, person: PersonKey, at_ms: i64) -> bool {
        // Nearly always nobody was: then nothing is hashed.
        !self.is_empty() && self.0.get(&PersonDigest::of(person)).is_some_and(|before_ms| at_ms < *before_ms)
    }

    /// Whether what happened to a person at one time, and was accepted at another one, was erased: what comes late tells of
    /// before as well.
    pub fn has_late(&self, person: PersonKey, happened_at: UnixSeconds, accepted_at_ms: i64) -> bool {
        self.has(person, accepted_at_ms.min(happened_at.saturating_mul(1000)))
    }

    /// Whether a scan was erased.
    pub fn has_scan(&self, scan: &ScanEvent) -> bool {
        self.has_late(scan.person, scan.scanned_at, scan.accepted_at_ms)
    }

    /// Whether an event of a lorry names somebody of whom it was erased.
    pub fn has_trip(&self, event: &TripEvent) -> bool {
        match &event.action {
            TripAction::Declare(declaration) => self.has(declaration.driver, event.at_ms),
            TripAction::CheckpointScanned(scanned) | TripAction::DestinationScanned(scanned) => {
                self.has_late(scanned.person, scanned.at, event.at_ms)
            }
            TripAction::Cancel { by, .. } => by.is_some_and(|person| self.has(person, event.at_ms)),
            TripAction::Overdue { .. } => false,
        }
    }

    /// Whether a record about an alert raises it about somebody of whom it was erased.
    pub fn has_alert(&self, event: &AlertEvent) -> bool {
        let AlertAction::Raised(raised) = &event.action else { return false };
        self.has_late(raised.person, raised.scanned_at, event.at_ms)
    }

    /// Whether a message tells of somebody what was erased. `topic` has no prefix; `sent_at_ms` is when the message came to
    /// Kafka, by which changes of health are known, as they have no time of their own for that.
    ///
    /// A message that cannot be read tells nothing that could be compared.
    pub fn has_message(&self, topic: &str, value: &[u8], sent_at_ms: i64) -> bool {
        if self.is_empty() {
            return false;
        }
        match topic {
            topics::SCANS => ScanEvent::try_parse(value).is_ok_and(|event| self.has_scan(&event)),
            topics::HEALTH => HealthEvent::try_parse(value).is_ok_and(|event| self.has(event.person, sent_at_ms)),
            topics::TESTS => TestEvent::try_parse(value).is_ok_and(|event| self.has(event.person, sent_at_ms)),
            topics::IDENTITIES => IdentityEvent::try_parse(value).is_ok_and(|event| self.has_identity(&event)),
            topics::ALERTS => AlertEvent::try_parse(value).is_ok_and(|event| self.has_alert(&event)),
            topics::TRIPS => TripEvent::try_parse(value).is_ok_and(|event| self.has_trip(&event)),
            _ => false,
        }
    }

    /// Whether a registration was erased. It is written again when keys rotate, so its own time tells.
    pub fn has_identity(&self, event: &IdentityEvent) -> bool {
        self.has(event.person, event.registered_at.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::events::{ErasureBasis, Grounds};

    fn person(number: u64) -> PersonKey {
        PersonKey::from_u64(1 << 60 | number).expect("valid")
    }

    fn done(number: u64, before_ms: i64) -> ErasureEvent {
        let grounds = Grounds {
            digest: PersonDigest::of(person(number)),
            before_ms,
            basis: ErasureBasis::Ordered,
            evidence: String::new(),
            asked_by: String::new(),
            asked_at_ms: 0,
            expires_at_ms: 0,
            confirmed_by: String::new(),
        };
        let action = ErasureAction::Done { grounds: Box::new(grounds), removed: Vec::new(), remains: Vec::new() };
        ErasureEvent { v: 1, erasure: Uuid::nil(), at_ms: before_ms, action }
    }

    #[test]
    fn what_was_before_is_erased_and_what_comes_after_counts() {
        let mut erased = Erased::default();
        assert!(erased.note(&done(1, 5_000)));
        assert!(!erased.note(&done(1, 5_000)), "the same again is nothing new");
        assert!(!erased.note(&done(1, 4_000)), "nor is an older one");
        assert_eq!([4_999, 5_000].map(|at| erased.has(person(1), at)), [true, false]);
        assert!(!erased.has(person(2), 0));
        // Made before and accepted after, and the other way round by a clock that is ahead.
        assert!(erased.has_late(person(1), 4, 9_000) && erased.has_late(person(1), 6, 4_999));
        assert!(!erased.has_late(person(1), 5, 5_000));
        assert!(erased.note(&done(1, 6_000)) && erased.has(person(1), 5_999));
    }

    #[test]
    fn a_digest_stays_what_it_is_whatever_is_built_later() {
        // As another implementation of BLAKE3 tells it.
        assert_eq!(PersonDigest::of(person(7)).to_string(), "0fe15dde206691cf9e9574e1723f7257");
        assert_ne!(PersonDigest::of(person(7)), PersonDigest::of(person(8)));
        assert_eq!(format!("{:?}", PersonDigest::of(person(7))), "PersonDigest");
        assert!("0".repeat(31).parse::<PersonDigest>().is_err() && "A".repeat(32).parse::<PersonDigest>().is_err());
    }

    proptest! {
        #[test]
        fn text_and_digest_round_trip(number in 0u64..1 << 60) {
            let digest = PersonDigest::of(person(number));
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }
    }
}
