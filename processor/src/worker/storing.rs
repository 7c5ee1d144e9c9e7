//! Storing the messages of a range, whatever ClickHouse makes of it.
//!
//! Each attempt has a record in the ledger. When ClickHouse refuses the rows of one, the next record names only the
//! first half of its messages: since the newest record says how far the partition is, nothing of the rest is passed
//! over, and a crash in the middle goes on from there. A row that is refused alone goes to the dead letters. The record
//! also says how far earlier attempts reached (`tried`), because a table may have taken rows before another one refused
//! them; up to there nothing is sent before what is there has been read back.

use std::{
    borrow::Cow,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use clickhouse::error::Error;
use rdkafka::{Message as _, message::OwnedMessage};
use serde::Serialize;

use super::Worker;
use crate::{
    backoff::Backoff,
    batch::Batch,
    fault::Fault,
    grace::within_grace,
    ledger::{Appended, Claim, Entry},
    machine::{Message, outlet},
    metrics,
    refusal::{Failure, Refusal, told},
    sink::Missing,
    workers::Commit,
};

const STOPPED: &str = "asked to stop before a range was stored; it is in the ledger";

/// What became of one attempt.
enum Outcome {
    /// Every row is in every table once.
    Stored,
    /// ClickHouse will not take these rows together.
    Refused(Refusal),
}

impl Worker<'_> {
    /// Deals with every message from [`Worker::next`] to before `end`: when this returns, each is stored, repeats a
    /// stored scan, or has a dead letter. `entry` is the record of an earlier process, to be completed first.
    pub(super) fn settle(
        &mut self,
        messages: &[OwnedMessage],
        end: u64,
        mut entry: Option<Entry>,
        commit: &Commit,
    ) -> anyhow::Result<()> {
        let first = messages.first().and_then(|message| message.timestamp().to_millis());
        self.shared.progress.reached(self.partition, self.next, first);
        let whole = self.build(messages)?;
        // Before anything is stored, so that no trouble with ClickHouse keeps an alert back, or a lorry's trip. Until a
        // later range is in the ledger, whoever reads this one again sends them again.
        self.announce(&whole)?;
        // How many rows the next attempt takes: halved by a refusal, doubled by a success.
        let mut width = whole.rows.len().max(1);
        while self.next < end {
            let replayed = entry.is_some();
            let part_end = match &entry {
                Some(entry) => entry.record.end,
                None => end_of(&whole, self.next, width).unwrap_or(end).min(end),
            };
            let start = self.next;
            let is_whole = start <= whole.rows.first().map_or(start, |row| row.offset) && part_end == end;
            let part = if is_whole { Cow::Borrowed(&whole) } else { Cow::Owned(whole.part(&(start..part_end))) };
            let attempt = match entry.take() {
                Some(entry) => entry,
                None => self.write_down(&part, part_end)?,
            };
            match self.store(&part, attempt, replayed)? {
                Outcome::Stored => {
                    self.report(&part, part_end);
                    width *= 2;
                }
                Outcome::Refused(refusal) => {
                    self.tried = self.tried.max(part_end);
                    if let [_, _, ..] = part.rows[..] {
                        let (partition, rows, exception) = (self.partition, part.rows.len(), &refusal.exception);
                        tracing::warn!(partition, rows, exception, "rows were refused; looking for the one at fault");
                        width = part.rows.len() / 2;
                        continue;
                    }
                    self.condemn(&part, &whole, messages, &refusal)?;
                    width = 1;
                }
            }
            self.next = part_end;
            self.shared.progress.reached(self.partition, self.next, None);
            commit(self.partition, self.next);
        }
        self.shared.progress.reached(
            self.partition,
            self.next,
            messages.last().and_then(|m| m.timestamp().to_millis()),
        );
        Ok(())
    }

    /// Sends what a batch means for districts and lorries, and waits until Kafka has it.
    fn announce(&self, batch: &Batch) -> anyhow::Result<()> {
        let topics = self.shared.kafka.topics();
        let alerts = batch.alerts.iter().map(|alert| message(&topics.alerts, alert.district.to_string(), alert));
        let trips = batch.trips.iter().map(|event| message(&topics.trips, event.vehicle.to_string(), event));
        let messages = alerts.chain(trips).collect::<anyhow::Result<Vec<_>>>()?;
        if messages.is_empty() {
            return Ok(());
        }
        let sent = self.shared.runtime.block_on(outlet::send(&self.shared.producer, &messages));
        sent.context("cannot send alerts and trips")?;
        ::metrics::counter!(metrics::ALERTS_RAISED).increment(batch.alerts.len() as u64);
        Ok(())
    }

    /// Writes the messages from [`Worker::next`] to before `end` down as the next attempt.
    fn write_down(&mut self, part: &Batch, end: u64) -> anyhow::Result<Entry> {
        let start = self.next;
        let repair = start < self.tried && self.is_partly_stored(part)?;
        self.append(Claim { start, end, repair, tried: self.tried })
    }

    fn append(&mut self, claim: Claim) -> anyhow::Result<Entry> {
        match self.shared.runtime.block_on(self.ledger.append(self.stream, claim))? {
            Appended::Won(entry) => Ok(entry),
            Appended::Lost => bail!("the ledger moved on"),
        }
    }

    fn is_partly_stored(&self, part: &Batch) -> anyhow::Result<bool> {
        let missing = self.read_back(part)?;
        let untouched = missing.len() == schemas::ddl::SCAN_TABLES.len()
            && missing.iter().all(|table| table.offsets.len() == part.rows.len());
        Ok(!part.rows.is_empty() && !untouched)
    }

    /// Makes one attempt and returns when every row of it is in every table once, or ClickHouse has refused it. Tries
    /// for ever: until then the partition does not move.
    fn store(&mut self, part: &Batch, mut entry: Entry, replayed: bool) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        // Whoever wrote the record before this process may have stored all, some or none of it.
        let mut unclear = replayed || entry.record.repair;
        if !entry.record.repair {
            let token = entry.token();
            if let Some(refusal) = self.insist(&mut unclear, || self.shared.sink.insert(part, &token))? {
                return Ok(Outcome::Refused(refusal));
            }
        }
        // A record of repairs has a token of its own that was not used yet, or only for the same rows.
        let mut has_token = entry.record.repair;
        while unclear && self.shared.fault != Some(Fault::ReadBackLeftOut) {
            let missing = self.read_back(part)?;
            if missing.is_empty() {
                break;
            }
            if !has_token {
                let Claim { start, end, tried, .. } = claim_of(&entry);
                entry = self.append(Claim { start, end, repair: true, tried })?;
            }
            has_token = false;
            let token = entry.token();
            for missing in &missing {
                if let Some(refusal) =
                    self.insist(&mut unclear, || self.shared.sink.insert_missing(part, missing, &token))?
                {
                    return Ok(Outcome::Refused(refusal));
                }
                let (partition, table, rows) = (self.partition, missing.table, missing.offsets.len());
                tracing::warn!(partition, table, rows, "rows were missing and have been stored again");
                ::metrics::counter!(metrics::REPAIRED, "table" => table).increment(rows as u64);
            }
        }
        ::metrics::histogram!(metrics::STORE_SECONDS).record(started.elapsed().as_secs_f64());
        Ok(Outcome::Stored)
    }

    /// Sends the same bytes under the same token until they are acknowledged or refused.
    fn insist<F: Future<Output = Result<(), Error>>>(
        &self,
        unclear: &mut bool,
        insert: impl Fn() -> F,
    ) -> anyhow::Result<Option<Refusal>> {
        let mut backoff = Backoff::default();
        loop {
            match self.in_grace(insert())?.map_err(Failure::from) {
                Ok(()) => {
                    self.shared.progress.unblocked(self.partition);
                    return Ok(None);
                }
                Err(Failure::Refused(refusal)) => {
                    self.shared.progress.unblocked(self.partition);
                    return Ok(Some(refusal));
                }
                Err(Failure::Unclear { error }) => {
                    *unclear = true;
                    self.wait(&mut backoff, &error)?;
                }
            }
        }
    }

    /// Asks until ClickHouse tells which rows are missing where.
    fn read_back(&self, part: &Batch) -> anyhow::Result<Vec<Missing>> {
        self.ask(|| self.shared.sink.find_missing(part, self.stream))
    }

    fn ask<T, F: Future<Output = Result<T, Error>>>(&self, question: impl Fn() -> F) -> anyhow::Result<T> {
        let mut backoff = Backoff::default();
        loop {
            match self.in_grace(question())? {
                Ok(answer) => return Ok(answer),
                Err(error) => self.wait(&mut backoff, &told(error))?,
            }
        }
    }

    fn wait(&self, backoff: &mut Backoff, error: &str) -> anyhow::Result<()> {
        self.shared.progress.blocked(self.partition);
        ::metrics::counter!(metrics::RETRIES).increment(1);
        tracing::warn!(partition = self.partition, error, "cannot store a batch yet; trying again");
        backoff.wait(self.stop);
        ensure!(!self.stop.is_cancelled(), STOPPED);
        Ok(())
    }

    fn in_grace<T>(&self, work: impl Future<Output = T>) -> anyhow::Result<T> {
        self.shared.runtime.block_on(within_grace(self.stop, work)).context(STOPPED)
    }

    /// Sends the one row of an attempt to the dead letters, and with it those that repeat it.
    ///
    /// First it is removed from the tables that took it, then the letter is written: a letter means that nothing of the
    /// row is stored, and until there is one the row is tried again.
    fn condemn(
        &mut self,
        part: &Batch,
        whole: &Batch,
        messages: &[OwnedMessage],
        refusal: &Refusal,
    ) -> anyhow::Result<()> {
        let row = part.rows.first().context("a refused attempt has no row")?;
        self.ask(|| self.shared.sink.remove(self.stream, row.offset))?;
        let reason = format!("refused by {}", refusal.exception);
        self.bury_at(messages, row.offset, &reason, Some(&refusal.words))?;
        ::metrics::counter!(metrics::REFUSED).increment(1);
        self.recent.forget(row.event_id, row.offset);
        for repetition in whole.repetitions.iter().filter(|repetition| repetition.of == row.offset) {
            let reason = format!("repeats the scan at offset {}, {reason}", row.offset);
            self.bury_at(messages, repetition.offset, &reason, None)?;
        }
        Ok(())
    }

    fn bury_at(
        &self,
        messages: &[OwnedMessage],
        offset: u64,
        reason: &str,
        details: Option<&str>,
    ) -> anyhow::Result<()> {
        let message = messages.iter().find(|message| u64::try_from(message.offset()) == Ok(offset));
        self.bury(message.context("a dead letter has no message")?, reason, details)
    }

    fn report(&self, part: &Batch, end: u64) {
        ::metrics::counter!(metrics::STORED).increment(part.rows.len() as u64);
        ::metrics::counter!(metrics::REPEATED).increment(part.repetitions.len() as u64);
        if let Some(accepted_at_ms) = part.oldest_accepted_at_ms() {
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
            ::metrics::histogram!(metrics::FRESHNESS_SECONDS).record((now_ms - accepted_at_ms) as f64 / 1000.0);
        }
        let (rows, repeated, invalid) = (part.rows.len(), part.repetitions.len(), part.invalid.len());
        tracing::debug!(partition = self.partition, rows, repeated, invalid, end, "stored a batch");
    }
}

/// Offset behind the messages of an attempt that takes `width` rows from `start` on; `None` when it takes all there are.
fn end_of(whole: &Batch, start: u64, width: usize) -> Option<u64> {
    let mut rows = whole.rows.iter().map(|row| row.offset).filter(|offset| *offset >= start);
    rows.nth(width)
}

fn message(topic: &str, key: String, event: &impl Serialize) -> anyhow::Result<Message> {
    Ok(Message { topic: topic.to_owned(), key, value: serde_json::to_vec(event)?, of_ms: None })
}

fn claim_of(entry: &Entry) -> Claim {
    let record = &entry.record;
    Claim { start: record.start, end: record.end, repair: record.repair, tried: record.tried }
}
