//! The closed sets of words shared by events, rows and answers, with their numbers in ClickHouse.
//!
//! A number, once given, is never reused: it is stored. The `Enum8` lists in `sql/` repeat them, and a test
//! holds the two together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Declares an enum whose wire form is snake case and whose stored form is a small number.
macro_rules! stored_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)+ }

        impl $name {
            /// Every value, in the order of its stored number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire and in ClickHouse.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value with this stored number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

stored_enum! {
    /// The colour of a health code. Only the authority's feed sets it.
    Colour {
        /// No valid colour is known: never sent, or expired.
        Unknown = 0 "unknown",
        /// No known risk.
        Green = 1 "green",
        /// Some risk: refused and reported.
        Yellow = 2 "yellow",
        /// High risk: refused and reported.
        Red = 3 "red",
    }
}

stored_enum! {
    /// Result of a nucleic acid (PCR) test.
    TestResult {
        /// No test is known.
        None = 0 "none",
        /// Nothing found.
        Negative = 1 "negative",
        /// Infection found.
        Positive = 2 "positive",
    }
}

stored_enum! {
    /// How a scan was made (S0, S3, S4).
    Method {
        /// The person scans the code at the door.
        VenueCode = 1 "venue_code",
        /// The digital sentinel reads the person's health code.
        SentinelHealthCode = 2 "sentinel_health_code",
        /// The digital sentinel reads the person's identity card.
        SentinelIdCard = 3 "sentinel_id_card",
        /// Staff scan the person's paper offline code, having seen the identity card.
        ReverseScan = 4 "reverse_scan",
        /// Staff or a guardian enter the details by hand.
        Manual = 5 "manual",
    }
}

stored_enum! {
    /// Which way the person went.
    Direction {
        /// Into the venue.
        Entry = 1 "entry",
        /// Out of the venue; optional, gives the dwell time.
        Exit = 2 "exit",
    }
}

stored_enum! {
    /// What the person was told at the door.
    Verdict {
        /// May enter.
        Admit = 1 "admit",
        /// May not enter; the reasons say why.
        Refuse = 2 "refuse",
        /// Sent too long after the scan for a verdict to mean anything; kept for tracing.
        Recorded = 3 "recorded",
    }
}

stored_enum! {
    /// A reason behind a verdict; its number is its bit in the stored set.
    Reason {
        /// The health code is yellow.
        ColourYellow = 0 "colour_yellow",
        /// The health code is red.
        ColourRed = 1 "colour_red",
        /// No health code is known for this person.
        HealthUnknown = 2 "health_unknown",
        /// The health code has expired.
        HealthExpired = 3 "health_expired",
        /// The rule asks for a test and none is known.
        TestMissing = 4 "test_missing",
        /// The newest test was sampled too long ago.
        TestTooOld = 5 "test_too_old",
        /// The newest test is positive.
        TestPositive = 6 "test_positive",
        /// The person declared symptoms.
        Symptoms = 7 "symptoms",
        /// Admitted although a rule was not met, under a recorded exemption.
        Exempted = 8 "exempted",
        /// No rule of the city is in effect for this class of venue at that time.
        NoRule = 9 "no_rule",
    }
}

stored_enum! {
    /// An exemption from the admission rule, recorded with the scan (S3: "urgent medical and other").
    Exemption {
        /// No exemption was claimed.
        None = 0 "none",
        /// Urgent medical care.
        UrgentMedical = 1 "urgent_medical",
        /// Any other special case that the city's profile allows.
        Other = 2 "other",
    }
}

/// A set of [`Reason`]s, stored as bits and written as a list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reasons(u16);

impl Reasons {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The stored form: bit n is the reason with number n.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits; bits that name no reason are kept but never listed.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Adds one reason.
    pub const fn insert(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u16;
    }

    /// Whether the reason is in the set.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & (1 << reason as u16) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.iter().copied().filter(move |r| self.contains(*r))
    }
}

impl FromIterator<Reason> for Reasons {
    fn from_iter<I: IntoIterator<Item = Reason>>(reasons: I) -> Self {
        let mut set = Self::NONE;
        for reason in reasons {
            set.insert(reason);
        }
        set
    }
}

impl Serialize for Reasons {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Reasons {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> serde::de::Visitor<'de> for Words {
            type Value = Reasons;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of reasons")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Reasons, A::Error> {
                let mut set = Reasons::NONE;
                while let Some(reason) = seq.next_element::<Reason>()? {
                    set.insert(reason);
                }
                Ok(set)
            }
        }
        deserializer.deserialize_seq(Words)
    }
}

impl JsonSchema for Reasons {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reasons".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Reason>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_on_the_wire_is_the_stored_word() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::json!(reason), serde_json::json!(reason.as_str()));
        }
        for method in Method::ALL {
            assert_eq!(serde_json::json!(method), serde_json::json!(method.as_str()));
        }
    }

    #[test]
    fn reasons_survive_the_wire_and_the_store() {
        for bits in 0..1u16 << Reason::ALL.len() {
            let set = Reasons::from_bits(bits);
            let wire = serde_json::to_string(&set).expect("serialises");
            let back: Reasons = serde_json::from_str(&wire).expect("parses");
            assert_eq!(back, set);
            assert_eq!(back.iter().collect::<Reasons>().bits(), bits);
        }
    }
}
