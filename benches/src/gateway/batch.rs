//! A batch of NDJSON lines, with what the sender wants to know again about each of them.

use bytes::Bytes;
use serde::Serialize;

/// Most lines that the gateway takes at once.
pub const MAX_LINES: usize = 10_000;

/// Lines for one request. A tag stays with each line: its number in a file, or whom it is about.
#[derive(Debug, Clone)]
pub struct Batch<T> {
    body: Vec<u8>,
    ends: Vec<usize>,
    tags: Vec<T>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { body: Vec::new(), ends: Vec::new(), tags: Vec::new() }
    }
}

impl<T> Batch<T> {
    /// Adds a line.
    ///
    /// # Errors
    /// When the value does not serialise; the batch is as before.
    pub fn push(&mut self, line: &impl Serialize, tag: T) -> serde_json::Result<()> {
        let before = self.body.len();
        if let Err(error) = serde_json::to_writer(&mut self.body, line) {
            self.body.truncate(before);
            return Err(error);
        }
        self.body.push(b'\n');
        self.ends.push(self.body.len());
        self.tags.push(tag);
        Ok(())
    }

    /// Number of lines.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no line.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The tags, in the order of the lines.
    pub fn tags(&self) -> &[T] {
        &self.tags
    }

    /// The tags, in the order of the lines.
    pub fn into_tags(self) -> Vec<T> {
        self.tags
    }

    /// The NDJSON of some of the lines, given by their indices.
    pub(super) fn select(&self, lines: &[usize]) -> Bytes {
        if lines.len() == self.len() {
            return Bytes::copy_from_slice(&self.body);
        }
        let line = |index: &usize| {
            let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
            self.ends.get(*index).and_then(|end| self.body.get(start..*end)).unwrap_or(&[])
        };
        lines.iter().flat_map(line).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lines_can_be_sent_again() {
        let mut batch = Batch::default();
        for (text, tag) in [("a", 10), ("b", 20), ("c", 30)] {
            batch.push(&text, tag).expect("serialises");
        }
        assert_eq!(batch.select(&[0, 1, 2]), "\"a\"\n\"b\"\n\"c\"\n");
        assert_eq!(batch.select(&[0, 2]), "\"a\"\n\"c\"\n");
        assert_eq!(batch.tags(), [10, 20, 30]);
    }
}
