//! Live streams: one look at ClickHouse in each interval for all who listen, however many they are.
//!
//! Whoever listens holds a place. The newest counts are handed on; who does not take them misses the ones in between,
//! and who takes none for a while loses the place. Nothing is asked while nobody listens. Dashboards hear of whole groups.

mod coarse;
mod listener;
mod places;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    QueryConfig, QueryError,
    buckets::Step,
    store::{BucketRow, Scope, Store, Watched},
};
use coarse::Coarse;
pub use listener::{Event, Listener, Pace, serve};
use places::Places;

/// The counts of the day so far, or that they are not to be had; `None` until they have been counted once.
pub type Counts = Option<Event>;

/// How long looks may fail, or take, before those who listen are told.
const SILENCE: Duration = Duration::from_secs(5);

/// Who listens to what.
pub struct Live {
    store: Store,
    offset_s: i64,
    interval: Duration,
    places: Arc<Places>,
    streams: Mutex<HashMap<Scope, Stream>>,
    coarse: Mutex<Coarse>,
    somebody: Notify,
    closed: CancellationToken,
}

struct Stream {
    watched: Arc<Watched>,
    counts: watch::Sender<Counts>,
    /// For dashboards.
    coarse: watch::Sender<Counts>,
}

impl Stream {
    fn subscribe(&self, coarse: bool) -> watch::Receiver<Counts> {
        if coarse { self.coarse.subscribe() } else { self.counts.subscribe() }
    }
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
            coarse: Mutex::new(Coarse::new(limits.smallest_group)),
            somebody: Notify::new(),
            closed: CancellationToken::new(),
        }
    }

    /// A place among those who listen to a scope, for a holder of tokens; `coarse` for a dashboard.
    ///
    /// # Errors
    /// When all places are taken, or ClickHouse does not answer.
    pub async fn listen(&self, scope: &Scope, holder: u64, coarse: bool) -> Result<Listener, QueryError> {
        let place = Places::take(&self.places, holder).ok_or(QueryError::TooManyListeners)?;
        let known = self.streams.lock().get(scope).map(|stream| stream.subscribe(coarse));
        let counts = match known {
            Some(counts) => counts,
            None => {
                let watched = Arc::new(self.watched(scope).await?);
                let mut streams = self.streams.lock();
                let fresh = || Stream { watched, counts: watch::Sender::new(None), coarse: watch::Sender::new(None) };
                streams.entry(scope.clone()).or_insert_with(fresh).subscribe(coarse)
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
        let mut failing_since = None;
        loop {
            let streams = self.streams_listened_to();
            if streams.is_empty() {
                failing_since = None;
                self.somebody.notified().await;
                continue;
            }
            interval.tick().await;
            let watched: Vec<&Watched> = streams.iter().map(|(_, watched)| watched.as_ref()).collect();
            let (begun, at) = (Instant::now(), now());
            let look = self.store.live(self.midnight(), &watched);
            tokio::pin!(look);
            let looked = match tokio::time::timeout(SILENCE, &mut look).await {
                Ok(looked) => looked,
                Err(_) => {
                    self.say_unavailable();
                    look.await
                }
            };
            match looked {
                Ok(counts) => {
                    if failing_since.take().is_some() {
                        tracing::info!("counts for live streams again");
                    }
                    self.hand_on(streams.iter().map(|(scope, _)| scope).zip(counts), at);
                }
                Err(error) => {
                    if failing_since.is_none() {
                        tracing::warn!(error = error.with_causes(), "cannot count for live streams");
                    }
                    if failing_since.get_or_insert(begun).elapsed() >= SILENCE {
                        self.say_unavailable();
                    }
                }
            }
        }
    }

    /// What somebody listens to; the rest is forgotten.
    fn streams_listened_to(&self) -> Vec<(Scope, Arc<Watched>)> {
        let mut streams = self.streams.lock();
        streams.retain(|_, stream| stream.counts.receiver_count() + stream.coarse.receiver_count() > 0);
        streams.iter().map(|(scope, stream)| (scope.clone(), Arc::clone(&stream.watched))).collect()
    }

    fn hand_on<'a>(&self, counts: impl Iterator<Item = (&'a Scope, BucketRow)>, at: u32) {
        let (streams, mut coarse) = (self.streams.lock(), self.coarse.lock());
        for (scope, counts) in counts {
            let Some(stream) = streams.get(scope) else { continue };
            // Kept new even while no dashboard listens: the next one is told it at once.
            if stream.coarse.receiver_count() > 0 || stream.coarse.borrow().is_some() {
                let (told, at) = coarse.tell(scope, &counts, at);
                replace(&stream.coarse, told, at);
            }
            replace(&stream.counts, counts, at);
        }
    }

    fn say_unavailable(&self) {
        for stream in self.streams.lock().values() {
            for sender in [&stream.counts, &stream.coarse] {
                sender.send_if_modified(|known| known.replace(Event::Unavailable) != Some(Event::Unavailable));
            }
        }
    }

    fn midnight(&self) -> u32 {
        u32::try_from(Step::Day.start_of(now().into(), self.offset_s)).unwrap_or_default()
    }
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(now).unwrap_or_default()
}

/// Replaces what is known unless it is the same.
fn replace(known: &watch::Sender<Counts>, row: BucketRow, at: u32) {
    known.send_if_modified(|known| {
        let is_new = !matches!(known, Some(Event::Counts(old, _)) if *old == row);
        if is_new {
            *known = Some(Event::Counts(row, at));
        }
        is_new
    });
}
