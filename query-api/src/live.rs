//! Live streams: one look at ClickHouse in each interval for all who listen, however many they are.
//!
//! Whoever listens holds a place. The newest counts are handed on; who does not take them misses the ones in between,
//! and who takes none for a while loses the place. Nothing is asked while nobody listens.

mod listener;
mod places;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    QueryConfig, QueryError,
    buckets::Step,
    store::{BucketRow, Scope, Store, Watched},
};
pub use listener::{Event, Listener, Pace, serve};
use places::Places;

/// The counts of the day so far; `None` until they have been counted once.
pub type Counts = Option<BucketRow>;

/// Who listens to what.
pub struct Live {
    store: Store,
    offset_s: i64,
    interval: Duration,
    places: Arc<Places>,
    streams: Mutex<HashMap<Scope, Stream>>,
    somebody: Notify,
    closed: CancellationToken,
}

struct Stream {
    watched: Arc<Watched>,
    counts: watch::Sender<Counts>,
}

impl Live {
    /// Nobody listens yet.
    pub fn new(store: Store, offset_s: i64, limits: &QueryConfig) -> Self {
        Self {
            store,
            offset_s,
            interval: Duration::from_millis(limits.live_interval_ms.into()),
            places: Arc::new(Places::new(limits.max_live_streams as usize, limits.max_live_streams_each as usize)),
            streams: Mutex::default(),
            somebody: Notify::new(),
            closed: CancellationToken::new(),
        }
    }

    /// A place among those who listen to a scope, for a holder of tokens.
    ///
    /// # Errors
    /// When all places are taken, or ClickHouse does not answer.
    pub async fn listen(&self, scope: &Scope, holder: u64) -> Result<Listener, QueryError> {
        let place = Places::take(&self.places, holder).ok_or(QueryError::TooManyListeners)?;
        let known = self.streams.lock().get(scope).map(|stream| stream.counts.subscribe());
        let counts = match known {
            Some(counts) => counts,
            None => {
                let watched = Arc::new(self.watched(scope).await?);
                let mut streams = self.streams.lock();
                let fresh = || Stream { watched, counts: watch::Sender::new(None) };
                streams.entry(scope.clone()).or_insert_with(fresh).counts.subscribe()
            }
        };
        self.somebody.notify_one();
        Ok(Listener::new(counts, place, self.closed.clone()))
    }

    async fn watched(&self, scope: &Scope) -> Result<Watched, QueryError> {
        Ok(match scope {
            Scope::Venue(venue) => Watched::Venues(vec![*venue]),
            Scope::Organisation(code) => Watched::Venues(self.store.venues_of(code).await?),
            wide => Watched::Wide(wide.clone()),
        })
    }

    /// Counts in each interval for all who listen, until `shutdown`; then all streams end.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let ended = self.closed.clone().drop_guard();
        shutdown.run_until_cancelled(self.count()).await;
        drop(ended);
    }

    async fn count(&self) {
        let mut interval = tokio::time::interval(self.interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let streams = self.streams_listened_to();
            if streams.is_empty() {
                self.somebody.notified().await;
                continue;
            }
            interval.tick().await;
            let watched: Vec<&Watched> = streams.iter().map(|(_, watched)| watched.as_ref()).collect();
            match self.store.live(self.midnight(), &watched).await {
                Ok(counts) => self.hand_on(streams.iter().map(|(scope, _)| scope).zip(counts)),
                // The streams stay as they are; their readers see by the time of the last counts how old these are.
                Err(error) => tracing::warn!(error = error.to_string(), "cannot count for live streams"),
            }
        }
    }

    /// What somebody listens to; the rest is forgotten.
    fn streams_listened_to(&self) -> Vec<(Scope, Arc<Watched>)> {
        let mut streams = self.streams.lock();
        streams.retain(|_, stream| stream.counts.receiver_count() > 0);
        streams.iter().map(|(scope, stream)| (scope.clone(), Arc::clone(&stream.watched))).collect()
    }

    fn hand_on<'a>(&self, counts: impl Iterator<Item = (&'a Scope, BucketRow)>) {
        let streams = self.streams.lock();
        for (scope, counts) in counts {
            let Some(stream) = streams.get(scope) else { continue };
            stream.counts.send_if_modified(|known| {
                let is_new = known.as_ref() != Some(&counts);
                *known = Some(counts);
                is_new
            });
        }
    }

    fn midnight(&self) -> u32 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        u32::try_from(Step::Day.start_of(now as i64, self.offset_s)).unwrap_or_default()
    }
}
