//! One who listens: gets the newest counts when they change, a sign of life in between, and loses the place by not
//! taking what is sent.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Counts, places::Place};
use crate::store::BucketRow;

/// Events that wait for a reader; what follows waits with the newest counts.
const WAITING: usize = 1;

/// What a reader is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The counts have changed, at a time in seconds since 1970.
    Counts(BucketRow, u32),
    /// The counts cannot be had for a while.
    Unavailable,
    /// Nothing has changed, and the connection is alive.
    Alive,
}

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After how long without counts a sign of life is sent.
    pub heartbeat: Duration,
    /// How long an event may lie that the connection does not take; its buffers take many before a reader must.
    pub patience: Duration,
    /// When the stream ends whatever happens, as the token does.
    pub until: Instant,
}

/// A place among those who listen.
#[derive(Debug)]
pub struct Listener {
    counts: watch::Receiver<Counts>,
    place: Place,
    closed: CancellationToken,
}

impl Listener {
    pub(super) const fn new(counts: watch::Receiver<Counts>, place: Place, closed: CancellationToken) -> Self {
        Self { counts, place, closed }
    }
}

/// The events for one reader: those that are `shown` differently from the one before.
pub fn serve<E: PartialEq + Clone + Send + Sync + 'static>(
    listener: Listener,
    pace: Pace,
    shown: impl Fn(Event) -> E + Send + 'static,
) -> mpsc::Receiver<E> {
    let (sender, events) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let Listener { mut counts, place, closed } = listener;
        let sending = send(&mut counts, &sender, pace, shown);
        tokio::select! {
            () = closed.cancelled() => {}
            () = tokio::time::sleep_until(pace.until) => {}
            () = sender.closed() => {}
            () = sending => {}
        }
        drop(place);
    });
    events
}

/// Sends until the reader is too slow.
async fn send<E: PartialEq + Clone>(
    counts: &mut watch::Receiver<Counts>,
    sender: &mpsc::Sender<E>,
    pace: Pace,
    shown: impl Fn(Event) -> E,
) {
    let mut last = None;
    // What was counted before this reader came is news to them.
    counts.mark_changed();
    loop {
        let event = match tokio::time::timeout(pace.heartbeat, counts.changed()).await {
            Ok(Ok(())) => match counts.borrow_and_update().clone() {
                Some(event) => shown(event),
                None => continue,
            },
            Ok(Err(_)) => return,
            Err(_) => shown(Event::Alive),
        };
        if last.as_ref() == Some(&event) && event != shown(Event::Alive) {
            continue;
        }
        if sender.send_timeout(event.clone(), pace.patience).await.is_err() {
            return;
        }
        if event != shown(Event::Alive) {
            last = Some(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::live::places::Places;

    /// Long enough for a busy machine.
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(100);

    struct Stage {
        places: Arc<Places>,
        counts: watch::Sender<Counts>,
        closed: CancellationToken,
    }

    fn counts(scans: u64) -> Event {
        Event::Counts(BucketRow { scans, ..BucketRow::default() }, 0)
    }

    impl Stage {
        fn new() -> Self {
            let places = Arc::new(Places::new(1, 1));
            Self { places, counts: watch::Sender::new(None), closed: CancellationToken::new() }
        }

        fn reader(&self, heartbeat: Duration, patience: Duration, lifetime: Duration) -> mpsc::Receiver<Event> {
            let place = Places::take(&self.places, 7).expect("a place");
            let listener = Listener::new(self.counts.subscribe(), place, self.closed.clone());
            // Tens are all that it sees.
            let tens = |event| match event {
                Event::Counts(row, at) => Event::Counts(BucketRow { scans: row.scans / 10 * 10, ..row }, at),
                other => other,
            };
            serve(listener, Pace { heartbeat, patience, until: Instant::now() + lifetime }, tens)
        }

        /// Waits until the reader's place is free again.
        async fn has_place(&self) {
            let free = async {
                while Places::take(&self.places, 7).is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(LONG, free).await.expect("the place is free");
        }
    }

    #[tokio::test]
    async fn a_reader_gets_what_is_there_and_then_what_looks_different() {
        let stage = Stage::new();
        stage.counts.send_replace(Some(counts(20)));
        let mut reader = stage.reader(SHORT, LONG, LONG);
        assert_eq!(reader.recv().await, Some(counts(20)));
        stage.counts.send_replace(Some(counts(29)));
        assert_eq!(reader.recv().await, Some(Event::Alive), "it looks the same");
        stage.counts.send_replace(Some(counts(30)));
        let mut next = reader.recv().await;
        while next == Some(Event::Alive) {
            next = reader.recv().await;
        }
        assert_eq!(next, Some(counts(30)));
        assert!(Places::take(&stage.places, 7).is_none());
    }

    #[tokio::test]
    async fn a_reader_who_takes_nothing_loses_the_place() {
        let stage = Stage::new();
        stage.counts.send_replace(Some(counts(10)));
        let mut reader = stage.reader(Duration::from_millis(10), SHORT, LONG);
        stage.has_place().await;
        assert_eq!(reader.recv().await, Some(counts(10)), "what lay there");
        assert_eq!(reader.recv().await, None);
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_service_the_token_and_the_reader() {
        let stage = Stage::new();
        let mut reader = stage.reader(LONG, LONG, SHORT);
        assert_eq!(reader.recv().await, None, "with the token");
        stage.has_place().await;
        drop(stage.reader(LONG, LONG, LONG));
        stage.has_place().await;
        let mut reader = stage.reader(LONG, LONG, LONG);
        stage.closed.cancel();
        assert_eq!(reader.recv().await, None, "with the service");
        stage.has_place().await;
    }
}
