//! The spool: scans that were accepted while Kafka is out of reach, on this machine's disk until Kafka has them.
//!
//! Scans are appended to segment files and fsynced before their answer leaves; many requests share one fsync. A segment
//! is removed only when Kafka has acknowledged all of it. A crash in between sends its records again, which the
//! processor knows by their `event_id`. It holds what the messages on Kafka hold, and nothing else.

pub mod drain;
mod record;
mod segment;
mod writer;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use parking_lot::Mutex;
pub use record::{Messages, Records};
use segment::Sealed;
use service::shutdown::WholeOrNone;
use tokio::sync::{Notify, oneshot};

use crate::{directory, metrics::SpoolMetrics, state::now_ms};
use record::End;
use writer::{Work, Writer};

/// How long a segment may still grow before it is sealed to be sent.
const GATHER: Duration = Duration::from_millis(100);

/// The spool of one gateway.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    /// Taken away at the end.
    work: Mutex<Option<mpsc::Sender<Work>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    _lock: File,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    max_bytes: u64,
    /// Bytes on disk, and bytes promised to requests that wait for the disk.
    bytes: AtomicU64,
    queue: Mutex<Queue>,
    /// Something came into the queue.
    changed: Notify,
    metrics: SpoolMetrics,
}

/// What lies in the spool, oldest first.
#[derive(Debug, Default)]
struct Queue {
    sealed: VecDeque<Sealed>,
    /// The one that is written to.
    active: Option<Sealed>,
}

/// Why the spool did not take something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has reached its size.
    Full,
    /// The disk has failed it.
    Broken,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Bytes on disk.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// When the oldest segment was begun, in milliseconds since 1970; `None` when there is nothing.
    pub oldest_ms: Option<i64>,
}

