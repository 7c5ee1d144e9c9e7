//! The thread that writes the spool: whatever came while the disk was busy goes to it together.

use std::{
    fs,
    sync::{Arc, atomic::Ordering, mpsc},
    time::Instant,
};

use tokio::sync::oneshot;

use super::{
    Refused, Shared,
    record::Records,
    segment::{Active, HEAD_BYTES},
};
use crate::state::now_ms;

/// A segment that has so many bytes is written no more. It is also what is sent again after a crash.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// So many bytes go to the disk together at most, and the room for them is kept.
const GROUP_BYTES: usize = 1024 * 1024;

/// What the thread is asked for.
#[derive(Debug)]
pub enum Work {
    /// Write records and say when the disk has them.
    Append {
        /// What to write.
        records: Records,
        /// Who waits.
        done: oneshot::Sender<Result<(), Refused>>,
    },
    /// Begin a new segment, so that what is written can be sent.
    Seal,
}

/// The state of the thread.
pub struct Writer {
    shared: Arc<Shared>,
    to_do: mpsc::Receiver<Work>,
    next_number: u64,
    active: Option<Active>,
}

/// What goes to the disk together.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    count: u64,
    waiting: Vec<oneshot::Sender<Result<(), Refused>>>,
    seal: bool,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, to_do: mpsc::Receiver<Work>, next_number: u64) -> Self {
        Self { shared, to_do, next_number, active: None }
    }

    /// Writes until nobody can ask for more.
    pub fn run(mut self) {
        let mut group = Group::default();
        while let Ok(work) = self.to_do.recv() {
            group.add(work);
            while group.bytes.len() < GROUP_BYTES && !group.seal {
                let Ok(work) = self.to_do.try_recv() else { break };
                group.add(work);
            }
            let kept = if group.count > 0 { self.write(&group) } else { Ok(()) };
            group.answer(kept);
            if std::mem::take(&mut group.seal) {
                self.seal();
            }
        }
        self.seal();
    }

    fn write(&mut self, group: &Group) -> Result<(), Refused> {
        let started = Instant::now();
        let written = self.active().and_then(|active| active.append(&group.bytes, group.count));
        self.shared.metrics.fsync_seconds.record(started.elapsed());
        let size = match written {
            Ok(()) => self.show_active(),
            Err(error) => {
                tracing::error!(%error, "the spool cannot be written: scans are refused");
                // What is on disk of this group is unknown. Whoever sent it was told that it is not kept, and may be
                // sent once more than was asked for; the segment is not written again.
                self.seal();
                return Err(Refused::Broken);
            }
        };
        if size >= SEGMENT_BYTES {
            self.seal();
        }
        Ok(())
    }

    fn active(&mut self) -> std::io::Result<&mut Active> {
        if self.active.is_none() {
            self.active = Some(Active::create(&self.shared.directory, self.next_number, now_ms())?);
            self.next_number += 1;
            self.shared.bytes.fetch_add(HEAD_BYTES as u64, Ordering::Relaxed);
        }
        self.active.as_mut().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    /// Lets the others see how long the segment is now.
    fn show_active(&self) -> u64 {
        let sealed = self.active.as_ref().map(|active| active.sealed.clone());
        let size = sealed.as_ref().map_or(0, |sealed| sealed.bytes);
        let first = {
            let mut queue = self.shared.queue.lock();
            std::mem::replace(&mut queue.active, sealed).is_none()
        };
        if first {
            self.shared.changed.notify_one();
        }
        size
    }

    /// Writes the segment no more and lets it be sent.
    fn seal(&mut self) {
        let Some(Active { sealed, .. }) = self.active.take() else { return };
        let mut queue = self.shared.queue.lock();
        queue.active = None;
        if sealed.records == 0 {
            self.shared.bytes.fetch_sub(sealed.bytes, Ordering::Relaxed);
            if let Err(error) = fs::remove_file(&sealed.path) {
                tracing::warn!(%error, "an empty segment of the spool stays");
            }
            return;
        }
        queue.sealed.push_back(sealed);
        drop(queue);
        self.shared.changed.notify_one();
    }
}

impl Group {
    fn add(&mut self, work: Work) {
        match work {
            Work::Append { records, done } => {
                self.bytes.extend_from_slice(&records.bytes);
                self.count += records.count as u64;
                self.waiting.push(done);
            }
            Work::Seal => self.seal = true,
        }
    }

    fn answer(&mut self, kept: Result<(), Refused>) {
        for done in self.waiting.drain(..) {
            // Whoever has gone away in the meantime needs no answer.
            let _ = done.send(kept);
        }
        self.bytes.clear();
        self.bytes.shrink_to(2 * GROUP_BYTES);
        self.count = 0;
    }
}
