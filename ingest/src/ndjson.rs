//! Batches: one JSON object per line, each with an outcome of its own; a broken line does not stop the others.

use std::{io::Write, time::Duration};

use serde::Serialize;
use service::Problem;
use utoipa::ToSchema;

use crate::{
    error::IngestError,
    producer::{Producer, Sending},
    tables::{Table, Tables},
};

/// Most lines of a batch, blank ones not counted.
pub const MAX_LINES: usize = 10_000;
/// After so many lines other requests get their turn.
const LINES_PER_TURN: usize = 256;
/// How long the answer of a feed waits for the tables to have what it stored; then it is sent without.
const TABLE_PATIENCE: Duration = Duration::from_secs(1);

/// What a batch is answered with. [`Finished::answer`] writes it by hand; this describes it in the API document.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer<T> {
    /// Lines that were accepted.
    accepted: usize,
    /// Lines that were not.
    rejected: usize,
    /// The outcome of each line, in the order of the lines.
    lines: Vec<LineAnswer<T>>,
}

/// The outcome of one line.
#[derive(Debug, Serialize, ToSchema)]
struct LineAnswer<T> {
    /// Its number in the body, from 1; blank lines are counted, but have no outcome.
    line: usize,
    /// Of an accepted line.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    accepted: Option<T>,
    /// Of a rejected line.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What an accepted line is answered with.
pub trait Receipt {
    /// Writes its fields, with commas between.
    fn write(&self, out: &mut Vec<u8>);
}

/// One message as a line makes it; reused from line to line.
#[derive(Debug, Default)]
pub struct Message {
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub payload: Vec<u8>,
}

impl Message {
    /// Sets the message.
    ///
    /// # Errors
    /// [`IngestError::Internal`] when the event does not serialise, which no event does.
    pub fn set(&mut self, key: &[u8], event: &impl Serialize) -> Result<(), IngestError> {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.payload.clear();
        serde_json::to_writer(&mut self.payload, event).map_err(|_| IngestError::Internal)
    }
}

/// A batch on its way.
pub struct Batch<'p, R> {
    sending: Sending<'p>,
    topic: &'p str,
    outcomes: Vec<(usize, Result<R, IngestError>)>,
    message: Message,
}

/// A batch of which each line has its outcome.
pub struct Finished<R>(Vec<(usize, Result<R, IngestError>)>);

/// The lines of a body that are not blank, with their numbers.
pub fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = body.split(|byte| *byte == b'\n').enumerate();
    numbered.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(at, line)| (at + 1, line))
}

/// Counts the lines that are not blank.
///
/// # Errors
/// [`IngestError::TooManyLines`].
pub fn count_lines(body: &[u8]) -> Result<usize, IngestError> {
    let count = lines(body).take(MAX_LINES + 1).count();
    if count > MAX_LINES { Err(IngestError::TooManyLines { limit: MAX_LINES }) } else { Ok(count) }
}

impl<'p, R: Receipt> Batch<'p, R> {
    /// Begins a batch of messages to one topic.
    pub fn begin(producer: &'p Producer, topic: &'p str, line_count: usize) -> Self {
        let outcomes = Vec::with_capacity(line_count);
        Self { sending: producer.begin(), topic, outcomes, message: Message::default() }
    }

    /// Reads each line with `take` and sends the message that it makes.
    pub async fn send(&mut self, body: &[u8], mut take: impl FnMut(&[u8], &mut Message) -> Result<R, IngestError>) {
        for (number, line) in lines(body) {
            let index = self.outcomes.len();
            if index % LINES_PER_TURN == LINES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let taken = take(line, &mut self.message).and_then(|receipt| {
                let Message { key, payload } = &self.message;
                // At most MAX_LINES of them.
                self.sending.send(self.topic, key, payload, index as u32).map(|()| receipt)
            });
            self.outcomes.push((number, taken));
        }
    }

