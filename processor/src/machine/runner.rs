//! One partition of a machine: folded from its first record, with outputs from where none have left.
//!
//! A thread of straight-line steps: gather, fold, put out, note. Outputs that cannot leave are kept and tried again, and
//! nothing else moves, so no record is ever passed over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::metrics::Gauge;
use anyhow::{Context, ensure};
use rdkafka::{Message as _, message::OwnedMessage};
use schemas::Erased;
use service::{ErasedPeople, KafkaConfig, clock::now_ms, kafka::is_emptied};
use tokio_util::sync::CancellationToken;

use super::{Machine, Outputs, Record, log::Log, outlet::Outlet};
use crate::{
    backoff::Backoff,
    dead_letters::{DeadLetters, Rejected},
    grace::within_grace,
    metrics,
    workers::Commit,
};

/// How long a gathering waits for a record.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often a machine is asked for amends, and for what is due.
const AMENDS_EVERY: Duration = Duration::from_secs(1);

/// What the partitions of a machine share.
pub struct Shared {
    /// Name of the machine, as metrics and logs have it.
    pub name: &'static str,
    /// Kafka.
    pub kafka: KafkaConfig,
    /// Full name of the topic that is folded.
    pub topic: String,
    /// Where outputs leave.
    pub outlet: Outlet,
    /// What cannot be applied.
    pub dead_letters: Arc<DeadLetters>,
    /// Who was erased.
    pub erased: Arc<ErasedPeople>,
    /// Where sending runs.
    pub runtime: tokio::runtime::Handle,
}

/// Runs a partition until `stop`; what goes wrong on the way there is tried again from the first record.
pub fn run<M: Machine>(
    shared: &Shared,
    partition: i32,
    machine: impl Fn() -> M,
    commit: &Commit,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::default();
    // Also a start that does not come to an end is to be noticed.
    turned_at(shared, partition).set(now_ms() as f64 / 1000.0);
    while !stop.is_cancelled() {
        let result = Runner::start(shared, partition, machine(), stop)
            .and_then(|runner| runner.map_or(Ok(()), |mut runner| runner.run(commit)));
        if let Err(error) = result {
            let (machine, error) = (shared.name, format!("{error:#}"));
            tracing::warn!(machine, partition, error, "cannot fold a log yet; beginning again");
            held_up(shared, partition).set(1);
            backoff.wait(stop);
        }
    }
    turned_at(shared, partition).set(0);
}

fn turned_at(shared: &Shared, partition: i32) -> Gauge {
    ::metrics::gauge!(metrics::TURNED_AT, "machine" => shared.name, "partition" => partition.to_string())
}

fn held_up(shared: &Shared, partition: i32) -> Gauge {
    ::metrics::gauge!(metrics::HELD_UP, "machine" => shared.name, "partition" => partition.to_string())
}

struct Runner<'a, M> {
    shared: &'a Shared,
    partition: i32,
    machine: M,
    log: Log,
    /// Was read while the log was folded, and its outputs are not out: those between are gone.
    ahead: Option<OwnedMessage>,
    /// Those whom the machine knows to be erased.
    erased: Arc<Erased>,
    stop: &'a CancellationToken,
}

impl<'a, M: Machine> Runner<'a, M> {
    /// Folds what has been put out already; `None` when asked to stop before.
    fn start(
        shared: &'a Shared,
        partition: i32,
        machine: M,
        stop: &'a CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let started = Instant::now();
        let (log, done) = Log::open::<M>(&shared.kafka, &shared.topic, partition)?;
        let erased = service::erased::nobody();
        let mut runner = Self { shared, partition, machine, log, ahead: None, erased, stop };
        if M::OF_PEOPLE {
            runner.tell_erased(shared.erased.catch_up()?);
        }
        while runner.log.next() < done {
            if stop.is_cancelled() {
                return Ok(None);
            }
            for record in runner.log.gather(PATIENCE, Some(done)) {
                if record.offset() >= done {
                    ensure!(M::LOG_EXPIRES, "records of the log expired while it was read");
                    runner.ahead = Some(record);
                    break;
                }
                // What could not be applied had its letter before this was noted as done.
                let _ = runner.apply(&record)?;
            }
        }
        let (machine, elapsed_ms) = (shared.name, started.elapsed().as_millis());
        tracing::info!(machine, partition, records = done, elapsed_ms, "folded a log");
        held_up(shared, partition).set(0);
        Ok(Some(runner))
    }

