//! Health-code changes and test results, as the authority's feeds send them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        check_time("since", event.since)?;
        if let Some(expires_at) = event.expires_at {
            check_time("expires_at", expires_at)?;
            if expires_at <= event.since {
                return Err(EventError::Field { field: "expires_at", problem: "is not after `since`" });
            }
        }
        Ok(event)
    }
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
        check_time("sampled_at", event.sampled_at)?;
        check_time("resulted_at", event.resulted_at)?;
        if event.resulted_at < event.sampled_at {
            return Err(EventError::Field { field: "resulted_at", problem: "is before `sampled_at`" });
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
