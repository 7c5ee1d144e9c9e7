//! Which way scans take: to Kafka, or to the spool while Kafka is out of reach.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    producer::Producer,
    reach::{Reach, Sight},
    state::Gateway,
};

/// The condition of `/readyz` that says how Kafka is.
pub const CONDITION: &str = "kafka";
/// How often Kafka is judged.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often an idle gateway asks whether Kafka is back.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The way that scans take now; read by every request.
#[derive(Debug, Default)]
pub struct Route {
    spooling: AtomicBool,
    /// Wakes the requests that wait for Kafka when it goes out of reach.
    lost: Notify,
    troubles: AtomicU64,
    probes: AtomicU64,
}

impl Route {
    /// Whether scans go to the spool.
    pub fn is_spooling(&self) -> bool {
        self.spooling.load(Ordering::Acquire)
    }

    /// Ends when Kafka goes out of reach. Take it before asking [`Self::is_spooling`], or the moment can be missed.
    pub fn lost(&self) -> Notified<'_> {
        self.lost.notified()
    }

    /// Notes that a message was given up, or that no broker can be reached.
    pub fn trouble(&self) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that Kafka took something while it was not known to be back.
    pub fn probe_succeeded(&self) {
        self.probes.fetch_add(1, Ordering::Relaxed);
    }

    fn switch(&self, spooling: bool) {
        if self.spooling.swap(spooling, Ordering::AcqRel) != spooling && spooling {
            self.lost.notify_waiters();
        }
    }
}

/// Judges Kafka until `stop`, and switches the way.
pub async fn watch(gateway: Arc<Gateway>, patience: Duration, stop: CancellationToken) {
    let Some(spool) = &gateway.spool else { return };
    let route = &*gateway.route;
    let mut reach = Reach::new(patience);
    let (start, mut every) = (Instant::now(), tokio::time::interval(LOOK_EVERY));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut troubles, mut probes, mut asked) = (0, 0, start);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        let seen = (route.troubles.load(Ordering::Relaxed), route.probes.load(Ordering::Relaxed));
        let sight = Sight {
            trouble: seen.0 != troubles,
            probed: seen.1 != probes,
            oldest: gateway.producer.oldest_in_flight(),
        };
        (troubles, probes) = seen;
        let in_reach = reach.look(start.elapsed(), sight);
        let was_spooling = route.is_spooling();
        route.switch(!in_reach);
        spool.report();
        let fill = spool.fill();
        match (was_spooling, in_reach) {
            (false, false) => tracing::warn!("Kafka is out of reach: scans go to the spool"),
            (true, true) => {
                tracing::info!(records = fill.records, "Kafka is back: scans go there again, and the spool with them")
            }
            _ => {}
        }
        crate::metrics::spooling(!in_reach);
        match (in_reach, fill.records) {
            (true, 0) => gateway.readiness.met(CONDITION),
            (true, records) => {
                gateway.readiness.degraded(CONDITION, format!("{records} scans in the spool are on their way"))
            }
            (false, records) => {
                let note = format!("Kafka is out of reach: scans are kept in the spool, {records} so far");
                gateway.readiness.degraded(CONDITION, note);
            }
        }
        if !in_reach && fill.records == 0 && asked.elapsed() > ASK_EVERY {
            asked = Instant::now();
            let asking = Arc::clone(&gateway);
            // Its own time-out keeps it from piling up.
            tokio::task::spawn_blocking(move || {
                if Producer::answers(&asking.producer, &asking.topics.scans, ASK_EVERY / 2) {
                    asking.route.probe_succeeded();
                }
            });
        }
    }
}