impl Spool {
    /// Takes a directory over, with what a predecessor left there; `whole` is told if the thread that writes panics.
    ///
    /// # Errors
    /// When another gateway uses it, or it cannot be read or written.
    pub fn open(directory: &Path, max_bytes: u64, whole: WholeOrNone) -> anyhow::Result<Self> {
        let shown = directory.display();
        let lock = directory::take_over(directory, "--spool")?;
        let metrics = SpoolMetrics::new();
        let (sealed, next_number) = leftovers(directory, &metrics).with_context(|| format!("--spool {shown}"))?;
        let bytes = sealed.iter().map(|segment| segment.bytes).sum();
        if !sealed.is_empty() {
            let records: u64 = sealed.iter().map(|segment| segment.records).sum();
            tracing::info!(segments = sealed.len(), records, "the spool holds scans that Kafka does not have yet");
        }
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            max_bytes,
            bytes: AtomicU64::new(bytes),
            queue: Mutex::new(Queue { sealed, active: None }),
            changed: Notify::new(),
            metrics,
        });
        let (work, to_do) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), to_do, next_number);
        let writer = std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || {
                let _whole = whole;
                writer.run();
            })
            .context("cannot start the thread that writes the spool")?;
        Ok(Self { shared, work: Mutex::new(Some(work)), writer: Mutex::new(Some(writer)), _lock: lock })
    }

    /// Waits until the disk has the records.
    ///
    /// # Errors
    /// When there is no room, or the disk fails; none of the records is promised then.
    pub async fn append(&self, records: Records) -> Result<(), Refused> {
        let (bytes, count) = (records.bytes.len() as u64, records.count as u64);
        let kept = self.hand_over(records).await;
        match kept {
            Ok(()) => self.shared.metrics.spooled.increment(count),
            Err(refused) => {
                self.shared.metrics.refused.increment(count);
                if refused == Refused::Broken {
                    self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
            }
        }
        kept
    }

    async fn hand_over(&self, records: Records) -> Result<(), Refused> {
        let (bytes, max) = (records.bytes.len() as u64, self.shared.max_bytes);
        let promise = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= max);
        let promised = self.shared.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, promise);
        promised.map_err(|_| Refused::Full)?;
        let (done, kept) = oneshot::channel();
        let work = self.work.lock().clone().ok_or(Refused::Broken)?;
        work.send(Work::Append { records, done }).map_err(|_| Refused::Broken)?;
        kept.await.unwrap_or(Err(Refused::Broken))
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let queue = self.shared.queue.lock();
        let all = || queue.sealed.iter().chain(&queue.active).filter(|segment| segment.records > 0);
        Fill {
            bytes: all().map(|segment| segment.bytes).sum(),
            records: all().map(|segment| segment.records).sum(),
            oldest_ms: all().next().map(|segment| segment.created_at_ms),
        }
    }

    /// Tells the metrics how full it is.
    pub fn report(&self) {
        let fill = self.fill();
        let age_s = fill.oldest_ms.map_or(0.0, |oldest_ms| (now_ms() - oldest_ms).max(0) as f64 / 1000.0);
        self.shared.metrics.bytes.set(fill.bytes as f64);
        self.shared.metrics.records.set(fill.records as f64);
        self.shared.metrics.oldest_seconds.set(age_s);
    }

    /// The oldest segment, once there is one that is written no more. It stays in the queue.
    async fn oldest(&self) -> Sealed {
        loop {
            let changed = self.shared.changed.notified();
            let is_written = {
                let queue = self.shared.queue.lock();
                if let Some(oldest) = queue.sealed.front() {
                    return oldest.clone();
                }
                queue.active.is_some()
            };
            if is_written {
                tokio::time::sleep(GATHER).await;
                // It comes back by `changed`.
                if let Some(work) = &*self.work.lock() {
                    let _ = work.send(Work::Seal);
                }
            }
            changed.await;
        }
    }

    /// Forgets the oldest segment: Kafka has what is in it, or its file was set aside.
    fn forget(&self, segment: &Sealed) {
        let mut queue = self.shared.queue.lock();
        if queue.sealed.front() == Some(segment) {
            queue.sealed.pop_front();
            self.shared.bytes.fetch_sub(segment.bytes, Ordering::Relaxed);
        }
    }

    /// Ends the writer; what comes after is refused. Blocks until the disk has all that came before.
    pub fn close(&self) {
        self.work.lock().take();
        let writer = self.writer.lock().take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the thread that writes the spool has panicked");
        }
    }
}

/// The segments that are there, oldest first, and the number for the next one.
fn leftovers(directory: &Path, metrics: &SpoolMetrics) -> io::Result<(VecDeque<Sealed>, u64)> {
    let mut found = Vec::new();
    let mut highest = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if segment::is_set_aside(&path) {
            metrics.damaged.increment(1.0);
            tracing::error!(path = %path.display(), "a damaged segment of the spool is still to be looked at");
            highest = highest.max(segment::number_of(&path.with_extension("spool")).unwrap_or_default());
        } else if let Some(number) = segment::number_of(&path) {
            highest = highest.max(number);
            found.push((number, path));
        }
    }
    found.sort_unstable();
    let mut sealed = VecDeque::new();
    for (number, path) in found {
        let bytes = fs::read(&path)?;
        let contents = segment::contents(&bytes, number);
        let (records, created_at_ms) = (contents.messages.len() as u64, contents.created_at_ms);
        match contents.end {
            // Nobody was told that such a record is kept.
            End::Torn { at } => {
                tracing::warn!(path = %path.display(), at, bytes = bytes.len() - at, "the last write was cut short; what is not whole is left out");
                if records == 0 {
                    fs::remove_file(&path)?;
                    continue;
                }
            }
            End::Whole if records == 0 => {
                fs::remove_file(&path)?;
                continue;
            }
            End::Whole | End::Damaged { .. } => {}
        }
        sealed.push_back(Sealed { path, number, created_at_ms, bytes: bytes.len() as u64, records });
    }
    Ok((sealed, highest + 1))
}

#[cfg(test)]
mod tests;