    /// Waits for the acknowledgements; with a table, also until it has the messages, so that whoever loads a
    /// venue can scan its code at once.
    pub async fn finish(self, table: Option<(&Tables, Table)>) -> Finished<R> {
        let mut outcomes = self.outcomes;
        let sent = self.sending.finished().await;
        for index in sent.failed {
            if let Some((_, outcome)) = outcomes.get_mut(index as usize) {
                *outcome = Err(IngestError::KafkaUnavailable);
            }
        }
        if let Some((tables, table)) = table
            && !tables.seen.wait(table, &sent.last, TABLE_PATIENCE).await
        {
            tracing::warn!(?table, "the table is behind: what was just stored will be known a little later");
        }
        Finished(outcomes)
    }
}

impl<R: Receipt> Finished<R> {
    /// The receipts of the accepted lines.
    pub fn receipts(&self) -> impl Iterator<Item = &R> {
        self.0.iter().filter_map(|(_, outcome)| outcome.as_ref().ok())
    }

    /// How many lines were rejected.
    pub fn rejected(&self) -> usize {
        self.0.iter().filter(|(_, outcome)| outcome.is_err()).count()
    }

    /// The answer, as [`BatchAnswer`] describes it.
    pub fn answer(&self) -> Vec<u8> {
        const BYTES_PER_LINE: usize = 112;
        let rejected = self.rejected();
        let mut out = Vec::with_capacity(64 + self.0.len() * BYTES_PER_LINE);
        let accepted = self.0.len() - rejected;
        // Writing to a vector does not fail.
        let _ = write!(out, "{{\"accepted\":{accepted},\"rejected\":{rejected},\"lines\":[");
        for (at, (number, outcome)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(out, "{comma}{{\"line\":{number},");
            match outcome {
                Ok(receipt) => receipt.write(&mut out),
                Err(error) => {
                    out.extend_from_slice(b"\"problem\":");
                    // A struct of strings and numbers always serialises.
                    let _ = serde_json::to_writer(&mut out, &error.problem());
                }
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Number {
        number: u8,
    }

    impl Receipt for Number {
        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(format!("\"number\":{}", self.number).as_bytes());
        }
    }

    #[test]
    fn the_answer_written_by_hand_is_the_one_described() {
        let rejected = IngestError::UnknownVenue { field: "code" };
        let described = BatchAnswer {
            accepted: 2,
            rejected: 1,
            lines: vec![
                LineAnswer { line: 1, accepted: Some(Number { number: 5 }), problem: None },
                LineAnswer { line: 3, accepted: None, problem: Some(rejected.problem()) },
                LineAnswer { line: 4, accepted: Some(Number { number: 6 }), problem: None },
            ],
        };
        let finished = Finished(vec![(1, Ok(Number { number: 5 })), (3, Err(rejected)), (4, Ok(Number { number: 6 }))]);
        let written: serde_json::Value = serde_json::from_slice(&finished.answer()).expect("JSON");
        assert_eq!(written, serde_json::to_value(&described).expect("serialises"));
        assert_eq!(finished.receipts().map(|r| r.number).collect::<Vec<_>>(), [5, 6]);
        let none = Finished::<Number>(Vec::new()).answer();
        assert_eq!(none, br#"{"accepted":0,"rejected":0,"lines":[]}"#);
    }

    #[test]
    fn blank_lines_are_numbered_but_not_taken() {
        let body = b"{}\n\r\n  \n{ }\r\n";
        let lines: Vec<_> = lines(body).map(|(number, line)| (number, line.trim_ascii())).collect();
        assert_eq!(lines, [(1, b"{}".as_slice()), (4, b"{ }".as_slice())]);
        assert_eq!(count_lines(body), Ok(2));
        assert_eq!(count_lines(&b"x\n".repeat(MAX_LINES)), Ok(MAX_LINES));
        assert_eq!(count_lines(&b"x\n".repeat(MAX_LINES + 1)), Err(IngestError::TooManyLines { limit: MAX_LINES }));
    }
}
