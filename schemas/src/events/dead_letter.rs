//! What could not be processed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message that could not be processed, with where it came from and why. Topic `dead-letters`, key: source
/// topic. The original bytes travel as they were, so that it can be repaired and sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Message version.
    pub v: u8,
    /// Topic that it came from.
    pub topic: String,
    /// Partition that it came from.
    pub partition: i32,
    /// Offset that it came from; topic, partition and offset identify it.
    pub offset: i64,
    /// Why it could not be processed.
    pub reason: String,
    /// When that was found, in seconds since 1970.
    pub found_at: i64,
    /// The original key, hexadecimal.
    pub key_hex: String,
    /// The original value, hexadecimal.
    pub value_hex: String,
}
