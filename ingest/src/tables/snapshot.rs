//! Snapshots of the tables in the gateway's own directory, so that a gateway that starts need not read years of topics.
//!
//! A snapshot is only a head start. It says how far the topics were read at least when it was begun, and reading goes on
//! from the last message that it knows: applying messages twice changes nothing, as the greatest rank wins. Whatever does not
//! fit is left alone, and the topics are read whole.

mod format;

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use format::Head;
pub use format::{Origin, Stored};
use parking_lot::Mutex;

use super::{Mark, Table, Tables};
use crate::directory;

const BUFFER_BYTES: usize = 1 << 20;
const MS_PER_HOUR: i64 = 3_600_000;
/// So far a clock may have been set back since a snapshot was written.
const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// The first offset that each partition still has, and the one after its last.
pub type Ends = HashMap<(Table, i32), (i64, i64)>;

/// The snapshots of one gateway, of which there is one at a time.
#[derive(Debug)]
pub struct Snapshots {
    directory: PathBuf,
    max_age_hours: u32,
    /// How far the topics were read in the one that is there, and when it was written.
    written: Mutex<(Vec<Mark>, i64)>,
    _lock: File,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// There is none.
    #[error("there is none")]
    Absent,
    /// It cannot be read, or is damaged.
    #[error("it cannot be used: {0}")]
    Unreadable(#[from] io::Error),
    /// It was written too long ago, or will be written in the future.
    #[error("it was written {age_hours} h ago, and at most {max_age_hours} h are allowed")]
    Age {
        /// Its age.
        age_hours: i64,
        /// The bound.
        max_age_hours: u32,
    },
    /// It is of another city, or its categories have changed.
    #[error("it is of another city, or the city's categories have changed")]
    City,
    /// It is of other topics or of another cluster.
    #[error("it is of another Kafka cluster, or of other topics")]
    Kafka,
    /// The topics do not have the last message that it knows.
    #[error("partition {partition} of {table:?} does not have message {last} any more, or not yet")]
    Offset {
        /// The topic.
        table: Table,
        /// The partition.
        partition: i32,
        /// The message.
        last: i64,
    },
}

impl Snapshots {
    /// Takes the directory over.
    ///
    /// # Errors
    /// When another gateway uses it, or it cannot be made.
    pub fn open(directory: &Path, max_age_hours: u32) -> anyhow::Result<Self> {
        let lock = directory::take_over(directory, "--tables")?;
        Ok(Self { directory: directory.to_owned(), max_age_hours, written: Mutex::default(), _lock: lock })
    }

    /// Reads the snapshot into the tables and says how far they are with it.
    ///
    /// # Errors
    /// When it cannot be used; the tables are empty then.
    pub fn read(&self, tables: &Tables, origin: &Origin, ends: &Ends, now_ms: i64) -> Result<Vec<Mark>, Misfit> {
        let started = Instant::now();
        let path = self.path();
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Misfit::Absent),
            file => file?,
        };
        format::check(&file, file.metadata()?.len())?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(&path)?);
        let head = format::read_head(&mut file)?;
        self.judge(&head, origin, ends, now_ms)?;
        if let Err(error) = format::read_rows(&mut file, tables) {
            tables.clear();
            return Err(error.into());
        }
        tables.resume(&head.marks, head.fed.clone());
        *self.written.lock() = (head.marks.clone(), head.written_at_ms);
        let (venues, persons) = (tables.venues.len(), tables.health.len());
        tracing::info!(venues, persons, elapsed_ms = started.elapsed().as_millis(), "read the snapshot of the tables");
        Ok(head.marks)
    }

    /// Writes a snapshot in the place of the one before, if there is anything new or that one gets old.
    ///
    /// # Errors
    /// Whatever the file system reports; the one before is still there then.
    pub fn write(&self, tables: &Tables, origin: Origin, now_ms: i64) -> io::Result<()> {
        let started = Instant::now();
        let head = format::head(origin, tables, now_ms);
        let mut written = self.written.lock();
        let renew_after_ms = i64::from(self.max_age_hours) * MS_PER_HOUR / 2;
        if written.0 == head.marks && (head.marks.is_empty() || now_ms - written.1 < renew_after_ms) {
            return Ok(());
        }
        let unfinished = self.directory.join("tables.new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        format::write(BufWriter::with_capacity(BUFFER_BYTES, &file), &head, tables)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path())?;
        File::open(&self.directory)?.sync_all()?;
        *written = (head.marks, head.written_at_ms);
        let (bytes, elapsed_ms) = (file.metadata()?.len(), started.elapsed().as_millis());
        tracing::info!(bytes, elapsed_ms, "wrote a snapshot of the tables");
        Ok(())
    }

    /// Whether a snapshot can be followed from where it ends.
    fn judge(&self, head: &Head, origin: &Origin, ends: &Ends, now_ms: i64) -> Result<(), Misfit> {
        let Head { origin: found, written_at_ms, marks, .. } = head;
        if (&found.city, &found.categories) != (&origin.city, &origin.categories) {
            return Err(Misfit::City);
        }
        if found != origin {
            return Err(Misfit::Kafka);
        }
        let (age_ms, max_age_hours) = (now_ms - written_at_ms, self.max_age_hours);
        if !(-CLOCK_TOLERANCE_MS..=i64::from(max_age_hours) * MS_PER_HOUR).contains(&age_ms) {
            return Err(Misfit::Age { age_hours: age_ms / MS_PER_HOUR, max_age_hours });
        }
        for Mark { table, partition, last, .. } in marks {
            if !ends.get(&(*table, *partition)).is_some_and(|(low, high)| (low..high).contains(&last)) {
                return Err(Misfit::Offset { table: *table, partition: *partition, last: *last });
            }
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.directory.join("tables")
    }
}

#[cfg(test)]
mod tests;
