//! How messages lie in memory and in a segment: each with its length and two checksums in front. Pure.
//!
//! ```text
//! body length u32 | CRC-32 of the body u32 | CRC-32 of these 8 bytes u32 | key length u16 | key | value
//! ```
//!
//! The head has a checksum of its own so that a length can be trusted: only then does a record that goes beyond the
//! end of the file mean that its writing was cut short, rather than that a length has rotted.

use schemas::ScanEvent;
use serde::Serialize;

use crate::error::IngestError;

const HEAD_BYTES: usize = 12;
const KEY_LENGTH_BYTES: usize = 2;
/// Far more than a message has; a length above it is none.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Messages in the layout of the spool; their checksums are set only when they go there.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    last: usize,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Key.
    pub key: &'a [u8],
    /// Value.
    pub value: &'a [u8],
}

/// How the records of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the segment.
    Whole,
    /// In a record whose writing was cut short, which nobody was told of.
    Torn {
        /// Where it begins.
        at: usize,
    },
    /// In bytes that were written and are not what was written.
    Damaged {
        /// Where they begin.
        at: usize,
    },
}

impl Messages {
    /// No messages, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), last: 0 }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`IngestError::Internal`] when the event does not serialise, which no event does.
    pub fn push(&mut self, key: &[u8], event: &impl Serialize) -> Result<(), IngestError> {
        self.put(key, |out| serde_json::to_writer(out, event).map_err(|_| IngestError::Internal))
    }

    /// Adds a scan, with its person as the key.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_scan(&mut self, scan: &ScanEvent) -> Result<(), IngestError> {
        self.put(&scan.person.to_hex(), |out| {
            scan.write_json(out);
            Ok(())
        })
    }

    fn put(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let start = self.bytes.len();
        let key_length = u16::try_from(key.len()).map_err(|_| IngestError::Internal)?;
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        self.bytes.extend_from_slice(&key_length.to_le_bytes());
        self.bytes.extend_from_slice(key);
        let written = write(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start - HEAD_BYTES);
        let (Ok(()), Ok(length)) = (written, length) else {
            self.bytes.truncate(start);
            return Err(IngestError::Internal);
        };
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.last = start;
        Ok(())
    }

    /// The message added last.
    pub fn last(&self) -> Option<Message<'_>> {
        split(self.bytes.get(self.last + HEAD_BYTES..)?)
    }

    /// Takes the message that was added last away again.
    pub fn drop_last(&mut self) {
        self.bytes.truncate(self.last);
    }

    /// Forgets all messages and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
    }

    /// The messages with these numbers, which go up, as records.
    pub fn into_records(mut self, wanted: impl Fn(u32) -> bool) -> Records {
        let (mut kept, mut count, mut number, mut at) = (0, 0, 0, 0);
        while let Some(length) = u32_at(&self.bytes, at) {
            let end = at + HEAD_BYTES + length as usize;
            if wanted(number) {
                set_checksums(&mut self.bytes[at..end]);
                self.bytes.copy_within(at..end, kept);
                kept += end - at;
                count += 1;
            }
            number += 1;
            at = end;
        }
        self.bytes.truncate(kept);
        Records { bytes: self.bytes, count }
    }
}

/// Messages ready to be written.
#[derive(Debug)]
pub struct Records {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub count: usize,
}

/// Reads the records of a segment from `at` on, up to the first that is none, and tells how they end.
pub fn read(segment: &[u8], mut at: usize) -> (Vec<Message<'_>>, End) {
    let mut messages = Vec::new();
    while at < segment.len() {
        match record_at(segment, at) {
            Ok((message, end)) => {
                messages.push(message);
                at = end;
            }
            Err(end) => return (messages, end),
        }
    }
    (messages, End::Whole)
}

fn record_at(segment: &[u8], at: usize) -> Result<(Message<'_>, usize), End> {
    let rest = &segment[at..];
    let Some(head) = rest.get(..HEAD_BYTES) else { return Err(End::Torn { at }) };
    let number = |n: usize| u32_at(head, n).unwrap_or_default();
    let (length, body_checksum) = (number(0) as usize, number(4));
    if number(8) != crc32fast::hash(&head[..8]) || length > MAX_BODY_BYTES {
        // A file that grew on disk before its bytes did is zero there.
        let unwritten = rest.iter().all(|byte| *byte == 0);
        return Err(if unwritten { End::Torn { at } } else { End::Damaged { at } });
    }
    let Some(body) = rest.get(HEAD_BYTES..HEAD_BYTES + length) else { return Err(End::Torn { at }) };
    if crc32fast::hash(body) != body_checksum {
        return Err(End::Damaged { at });
    }
    let message = split(body).ok_or(End::Damaged { at })?;
    Ok((message, at + HEAD_BYTES + length))
}

