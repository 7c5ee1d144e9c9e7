//! Health-code changes and test results, as the authority's feeds send them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

use super::{EventError, Versioned, check_time, read};
use crate::{Colour, PersonKey, TestResult, UnixSeconds};

/// A health-code change. Topic `health`, key: person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthEvent {
    /// Message version.
    pub v: u8,
    /// Whose code.
    pub person: PersonKey,
    /// The new colour.
    pub colour: Colour,
    /// From when it is in force.
    pub since: UnixSeconds,
    /// Until when; without it, until the next change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixSeconds>,
    /// Which authority decided.
    pub issuer: String,
    /// Number of the evidence that it rests on.
    pub evidence: String,
    /// Why, as the authority words it.
    pub reason: String,
}

impl Versioned for HealthEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl HealthEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no health-code change of a version known here, or a time cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_colour_times(event.since, event.expires_at)?;
        Ok(event)
    }
}

/// What tables in memory keep of a [`HealthEvent`]. Reading it takes no allocation: a gateway that starts reads one for
/// each person of the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColourChange {
    /// Whose code.
    pub person: PersonKey,
    /// The new colour.
    pub colour: Colour,
    /// From when it is in force.
    pub since: UnixSeconds,
    /// Until when; without it, until the next change.
    pub expires_at: Option<UnixSeconds>,
}

impl ColourChange {
    /// Reads and checks a message: takes what [`HealthEvent::try_parse`] takes.
    ///
    /// # Errors
    /// Those of [`HealthEvent::try_parse`].
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        struct Shape {
            v: u8,
            person: PersonKey,
            colour: Colour,
            since: UnixSeconds,
            #[serde(default)]
            expires_at: Option<UnixSeconds>,
            #[serde(rename = "issuer")]
            _issuer: AnyText,
            #[serde(rename = "evidence")]
            _evidence: AnyText,
            #[serde(rename = "reason")]
            _reason: AnyText,
        }

        impl Versioned for Shape {
            fn v(&self) -> u8 {
                self.v
            }
        }

        let Shape { person, colour, since, expires_at, .. } = read(message)?;
        check_colour_times(since, expires_at)?;
        Ok(Self { person, colour, since, expires_at })
    }
}

fn check_colour_times(since: UnixSeconds, expires_at: Option<UnixSeconds>) -> Result<(), EventError> {
    check_time("since", since)?;
    let Some(expires_at) = expires_at else { return Ok(()) };
    check_time("expires_at", expires_at)?;
    if expires_at <= since {
        return Err(EventError::Field { field: "expires_at", problem: "is not after `since`" });
    }
    Ok(())
}

/// A test result. Topic `tests`, key: person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestEvent {
    /// Message version.
    pub v: u8,
    /// Whose test.
    pub person: PersonKey,
    /// When the sample was taken; admission counts from here (S3: within 48 h).
    pub sampled_at: UnixSeconds,
    /// When the laboratory had the result.
    pub resulted_at: UnixSeconds,
    /// The result.
    pub result: TestResult,
    /// Which laboratory.
    pub laboratory: String,
}

impl Versioned for TestEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl TestEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no test result of a version known here, or a time cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        check_test_times(event.sampled_at, event.resulted_at)?;
        Ok(event)
    }
}

/// What tables in memory keep of a [`TestEvent`], read without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestOutcome {
    /// Whose test.
    pub person: PersonKey,
    /// When the sample was taken.
    pub sampled_at: UnixSeconds,
    /// The result.
    pub result: TestResult,
}

impl TestOutcome {
    /// Reads and checks a message: takes what [`TestEvent::try_parse`] takes.
    ///
    /// # Errors
    /// Those of [`TestEvent::try_parse`].
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        struct Shape {
            v: u8,
            person: PersonKey,
            sampled_at: UnixSeconds,
            resulted_at: UnixSeconds,
            result: TestResult,
            #[serde(rename = "laboratory")]
            _laboratory: AnyText,
        }

        impl Versioned for Shape {
            fn v(&self) -> u8 {
                self.v
            }
        }

        let Shape { person, sampled_at, resulted_at, result, .. } = read(message)?;
        check_test_times(sampled_at, resulted_at)?;
        Ok(Self { person, sampled_at, result })
    }
}

fn check_test_times(sampled_at: UnixSeconds, resulted_at: UnixSeconds) -> Result<(), EventError> {
    check_time("sampled_at", sampled_at)?;
    check_time("resulted_at", resulted_at)?;
    if resulted_at < sampled_at {
        return Err(EventError::Field { field: "resulted_at", problem: "is before `sampled_at`" });
    }
    Ok(())
}

/// A text that must be there, and is not kept.
struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = AnyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, _: &str) -> Result<AnyText, E> {
                Ok(AnyText)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Each message with each field left out, replaced, or nulled.
    fn broken(message: &Value) -> Vec<Vec<u8>> {
        let mut all = vec![message.to_string().into_bytes(), b"{".to_vec(), b"[]".to_vec()];
        for field in message.as_object().expect("an object").keys() {
            let values = [
                json!(null),
                json!(7),
                json!(2),
                json!("x"),
                json!("a\n\"\u{1F600}"),
                json!({}),
                json!(4_000_000_000u64),
                json!(1_653_000_001),
            ];
            all.extend(values.into_iter().map(|value| {
                let mut message = message.clone();
                message[field] = value;
                message.to_string().into_bytes()
            }));
            let mut without = message.clone();
            without.as_object_mut().expect("an object").remove(field);
            all.push(without.to_string().into_bytes());
        }
        all
    }

    #[test]
    fn what_tables_read_is_what_the_whole_message_says() {
        let health = json!({"v": 1, "person": "1123456789abcdef", "colour": "red", "since": 1_653_000_000,
            "expires_at": 1_653_000_002, "issuer": "CDC", "evidence": "E1", "reason": "contact"});
        for message in broken(&health) {
            let whole = HealthEvent::try_parse(&message).map_err(|error| error.to_string());
            let whole = whole.map(|HealthEvent { person, colour, since, expires_at, .. }| ColourChange {
                person,
                colour,
                since,
                expires_at,
            });
            assert_eq!(ColourChange::try_parse(&message).map_err(|error| error.to_string()), whole);
        }
        let test = json!({"v": 1, "person": "1123456789abcdef", "sampled_at": 1_653_000_000,
            "resulted_at": 1_653_000_002, "result": "negative", "laboratory": "L1"});
        for message in broken(&test) {
            let whole = TestEvent::try_parse(&message).map_err(|error| error.to_string());
            let whole =
                whole.map(|TestEvent { person, sampled_at, result, .. }| TestOutcome { person, sampled_at, result });
            assert_eq!(TestOutcome::try_parse(&message).map_err(|error| error.to_string()), whole);
        }
    }

    #[test]
    fn impossible_times_are_refused_by_field() {
        let health = json!({"v": 1, "person": "1123456789abcdef", "colour": "red", "since": 1_653_000_000,
            "expires_at": 1_653_000_000, "issuer": "CDC", "evidence": "E1", "reason": "contact"});
        let error = HealthEvent::try_parse(health.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "field `expires_at` is not after `since`");
        let test = json!({"v": 1, "person": "1123456789abcdef", "sampled_at": 1_653_000_000,
            "resulted_at": 1_652_000_000, "result": "negative", "laboratory": "L1"});
        let error = TestEvent::try_parse(test.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "field `resulted_at` is before `sampled_at`");
    }
}
