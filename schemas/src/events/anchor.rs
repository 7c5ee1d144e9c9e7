//! Anchors of the audit log: how far each of its chains was, told to Kafka, where nobody who can write to ClickHouse can
//! take it back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, VERSION, Versioned, check_time, read};

/// How far a chain was. Topic `audit-anchors`, key: chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditAnchor {
    /// Message version.
    pub v: u8,
    /// The chain.
    pub chain: Uuid,
    /// Number of its last entry.
    pub sequence: u64,
    /// Hash of that entry.
    pub hash: String,
    /// When this was seen, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Versioned for AuditAnchor {
    fn v(&self) -> u8 {
        self.v
    }
}

impl AuditAnchor {
    /// The last entry of a chain, as seen at a time.
    pub const fn new(chain: Uuid, sequence: u64, hash: String, at_ms: i64) -> Self {
        Self { v: VERSION, chain, sequence, hash, at_ms }
    }

    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no anchor of a version known here, or its time cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let anchor: Self = read(message)?;
        check_time("at_ms", anchor.at_ms / 1000)?;
        Ok(anchor)
    }
}