fn split(body: &[u8]) -> Option<Message<'_>> {
    let (key_length, rest) = body.split_first_chunk::<KEY_LENGTH_BYTES>()?;
    let (key, value) = rest.split_at_checked(u16::from_le_bytes(*key_length).into())?;
    Some(Message { key, value })
}

fn set_checksums(record: &mut [u8]) {
    let body = crc32fast::hash(&record[HEAD_BYTES..]);
    record[4..8].copy_from_slice(&body.to_le_bytes());
    let head = crc32fast::hash(&record[..8]);
    record[8..HEAD_BYTES].copy_from_slice(&head.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages(texts: &[(String, String)]) -> Messages {
        let mut messages = Messages::default();
        for (key, value) in texts {
            messages.push(key.as_bytes(), value).expect("serialises");
        }
        messages
    }

    fn texts() -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::vec(("[0-9a-f]{0,16}", ".{0,40}"), 0..8)
    }

    /// What was read, as texts.
    fn owned(messages: &[Message<'_>]) -> Vec<(String, String)> {
        let key = |m: &Message<'_>| String::from_utf8(m.key.to_vec()).expect("UTF-8");
        messages.iter().map(|m| (key(m), serde_json::from_slice(m.value).expect("JSON"))).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(texts in texts()) {
            let records = messages(&texts).into_records(|_| true);
            let (read, end) = read(&records.bytes, 0);
            prop_assert_eq!((owned(&read), end, records.count), (texts.clone(), End::Whole, texts.len()));
        }

        #[test]
        fn of_some_messages_only_the_wanted_ones_are_kept(texts in texts(), wanted: u8) {
            let wanted = |n: u32| wanted >> n & 1 == 1;
            let records = messages(&texts).into_records(wanted);
            let kept: Vec<_> = (0..).zip(texts).filter(|(n, _)| wanted(*n)).map(|(_, text)| text).collect();
            prop_assert_eq!(owned(&read(&records.bytes, 0).0), kept);
        }

        /// A write that was cut short: what is whole is read, the rest is torn, never damaged.
        #[test]
        fn a_truncated_log_gives_its_whole_records(texts in texts(), cut: prop::sample::Index, zeros in 0usize..40) {
            let records = messages(&texts).into_records(|_| true).bytes;
            let length = cut.index(records.len() + 1);
            let mut torn = records[..length].to_vec();
            let (read_, end) = read(&torn, 0);
            let whole = read_.len();
            prop_assert_eq!(&owned(&read_)[..], &texts[..whole]);
            prop_assert!(!matches!(end, End::Damaged { .. }), "{:?}", end);
            let ends_between_records = matches!(end, End::Whole);
            // The same with the file's length ahead of its bytes, as after a power cut.
            if ends_between_records {
                torn.extend(std::iter::repeat_n(0, zeros));
                let (read_, end) = read(&torn, 0);
                prop_assert_eq!(read_.len(), whole);
                prop_assert_eq!(end, if zeros == 0 { End::Whole } else { End::Torn { at: length } });
            }
        }

        /// Any change of one byte gives the records before it, and says that it is damage.
        #[test]
        fn a_flipped_byte_gives_a_prefix_and_never_another_record(
            texts in texts(), place: prop::sample::Index, flip in 1u8..,
        ) {
            let mut records = messages(&texts).into_records(|_| true).bytes;
            prop_assume!(!records.is_empty());
            let at = place.index(records.len());
            records[at] ^= flip;
            let (read, end) = read(&records, 0);
            let End::Damaged { at: found } = end else { panic!("{end:?}") };
            prop_assert!(found <= at);
            prop_assert!(read.len() < texts.len());
            prop_assert_eq!(&owned(&read)[..], &texts[..read.len()]);
        }
    }
}
