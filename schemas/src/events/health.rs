//! Health-code changes and test results, as the authority's feeds send them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

use uuid::Uuid;

use super::{EventError, Versioned, check_time, read};
use crate::{Colour, PersonKey, TestResult, UnixSeconds};

/// A colour and when it is in force.
///
/// Of two changes of a person the one with the greater [`Colouring::rank`] counts, so that the same changes lead to the
/// same colour in whatever order they come and however often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Colouring {
    /// The colour.
    pub colour: Colour,
    /// From when it is in force.
    pub since: UnixSeconds,
    /// Until when; without it, until the next change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixSeconds>,
}

impl Colouring {
    /// The later start counts; of two with the same start the graver colour, then the later end.
    pub fn rank(&self) -> (UnixSeconds, Colour, UnixSeconds) {
        (self.since, self.colour, self.expires_at.unwrap_or(UnixSeconds::MAX))
    }
}

/// A test's result and when it was sampled. Of two tests of a person the one with the greater [`Sampling::rank`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sampling {
    /// When the sample was taken.
    pub sampled_at: UnixSeconds,
    /// The result.
    pub result: TestResult,
}

impl Sampling {
    /// The later sample counts; of two that were taken at the same time, the positive one.
    pub const fn rank(&self) -> (UnixSeconds, TestResult) {
        (self.sampled_at, self.result)
    }
}

/// Who let a bulk change happen that another account had made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// The bulk change.
    pub proposal: Uuid,
    /// Account that released it (`sub` of the token); never the one that sent it.
    pub by: String,
}

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
    /// Account that sent it (`sub` of the token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<String>,
    /// Who let it happen, when it was part of a bulk change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The change that counts, when that is an earlier message of the topic: compaction keeps this one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Colouring>,
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
        event.check()?;
        Ok(event)
    }

    /// Checks its times.
    pub(super) fn check(&self) -> Result<(), EventError> {
        check_colouring(self.colouring())?;
        self.newest.map_or(Ok(()), check_colouring)
    }

    /// The change itself.
    pub const fn colouring(&self) -> Colouring {
        Colouring { colour: self.colour, since: self.since, expires_at: self.expires_at }
    }

    /// The change that counts of those that the message tells of.
    pub fn counting(&self) -> Colouring {
        counting(self.colouring(), self.newest, Colouring::rank)
    }
}

/// What tables in memory keep of a [`HealthEvent`]: the change that counts of those that it tells of. Reading it takes
/// no allocation: a gateway that starts reads one for each person of the city.
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
            #[serde(rename = "sent_by", default)]
            _sent_by: Option<AnyText>,
            #[serde(rename = "release", default)]
            _release: Option<AnyRelease>,
            #[serde(default)]
            newest: Option<Colouring>,
        }

        #[derive(Deserialize)]
        struct AnyRelease {
            #[serde(rename = "proposal")]
            _proposal: Uuid,
            #[serde(rename = "by")]
            _by: AnyText,
        }

        impl Versioned for Shape {
            fn v(&self) -> u8 {
                self.v
            }
        }

        let Shape { person, colour, since, expires_at, newest, .. } = read(message)?;
        let own = Colouring { colour, since, expires_at };
        check_colouring(own)?;
        newest.map_or(Ok(()), check_colouring)?;
        let Colouring { colour, since, expires_at } = counting(own, newest, Colouring::rank);
        Ok(Self { person, colour, since, expires_at })
    }
}

/// The one of two that counts.
fn counting<T, R: Ord>(own: T, newest: Option<T>, rank: impl Fn(&T) -> R) -> T {
    match newest {
        Some(newest) if rank(&newest) > rank(&own) => newest,
        _ => own,
    }
}

fn check_colouring(Colouring { since, expires_at, .. }: Colouring) -> Result<(), EventError> {
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
    /// Account that sent it (`sub` of the token).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<String>,
    /// The test that counts, when that is an earlier message of the topic: compaction keeps this one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Sampling>,
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
        event.newest.map_or(Ok(()), |newest| check_time("newest", newest.sampled_at))?;
        Ok(event)
    }

    /// The test itself.
    pub const fn sampling(&self) -> Sampling {
        Sampling { sampled_at: self.sampled_at, result: self.result }
    }

    /// The test that counts of those that the message tells of.
    pub fn counting(&self) -> Sampling {
        counting(self.sampling(), self.newest, Sampling::rank)
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
            #[serde(rename = "sent_by", default)]
            _sent_by: Option<AnyText>,
            #[serde(default)]
            newest: Option<Sampling>,
        }

        impl Versioned for Shape {
            fn v(&self) -> u8 {
                self.v
            }
        }

        let Shape { person, sampled_at, resulted_at, result, newest, .. } = read(message)?;
        check_test_times(sampled_at, resulted_at)?;
        newest.map_or(Ok(()), |newest| check_time("newest", newest.sampled_at))?;
        let Sampling { sampled_at, result } = counting(Sampling { sampled_at, result }, newest, Sampling::rank);
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
mod tests;
