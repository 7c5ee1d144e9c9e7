//! Releases, as the fold of their log has decided them, and what was read by them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use clickhouse::Row;
use parking_lot::Mutex;
use schemas::{PersonKey, VenueId, events::ReleaseState};
use serde::Deserialize;
use uuid::Uuid;

use super::{DistrictFilter, Kind, Store};
use crate::QueryError;

/// How old what is known of a release may be before it is looked up again, and before it is no longer read by.
const LOOKED_UP_AFTER: Duration = Duration::from_millis(250);
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);

/// The state of a release after a record. Without debug output: it has keys of people.
#[derive(Clone, Default, Row, Deserialize)]
pub struct ReleaseRow {
    /// The release.
    #[serde(with = "clickhouse::serde::uuid")]
    pub release_id: Uuid,
    /// District of the office that has the case.
    pub district: u32,
    /// What the record says.
    pub action: String,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The command, if it was one.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub command_id: Option<Uuid>,
    /// Which account sent it.
    pub sender: String,
    /// Why it was refused; empty when it was not.
    pub refused: String,
    /// How far the release is.
    pub state: String,
    /// When it was asked for.
    pub asked_at_ms: i64,
    /// By which account.
    pub asked_by: String,
    /// Number of the case.
    pub case_number: String,
    /// Kind of the case.
    pub case_kind: String,
    /// What shows the case.
    pub evidence: String,
    /// What it is for.
    pub purpose: String,
    /// Whose movements.
    pub persons: Vec<u64>,
    /// Whose visitors.
    pub venues: Vec<VenueId>,
    /// First second of what may be read.
    pub from_s: i64,
    /// First second after it.
    pub to_s: i64,
    /// How far contacts may be followed.
    pub hops: u8,
    /// How many minutes around a visit contacts may be looked for, at most.
    pub window_minutes: u16,
    /// From when it can no longer be released, or no longer be read by.
    pub expires_at_ms: i64,
    /// When it was released or declined.
    pub decided_at_ms: Option<i64>,
    /// By which account; empty before.
    pub decided_by: String,
    /// Why it was declined; empty when it was not.
    pub declined_for: String,
    /// When it was taken back.
    pub withdrawn_at_ms: Option<i64>,
    /// By which account; empty before.
    pub withdrawn_by: String,
}

impl ReleaseRow {
    /// How far it is; none for a state that this build does not know.
    pub fn state(&self) -> Option<ReleaseState> {
        ReleaseState::of(&self.state)
    }
}

/// What is known of the releases that were read by last.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Uuid, Seen>>);

#[derive(Clone)]
struct Seen {
    release: Arc<ReleaseRow>,
    /// When it was asked for.
    at: Instant,
    is_asked_for: bool,
}

/// Which releases are meant; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFilter {
    /// Those of a district, in a state, asked for since.
    pub of: DistrictFilter,
    /// Those that an account has asked for.
    pub asked_by: Option<String>,
}

/// How near somebody was found.
#[derive(Row, Deserialize)]
struct NearestRow {
    found: u64,
    nearest: u8,
}

/// A read of somebody's movements, health or identity, as that person is told of it.
#[derive(Clone, Row, Deserialize)]
pub struct ReadRow {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Role of who read.
    pub role: String,
    /// Method and path of the route.
    pub route: String,
    /// District of the office that has the case; 0 without a case.
    pub district: u32,
    /// What it was read for.
    pub purpose: String,
    /// What kind of case it is; empty without a case.
    pub case_kind: String,
    /// Whether the person was asked for, and not only met others who were.
    pub own: bool,
}

impl ReadRow {
    /// The purpose of reading what is kept of oneself: nobody asks for a release for it, so it is none of
    /// [`schemas::events::Purpose`].
    pub const OWN_RECORD: &str = "own_record";
}

impl Known {
    /// The release, and whether it is time to look it up again, which one alone is told.
    fn seen(&self, id: Uuid) -> Option<(Arc<ReleaseRow>, bool)> {
        let mut known = self.0.lock();
        let seen = known.get_mut(&id).filter(|seen| seen.at.elapsed() < FORGOTTEN_AFTER)?;
        let is_time = seen.at.elapsed() >= LOOKED_UP_AFTER && !seen.is_asked_for;
        seen.is_asked_for |= is_time;
        Some((Arc::clone(&seen.release), is_time))
    }

