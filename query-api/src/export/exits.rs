//! How many answers may be leaving at the same time, and for how long: each is in memory until it has left.

use std::{sync::Arc, time::Duration};

use service::clock::now_ms;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::Format;
use crate::QueryError;

/// How long an answer may take to leave, however slowly its client takes it.
const LONGEST: Duration = Duration::from_secs(600);

/// The ways out for all of them.
pub struct Exits(Arc<Semaphore>);

/// One of them, taken.
pub struct Exit {
    /// When whatever has not left is dropped.
    pub(super) deadline: Instant,
    /// Held until then, or until all has left.
    pub(super) slot: OwnedSemaphorePermit,
}

/// How an answer leaves.
pub enum Way {
    /// At once, as JSON: it is short.
    Json,
    /// As a file.
    File(super::TableFormat, Exit),
}

impl Exits {
    /// So many.
    pub fn new(most: u32) -> Self {
        Self(Arc::new(Semaphore::new(most as usize)))
    }

    /// One that is free, for what may be there until a time in milliseconds since 1970.
    ///
    /// # Errors
    /// When all are taken.
    pub fn exit(&self, until_ms: Option<i64>) -> Result<Exit, QueryError> {
        let slot = Arc::clone(&self.0).try_acquire_owned().map_err(|_| QueryError::ExportsFull)?;
        let left = until_ms.map(|at_ms| Duration::from_millis((at_ms - now_ms()).max(0) as u64));
        Ok(Exit { deadline: Instant::now() + left.unwrap_or(LONGEST).min(LONGEST), slot })
    }

    /// The way for a format; JSON takes none of them.
    ///
    /// # Errors
    /// As for [`Self::exit`].
    pub fn way(&self, format: Format) -> Result<Way, QueryError> {
        match format {
            Format::Json => Ok(Way::Json),
            Format::Table(format) => Ok(Way::File(format, self.exit(None)?)),
        }
    }
}
