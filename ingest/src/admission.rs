//! Who gets in while there is more than can be taken: turns requests away early and openly, and evenly by client.
//!
//! `limit` is about what a client may send at all; this is about what the gateway can keep just now. Scans at a door
//! come before batches, which wait for their turn.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::extract::Request;
use hashbrown::HashMap;
use hyper::body::Body as _;
use parking_lot::Mutex;
use service::{access::Subject, http::address_key};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    error::IngestError,
    metrics::AdmissionMetrics,
    pace::{self, Entry, Seen},
};

/// How often the pace is set anew.
const PACE_EVERY: Duration = Duration::from_millis(50);

/// The places that there are, and who has them.
#[derive(Debug)]
pub struct Admission {
    limit: AtomicUsize,
    waiting: AtomicUsize,
    peak: AtomicUsize,
    /// Clients that have a place.
    clients: AtomicUsize,
    /// Wakes the batches that wait for room, one after another.
    room: Notify,
    /// How many batches wait for it.
    queue: AtomicUsize,
    door: Times,
    batches: Times,
    bodies: AtomicUsize,
    max_body_bytes: usize,
    metrics: AdmissionMetrics,
}

/// Counts how long requests took since the last reading.
#[derive(Debug, Default)]
struct Times {
    count: AtomicU64,
    micros: AtomicU64,
}

/// The addresses that have connections.
#[derive(Debug)]
pub struct Clients {
    /// Connections by address.
    loads: Mutex<HashMap<u64, Weak<AtomicUsize>>>,
    total: AtomicUsize,
    max: usize,
    max_per_client: usize,
}

/// A connection, counted until it is dropped.
#[derive(Debug)]
pub struct Connection {
    load: Arc<AtomicUsize>,
    clients: Arc<Clients>,
}

/// Places for scans that wait to be kept, until it is dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    admission: &'a Admission,
    client: &'a Subject,
    scans: usize,
    since: Instant,
}

/// A batch that waits for room, counted until it is dropped.
struct Queued<'a>(&'a AtomicUsize);

/// Memory for a body, until it is dropped.
#[derive(Debug)]
pub struct Room<'a> {
    admission: &'a Admission,
    bytes: usize,
}

impl Admission {
    /// All places free; bodies may have so many bytes together.
    pub fn new(max_body_bytes: usize) -> Self {
        Self {
            limit: AtomicUsize::new(pace::START),
            waiting: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            room: Notify::new(),
            queue: AtomicUsize::new(0),
            door: Times::default(),
            batches: Times::default(),
            bodies: AtomicUsize::new(0),
            max_body_bytes,
            metrics: AdmissionMetrics::new(),
        }
    }

    /// Whether a scan of this client would get in now; takes no place.
    ///
    /// # Errors
    /// [`IngestError::Overloaded`] or [`IngestError::TooManyAtOnce`].
    pub fn would_enter(&self, client: &Subject) -> Result<(), IngestError> {
        let mine = client.under_way.load(Ordering::Relaxed);
        let (limit, waiting) = (self.limit.load(Ordering::Relaxed), self.waiting.load(Ordering::Relaxed));
        match pace::entry(limit, waiting, mine, self.clients.load(Ordering::Relaxed)) {
            Entry::Free => Ok(()),
            Entry::OverShare => Err(IngestError::TooManyAtOnce),
            Entry::Full => Err(IngestError::Overloaded),
        }
    }

    /// Lets a scan in.
    ///
    /// # Errors
    /// As [`Self::would_enter`].
    pub fn enter<'a>(&'a self, client: &'a Subject) -> Result<Permit<'a>, IngestError> {
        self.would_enter(client)?;
        Ok(self.take(client, 1))
    }

