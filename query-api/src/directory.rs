//! Names and places of venues in memory, so that no read has to look them up.
//!
//! While somebody asks, the parts of the directory's table that have come are read once a second, and all of them when it
//! is another table; where that fails, or a venue is not known yet, ClickHouse is asked for the names.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use schemas::{Place, VenueId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    QueryError,
    store::{PartRow, Store, TableRow, VenueNames},
};

/// Between two looks, while somebody asks.
const EVERY: Duration = Duration::from_secs(1);
/// How old what is known may be.
const OLDEST: Duration = Duration::from_secs(3);
/// How long after the last question looks go on.
const ASKED: Duration = Duration::from_secs(60);
/// Rows that are taken over together, so that nobody waits long for a name meanwhile.
const AT_ONCE: usize = 1_000;

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

/// What of which table has been read.
#[derive(Debug, Default)]
struct Seen {
    table: String,
    parts: HashSet<String>,
}

/// What a look at a table has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    is_other_table: bool,
    has_new_parts: bool,
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
        let (mut seen, mut is_failing) = (Seen::default(), false);
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
                    tracing::warn!(error = error.with_causes(), "cannot read the directory of venues");
                }
                Err(_) => {}
            }
            is_failing = read.is_err();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads the parts that have not been `seen`, and adds their names to these.
    async fn read_new(&self, seen: &mut Seen) -> Result<(), QueryError> {
        let found = seen.hold_against(self.store.directory_table().await?);
        if found.is_other_table {
            *self.known.write() = Known::default();
        }
        if !found.has_new_parts {
            return Ok(());
        }
        let mut parts = HashSet::new();
        let take = |rows: Vec<PartRow>| {
            let mut known = self.known.write();
            for row in rows {
                if !parts.contains(&row.part) {
                    parts.insert(row.part.clone());
                }
                known.take(row);
            }
        };
        self.store.venues_of_parts(seen.parts.iter().map(String::as_str), AT_ONCE, take).await?;
        // Those that were read: a part that has been merged since is in another one, which is new.
        seen.parts.extend(parts);
        Ok(())
    }
}

impl Seen {
    /// Forgets what is not there any more, and all when it is another table.
    fn hold_against(&mut self, table: TableRow) -> Found {
        let is_other_table = table.id != self.table;
        if is_other_table {
            *self = Self { table: table.id, parts: HashSet::new() };
        }
        let there: HashSet<String> = table.parts.into_iter().collect();
        self.parts.retain(|part| there.contains(part));
        Found { is_other_table, has_new_parts: self.parts.len() < there.len() }
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

    #[test]
    fn parts_that_are_gone_are_forgotten_and_all_when_the_table_is_another_one() {
        let mut seen = Seen::default();
        let mut found = |id: &str, parts: &[&str]| {
            let parts: Vec<String> = parts.iter().copied().map(str::to_owned).collect();
            let found = seen.hold_against(TableRow { id: id.to_owned(), parts: parts.clone() });
            let kept = seen.parts.len();
            seen.parts.extend(parts);
            (found.is_other_table, found.has_new_parts, kept)
        };
        assert_eq!(found("a", &["1", "2"]), (true, true, 0));
        assert_eq!(found("a", &["1", "2"]), (false, false, 2));
        assert_eq!(found("a", &["1", "2", "3"]), (false, true, 2));
        assert_eq!(found("a", &["1-3"]), (false, true, 0));
        assert_eq!(found("b", &["1-3"]), (true, true, 0), "of the same name");
        assert_eq!(found("b", &[]), (false, false, 0));
    }
}
