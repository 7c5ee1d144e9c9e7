//! State machines over logs: each partition of a topic of commands is folded, in its order, into state and outputs.
//!
//! State and outputs follow from the log alone: no clock, no chance, no look-up. So a partition may be folded again at
//! any time, by anyone, and gives the same. [`runner`] (one partition, step by step) → [`log`] (reading, and how far the
//! outputs are out) → [`outlet`] (messages to Kafka, rows to ClickHouse).
//!
//! Outputs may leave more than once, after a crash or from two instances. Whoever defines a machine makes them such that
//! the second time changes nothing: rows that replace their like, messages with a revision or an identity.

pub mod log;
pub mod outlet;
pub mod runner;

use std::sync::Arc;

use schemas::Erased;
use serde::Serialize;

/// What a partition is folded into.
pub trait Machine {
    /// Whether records of its log expire. Then what has expired is as if it had never been; else a log without its
    /// beginning is not folded.
    const LOG_EXPIRES: bool = false;

    /// Whether what a record does depends on those before it. Else the log is read on from where the outputs are out, and
    /// nothing is folded.
    const REMEMBERS: bool = true;

    /// Whether its records name people. Then it is told who was erased before it applies what came after.
    const OF_PEOPLE: bool = false;

    /// Learns who was erased: at the start, and when there are more. It holds nothing of them any more, and what later
    /// records tell of them from before it leaves out, as if those had expired.
    fn leave_out(&mut self, erased: &Arc<Erased>) {
        let _ = erased;
    }

    /// Applies the next record of the log and says what is to go out because of it.
    ///
    /// # Errors
    /// Why the record cannot be applied, without a word of a person. It changes nothing then, and goes to
    /// `dead-letters`. This too must follow from the log alone.
    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String>;

    /// Messages to send because what lies on other topics is not what this machine has said. Asked once after the log
    /// was read to where the outputs are out (`from_start`), and from time to time after.
    ///
    /// # Errors
    /// When the other topics cannot be read; it is asked again.
    fn amends(&self, from_start: bool) -> anyhow::Result<Vec<Message>> {
        let _ = from_start;
        Ok(Vec::new())
    }

    /// Messages to send because of the time, asked every second; the clock is the caller's. What follows from time must
    /// be a record of the log as well, so that folding it again tells the same; only what is past may be dropped.
    fn due(&mut self, now_ms: i64) -> Vec<Message> {
        let _ = now_ms;
        Vec::new()
    }
}

/// A record of a log.
#[derive(Debug, Clone, Copy)]
pub struct Record<'m> {
    /// Its offset.
    pub offset: u64,
    /// When it came to Kafka, in milliseconds since 1970.
    pub sent_at_ms: i64,
    /// Its key.
    pub key: &'m [u8],
    /// Its value.
    pub value: &'m [u8],
}

/// What is to go out because of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Messages, sent in this order.
    pub messages: Vec<Message>,
    /// Rows.
    pub rows: Vec<Row>,
}

/// A message to another topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Full name of the topic.
    pub topic: String,
    /// Its key.
    pub key: String,
    /// Its value; empty for none: then what the key had is forgotten.
    pub value: Vec<u8>,
    /// When what it tells again came to Kafka, in milliseconds since 1970; without it the message is of when it is sent.
    pub of_ms: Option<i64>,
}

/// A row of a ClickHouse table in which a row that is inserted again replaces its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table.
    pub table: &'static str,
    /// The row as one JSON object.
    pub json: Vec<u8>,
}

impl Message {
    /// A message about something new.
    pub fn new(topic: &str, key: String, event: &impl Serialize) -> Self {
        Self { topic: topic.to_owned(), key, value: json(event), of_ms: None }
    }
}

impl Row {
    /// A row of a table.
    pub fn new(table: &'static str, row: &impl Serialize) -> Self {
        Self { table, json: json(row) }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // A struct of strings and numbers always serialises.
    serde_json::to_vec(value).unwrap_or_default()
}

impl Outputs {
    /// Adds what another record puts out.
    pub fn append(&mut self, mut more: Self) {
        self.messages.append(&mut more.messages);
        self.rows.append(&mut more.rows);
    }

    /// Whether there is nothing to put out.
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.rows.is_empty()
    }
}
