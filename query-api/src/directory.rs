//! Names and places of venues in memory, so that no read has to look them up.
//!
//! While somebody asks, the parts of the directory's table that have come are read once a second; where that fails, or a
//! venue is not known yet, ClickHouse is asked for the names.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use schemas::{Place, VenueId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    QueryError,
    store::{PartRow, Store, VenueNames},
};

/// Between two looks, while somebody asks.
const EVERY: Duration = Duration::from_secs(1);
/// How old what is known may be.
const OLDEST: Duration = Duration::from_secs(3);
/// How long after the last question looks go on.
const ASKED: Duration = Duration::from_secs(60);
/// Names of parts that are remembered; after as many all parts that are there are read again.
const MOST_PARTS: usize = 1_000;

/// The directory, as far as it has been read.
pub struct Directory {
    store: Store,
    known: RwLock<Known>,
    asked: Mutex<Option<Instant>>,
    somebody: Notify,
}

#[derive(Debug, Default)]
struct Known {
    venues: HashMap<VenueId, Venue>,
    /// When the last look began that came to its end.
    at: Option<Instant>,
}

#[derive(Debug)]
struct Venue {
    version: u64,
    name: Box<str>,
    place: Option<Place>,
}

impl Directory {
    /// Nothing is known yet.
    pub fn new(store: Store) -> Self {
        Self { store, known: RwLock::default(), asked: Mutex::new(None), somebody: Notify::new() }
    }

    /// The names and places of these venues.
    ///
    /// # Errors
    /// When one is not known here and ClickHouse does not answer.
    pub async fn names(&self, venues: impl IntoIterator<Item = VenueId>) -> Result<VenueNames, QueryError> {
        *self.asked.lock() = Some(Instant::now());
        self.somebody.notify_one();
        let (mut names, mut unknown) = (VenueNames::default(), Vec::new());
        {
            let known = self.known.read();
            let is_new = known.at.is_some_and(|at| at.elapsed() < OLDEST);
            for venue in venues {
                match known.venues.get(&venue).filter(|_| is_new) {
                    Some(Venue { name, place, .. }) => names.insert(venue, name, *place),
                    None => unknown.push(venue),
                }
            }
        }
        if !unknown.is_empty() {
            names.extend(self.store.venue_names(unknown).await?);
        }
        Ok(names)
    }

    /// Reads what comes while somebody asks, until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.look()).await;
    }

    async fn look(&self) {
        let (mut seen, mut is_failing) = (Vec::new(), false);
        loop {
            if self.asked.lock().is_none_or(|at| at.elapsed() >= ASKED) {
                self.somebody.notified().await;
                continue;
            }
            let began = Instant::now();
            let read = self.read_new(&mut seen).await;
            match &read {
                Ok(()) => self.known.write().at = Some(began),
                Err(error) if !is_failing => {
                    tracing::warn!(error = error.to_string(), "cannot read the directory of venues");
                }
                Err(_) => {}
            }
            is_failing = read.is_err();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads the parts that have not been `seen`, and adds their names to these.
    async fn read_new(&self, seen: &mut Vec<String>) -> Result<(), QueryError> {
        if seen.len() >= MOST_PARTS {
            seen.clear();
        }
        let mut parts: Vec<String> = Vec::new();
        let take = |row: PartRow| {
            if parts.last() != Some(&row.part) && !parts.contains(&row.part) {
                parts.push(row.part.clone());
            }
            self.known.write().take(row);
        };
        self.store.venues_of_parts(seen, take).await?;
        seen.append(&mut parts);
        Ok(())
    }
}

impl Known {
    /// The newest version of a venue stays, and of several with the same number any: they say the same.
    fn take(&mut self, row: PartRow) {
        let place = row.place();
        let PartRow { venue_id, version, name, .. } = row;
        if self.venues.get(&venue_id).is_none_or(|known| known.version <= version) {
            self.venues.insert(venue_id, Venue { version, name: name.into(), place });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_stays_whenever_it_is_read() {
        let mut known = Known::default();
        for (version, name) in [(2, "b"), (1, "a"), (3, "c"), (2, "b")] {
            let (latitude, longitude) = (Some(1.0), (version > 2).then_some(2.0));
            let (part, name) = (String::new(), name.to_owned());
            known.take(PartRow { part, venue_id: 7, version, name, latitude, longitude });
        }
        let Venue { version, name, place } = &known.venues[&7];
        assert_eq!((*version, &**name, place.is_some()), (3, "c", true));
    }
}