    /// Keeps what was asked for at a time, if it may be read by.
    fn keep(&self, id: Uuid, release: Option<Arc<ReleaseRow>>, at: Instant) {
        let mut known = self.0.lock();
        known.retain(|_, seen| seen.at.elapsed() < FORGOTTEN_AFTER);
        match release.filter(|release| release.state() == Some(ReleaseState::Released)) {
            // An answer that took long tells less than one that was asked for later.
            Some(release) if known.get(&id).is_none_or(|seen| seen.at < at) => {
                known.insert(id, Seen { release, at, is_asked_for: false });
            }
            Some(_) => {}
            None => drop(known.remove(&id)),
        }
    }
}

impl Store {
    /// The last states of a release, oldest first, up to `limit`, and whether there are more; none when there is no such.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn release(&self, release: Uuid, limit: usize) -> Result<(Vec<ReleaseRow>, bool), QueryError> {
        let query = self.query(include_str!("../sql/release.sql")).param("release", release.to_string());
        self.last_up_to(Kind::Release, query, limit).await
    }

    /// A release as it was a second ago or later, if there is one: who reads by it again and again does not wait for it to be
    /// looked up, which goes on meanwhile. One that is not given is looked up each time.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn release_now(&self, release: Uuid) -> Result<Option<Arc<ReleaseRow>>, QueryError> {
        match self.known_releases.seen(release) {
            Some((known, false)) => return Ok(Some(known)),
            Some((known, true)) => {
                let store = self.clone();
                // If it fails, the next one who reads looks it up.
                tokio::spawn(async move { store.look_up(release).await.map(drop) });
                return Ok(Some(known));
            }
            None => {}
        }
        self.look_up(release).await
    }

    async fn look_up(&self, release: Uuid) -> Result<Option<Arc<ReleaseRow>>, QueryError> {
        let at = Instant::now();
        let row = self.release(release, 1).await?.0.pop().map(Arc::new);
        self.known_releases.keep(release, row.clone(), at);
        Ok(row)
    }

    /// The releases that are meant, as they are now, newest first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn releases(&self, filter: &ReleaseFilter, limit: usize) -> Result<(Vec<ReleaseRow>, bool), QueryError> {
        let query = filter.of.bind(self.query(include_str!("../sql/releases.sql")));
        let query = query.param("asked_by", filter.asked_by.as_deref().unwrap_or_default());
        self.up_to(Kind::Releases, query, limit).await
    }

    /// How many hops from whom a release names somebody was found by what was read by it since it was asked for; none when
    /// they were not.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn hops_to(&self, release: &ReleaseRow, person: PersonKey) -> Result<Option<u8>, QueryError> {
        let query =
            self.query_of_person(include_str!("../sql/hops_to.sql")).param("release", release.release_id.to_string());
        let query = query.param("asked_at_ms", release.asked_at_ms);
        let row: NearestRow = self.row(Kind::HopsTo, query.param("person", person.to_u64())).await?;
        Ok((row.found > 0).then_some(row.nearest))
    }

    /// When a person's movements, health or identity were read and why, newest first, up to `limit`, and whether there is
    /// more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn reads(&self, person: PersonKey, limit: usize) -> Result<(Vec<ReadRow>, bool), QueryError> {
        let query = self.query_of_person(include_str!("../sql/reads.sql")).param("person", person.to_u64());
        self.up_to(Kind::Reads, query, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(state: &str) -> Option<Arc<ReleaseRow>> {
        Some(Arc::new(ReleaseRow { state: state.to_owned(), ..ReleaseRow::default() }))
    }

    #[test]
    fn a_release_is_known_for_a_second_and_looked_up_again_by_one() {
        let (known, id, ago) = (Known::default(), Uuid::from_u128(7), |ms| Instant::now() - Duration::from_millis(ms));
        let seen = || known.seen(id).map(|(_, is_time)| is_time);
        assert_eq!(seen(), None);
        known.keep(id, release("released"), Instant::now());
        assert_eq!((seen(), seen()), (Some(false), Some(false)));
        known.keep(id, release("withdrawn"), Instant::now());
        assert_eq!(seen(), None, "taken back");
        known.keep(id, release("released"), ago(300));
        assert_eq!((seen(), seen()), (Some(true), Some(false)));
        known.keep(id, release("released"), Instant::now());
        assert_eq!(seen(), Some(false));
        known.keep(id, None, Instant::now());
        known.keep(id, release("released"), ago(1_001));
        assert_eq!(seen(), None);
        known.keep(id, release("asked"), Instant::now());
        assert_eq!(seen(), None, "not given");
    }
}
