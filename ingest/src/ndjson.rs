//! Batches: one JSON object per line, each with an outcome of its own; a broken line does not stop the others.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde::Serialize;
use service::{Problem, access::Subject};
use utoipa::ToSchema;

use crate::{error::IngestError, keep::Keeping, spool::Messages, state::Gateway, tables::Table};

/// Most lines of a batch, blank ones not counted.
pub const MAX_LINES: usize = 10_000;
/// So many lines are kept together.
const LINES_PER_PART: usize = 1_000;
/// After so many lines other requests get their turn.
pub const LINES_PER_TURN: usize = 256;
/// How long a batch may wait for room, all in all.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);
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
#[serde(untagged)]
#[cfg_attr(not(test), expect(dead_code, reason = "only describes what is written by hand"))]
enum LineAnswer<T> {
    /// It was accepted.
    Accepted(AcceptedLine<T>),
    /// It was not.
    Rejected(RejectedLine),
}

/// An accepted line.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedLine<T> {
    /// Its number in the body, from 1; blank lines are counted, but have no outcome.
    line: usize,
    /// What became of it.
    #[serde(flatten)]
    receipt: T,
}

/// A rejected line.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedLine {
    /// Its number in the body, from 1.
    line: usize,
    /// Why.
    problem: Problem,
}

/// What an accepted line is answered with.
pub trait Receipt {
    /// Writes its fields, with commas between.
    fn write(&self, out: &mut Vec<u8>);
}

/// A batch of which each line has its outcome, with its number.
pub struct Finished<R>(pub Vec<(usize, Result<R, IngestError>)>);

/// The lines of a body that are not blank, with their numbers.
pub fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    let mut start = 0;
    let split = std::iter::from_fn(move || {
        let end = ends.next()?;
        let line = &body[start..end];
        start = end + 1;
        Some(line)
    });
    let numbered = split.enumerate();
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

/// Reads each line with `take` and keeps the message that it makes; with a table, waits also until that has them, so
/// that whoever loads a venue can scan its code at once.
///
/// The lines go on in parts, each when there is room for it: scans at a door come first. What finds none in time is
/// rejected, to be sent again.
pub async fn take_lines<'g, R>(
    gateway: &'g Gateway,
    client: &Subject,
    body: &[u8],
    begin: impl Fn(usize) -> Keeping<'g>,
    mut take: impl FnMut(&[u8], &mut Messages) -> Result<R, IngestError>,
    table: Option<Table>,
) -> Finished<R> {
    let (mut outcomes, mut last) = (Vec::new(), Vec::new());
    let mut lines = lines(body).peekable();
    let deadline = Instant::now() + ROOM_PATIENCE;
    while lines.peek().is_some() {
        let part: Vec<_> = lines.by_ref().take(LINES_PER_PART).collect();
        let Some(permit) = gateway.admission.wait_for_room(client, part.len(), deadline).await else {
            outcomes.extend(part.iter().map(|(number, _)| (*number, Err(IngestError::Overloaded))));
            continue;
        };
        let mut keeping = begin(part.len());
        let first = outcomes.len();
        outcomes.reserve(part.len());
        for (at, (number, line)) in part.into_iter().enumerate() {
            if at % LINES_PER_TURN == LINES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let taken = take(line, keeping.blank()).and_then(|receipt| keeping.send().map(|()| receipt));
            outcomes.push((number, taken));
        }
        let kept = keeping.kept().await;
        permit.batch_kept();
        last.extend(kept.last);
        if let Some((failed, error)) = kept.failed {
            // The messages are those of the lines that were taken, in the same order.
            let taken = (0u32..).zip(outcomes[first..].iter_mut().filter(|(_, outcome)| outcome.is_ok()));
            for (_, (_, outcome)) in taken.filter(|(number, _)| failed.binary_search(number).is_ok()) {
                *outcome = Err(error.clone());
            }
        }
    }
    if let Some(table) = table
        && !gateway.tables.seen.wait(table, &last, TABLE_PATIENCE).await
    {
        tracing::warn!(?table, "the table is behind: what was just stored will be known a little later");
    }
    Finished(outcomes)
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
            out.extend_from_slice(comma.as_bytes());
            out.extend_from_slice(b"{\"line\":");
            let _ = serde_json::to_writer(&mut out, number);
            out.push(b',');
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
                LineAnswer::Accepted(AcceptedLine { line: 1, receipt: Number { number: 5 } }),
                LineAnswer::Rejected(RejectedLine { line: 3, problem: rejected.problem() }),
                LineAnswer::Accepted(AcceptedLine { line: 4, receipt: Number { number: 6 } }),
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