    fn run(&mut self, commit: &Commit) -> anyhow::Result<()> {
        let (mut amended, mut from_start) = (Instant::now(), true);
        let turned_at = turned_at(self.shared, self.partition);
        while !self.stop.is_cancelled() {
            let ahead: Vec<_> = self.ahead.take().into_iter().collect();
            let records = if ahead.is_empty() { self.log.gather(PATIENCE, None) } else { ahead };
            if !records.is_empty() && self.know_erased() {
                self.step(&records, commit)?;
            }
            if from_start || amended.elapsed() >= AMENDS_EVERY {
                match self.machine.amends(from_start) {
                    Ok(messages) => from_start &= !self.put(&Outputs { messages, rows: Vec::new() }),
                    Err(error) => {
                        let (machine, error) = (self.shared.name, format!("{error:#}"));
                        tracing::warn!(machine, error, "cannot look for what to amend yet");
                    }
                }
                let messages = self.machine.due(now_ms());
                self.put(&Outputs { messages, rows: Vec::new() });
                amended = Instant::now();
                turned_at.set(now_ms() as f64 / 1000.0);
            }
            self.log.keep_noted();
        }
        Ok(())
    }

    /// Learns who was erased by now, however long that takes: what is applied then came before or leaves them out. `false`
    /// when it was asked to stop.
    fn know_erased(&mut self) -> bool {
        let mut backoff = Backoff::default();
        while M::OF_PEOPLE && !self.stop.is_cancelled() {
            match self.shared.erased.catch_up() {
                Ok(erased) => {
                    self.tell_erased(erased);
                    return true;
                }
                Err(error) => {
                    let (machine, error) = (self.shared.name, format!("{error:#}"));
                    tracing::warn!(machine, error, "cannot read who was erased yet; trying again");
                }
            }
            backoff.wait(self.stop);
        }
        !M::OF_PEOPLE
    }

    fn tell_erased(&mut self, erased: Arc<Erased>) {
        if !Arc::ptr_eq(&self.erased, &erased) {
            self.machine.leave_out(&erased);
            self.erased = erased;
        }
    }

    /// Folds records and puts their outputs out.
    fn step(&mut self, records: &[OwnedMessage], commit: &Commit) -> anyhow::Result<()> {
        let mut outputs = Outputs::default();
        for record in records {
            match self.apply(record)? {
                Ok(more) => outputs.append(more),
                Err(reason) => self.bury(record, &reason)?,
            }
        }
        if self.put(&outputs) {
            self.log.note_done();
            commit(self.partition, u64::try_from(self.log.next())?);
            ::metrics::counter!(metrics::FOLDED, "machine" => self.shared.name).increment(records.len() as u64);
        }
        Ok(())
    }

    fn apply(&mut self, record: &OwnedMessage) -> anyhow::Result<Result<Outputs, String>> {
        let offset = u64::try_from(record.offset()).context("a record without an offset")?;
        if is_emptied(record) {
            return Ok(Ok(Outputs::default()));
        }
        let (key, value) = (record.key().unwrap_or_default(), record.payload().unwrap_or_default());
        let sent_at_ms = record.timestamp().to_millis().unwrap_or_default();
        Ok(self.machine.apply(&Record { offset, sent_at_ms, key, value }))
    }

    /// Puts outputs out, however long that takes; whether they are out when it returns, which they are not if it was
    /// asked to stop.
    fn put(&self, outputs: &Outputs) -> bool {
        if outputs.is_empty() {
            return true;
        }
        let mut backoff = Backoff::default();
        let held_up = held_up(self.shared, self.partition);
        while !self.stop.is_cancelled() {
            let put = within_grace(self.stop, self.shared.outlet.put(outputs));
            let Some(put) = self.shared.runtime.block_on(put) else { return false };
            match put {
                Ok(()) => {
                    held_up.set(0);
                    return true;
                }
                Err(error) => {
                    held_up.set(1);
                    let (machine, partition, error) = (self.shared.name, self.partition, format!("{error:#}"));
                    tracing::warn!(machine, partition, error, "outputs cannot leave yet; trying again");
                }
            }
            backoff.wait(self.stop);
        }
        false
    }

    fn bury(&self, record: &OwnedMessage, reason: &str) -> anyhow::Result<()> {
        let rejected = Rejected {
            origin: (record.topic().to_owned(), self.partition, record.offset()),
            reason,
            details: None,
            key: record.key().unwrap_or_default(),
            value: record.payload().unwrap_or_default(),
        };
        // Whoever held the partition before may have written it.
        self.shared.dead_letters.catch_up()?;
        self.shared.runtime.block_on(self.shared.dead_letters.send(&rejected))
    }
}