    /// Waits until there is room for some scans of a batch; a quarter of the places is kept for scans at a door.
    /// `None` when there is none before `deadline`.
    pub async fn wait_for_room<'a>(
        &'a self,
        client: &'a Subject,
        scans: usize,
        deadline: Instant,
    ) -> Option<Permit<'a>> {
        if self.has_room(client) {
            return Some(self.take(client, scans));
        }
        let _queued = Queued::enter(&self.queue);
        loop {
            let mut woken = pin!(self.room.notified());
            // First this, then the question: otherwise the moment at which there is room could fall between them.
            woken.as_mut().enable();
            if self.has_room(client) {
                let permit = self.take(client, scans);
                // What is left is for the next one.
                self.wake_next();
                return Some(permit);
            }
            tokio::time::timeout_at(deadline.into(), woken).await.ok()?;
        }
    }

    /// Whether a batch of this client may be kept now.
    fn has_room(&self, client: &Subject) -> bool {
        let mine = client.under_way.load(Ordering::Relaxed);
        let (limit, clients) = (self.batch_limit(), self.clients.load(Ordering::Relaxed));
        pace::entry(limit, self.waiting.load(Ordering::SeqCst), mine, clients) == Entry::Free
    }

    /// Places that batches may take; the rest is for scans at a door.
    fn batch_limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed) * 3 / 4
    }

    /// Wakes a batch that waits, if any may have room. Whoever is woken and has none waits behind the others: the next place
    /// that becomes free wakes the next one.
    fn wake_next(&self) {
        if self.queue.load(Ordering::SeqCst) > 0
            && pace::may_enter(self.batch_limit(), self.waiting.load(Ordering::SeqCst))
        {
            self.room.notify_one();
        }
    }

    fn take<'a>(&'a self, client: &'a Subject, scans: usize) -> Permit<'a> {
        let waiting = self.waiting.fetch_add(scans, Ordering::SeqCst) + scans;
        if waiting > self.peak.load(Ordering::Relaxed) {
            self.peak.store(waiting, Ordering::Relaxed);
        }
        if client.under_way.fetch_add(scans, Ordering::Relaxed) == 0 {
            self.clients.fetch_add(1, Ordering::Relaxed);
        }
        Permit { admission: self, client, scans, since: Instant::now() }
    }

    /// Keeps memory for the body of a request: as much as it says it has, or else as much as it may have.
    ///
    /// # Errors
    /// [`IngestError::Overloaded`] when all is in use.
    pub fn room_for_body(&self, request: &Request, limit_bytes: usize) -> Result<Room<'_>, IngestError> {
        let says = request.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        let is_encoded = request.headers().contains_key(hyper::header::CONTENT_ENCODING);
        let bytes = says.filter(|_| !is_encoded).unwrap_or(limit_bytes).min(limit_bytes);
        let room = Room { admission: self, bytes };
        if self.bodies.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max_body_bytes {
            return Err(IngestError::Overloaded);
        }
        Ok(room)
    }

    /// Tells the metrics how many connections there are.
    pub fn show_connections(&self, connections: usize) {
        self.metrics.connections.set(connections as f64);
    }

    /// Sets the pace until `stop`.
    pub async fn keep_pace(&self, stop: CancellationToken) {
        let mut last = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(PACE_EVERY) => {}
                () = stop.cancelled() => return,
            }
            // The timer is exact to a millisecond.
            let lateness = last.elapsed().saturating_sub(PACE_EVERY + Duration::from_millis(2));
            last = Instant::now();
            let waiting = self.waiting.load(Ordering::Relaxed);
            let peak = self.peak.swap(waiting, Ordering::Relaxed);
            let seen = Seen { door: self.door.read(), batches: self.batches.read(), lateness, peak };
            let limit = pace::next(self.limit.load(Ordering::Relaxed), &seen);
            self.limit.store(limit, Ordering::Relaxed);
            self.wake_next();
            self.metrics.limit.set(limit as f64);
            self.metrics.waiting.set(waiting as f64);
            self.metrics.body_bytes.set(self.bodies.load(Ordering::Relaxed) as f64);
        }
    }
}

impl Permit<'_> {
    /// Notes that the scan is kept, and how long that took.
    pub fn kept(self) {
        self.admission.door.add(self.since.elapsed());
    }

    /// Notes that a part of a batch is kept, and how long that took.
    pub fn batch_kept(self) {
        self.admission.batches.add(self.since.elapsed());
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.client.under_way.fetch_sub(self.scans, Ordering::Relaxed) == self.scans {
            self.admission.clients.fetch_sub(1, Ordering::Relaxed);
        }
        self.admission.waiting.fetch_sub(self.scans, Ordering::SeqCst);
        self.admission.wake_next();
    }
}

impl<'a> Queued<'a> {
    fn enter(queue: &'a AtomicUsize) -> Self {
        queue.fetch_add(1, Ordering::SeqCst);
        Self(queue)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.admission.bodies.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Times {
    fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 16), Ordering::Relaxed);
    }

    /// The average since the last time.
    fn read(&self) -> Option<Duration> {
        let count = self.count.swap(0, Ordering::Relaxed);
        let micros = self.micros.swap(0, Ordering::Relaxed);
        micros.checked_div(count).map(Duration::from_micros)
    }
}

impl Clients {
    /// None yet; so many connections are taken, and so many of one client.
    pub fn new(max: usize, max_per_client: usize) -> Self {
        Self { loads: Mutex::default(), total: AtomicUsize::new(0), max, max_per_client }
    }

    /// Counts a connection; `None` when there are too many.
    pub fn connect(self: &Arc<Self>, address: SocketAddr) -> Option<Connection> {
        let load = self.load_of(address.ip());
        // Counted first, so that dropping it makes up for it either way.
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        let mine = load.fetch_add(1, Ordering::Relaxed);
        let connection = Connection { load, clients: Arc::clone(self) };
        (total < self.max && mine < self.max_per_client).then_some(connection)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    fn load_of(&self, ip: IpAddr) -> Arc<AtomicUsize> {
        let mut loads = self.loads.lock();
        let slot = loads.entry(address_key(ip)).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let load = Arc::default();
            *slot = Arc::downgrade(&load);
            load
        })
    }

    /// Forgets the clients that have gone.
    pub fn forget_gone(&self) {
        let mut loads = self.loads.lock();
        loads.retain(|_, load| load.strong_count() > 0);
        loads.shrink_to_fit();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.clients.total.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
