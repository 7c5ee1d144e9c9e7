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

/// A note that a dead letter was sent back to where it came from. Topic `dead-letters`, key: source topic; the letter
/// itself stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterReplay {
    /// Message version.
    pub v: u8,
    /// Offset of the letter on `dead-letters`.
    pub replay_of: i64,
    /// Topic that it was sent to.
    pub topic: String,
    /// Partition that it was sent to.
    pub partition: i32,
    /// Offset that it has there.
    pub offset: i64,
    /// Whether its value was corrected first.
    pub corrected: bool,
    /// When, in seconds since 1970.
    pub replayed_at: i64,
}

/// What a message on `dead-letters` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DeadLetterRecord {
    /// A letter.
    Letter(DeadLetter),
    /// A note on one.
    Replay(DeadLetterReplay),
}

/// Header of a message that was sent back: the topic of dead letters, its partition and the letter's offset, as
/// `TOPIC/PARTITION/OFFSET`.
pub const REPLAY_HEADER: &str = "venuecode-replay-of";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_and_a_note_on_it_are_told_apart() {
        let (topic, key_hex, value_hex) = ("scans".to_owned(), String::new(), "7b".to_owned());
        let reason = "not a message of this topic".to_owned();
        let letter = DeadLetter { v: 1, topic, partition: 0, offset: 7, reason, found_at: 9, key_hex, value_hex };
        let topic = "scans".to_owned();
        let replay =
            DeadLetterReplay { v: 1, replay_of: 3, topic, partition: 0, offset: 8, corrected: true, replayed_at: 10 };
        for record in [DeadLetterRecord::Letter(letter), DeadLetterRecord::Replay(replay)] {
            let bytes = serde_json::to_vec(&record).expect("serialises");
            assert_eq!(serde_json::from_slice::<DeadLetterRecord>(&bytes).expect("reads"), record);
        }
    }
}
