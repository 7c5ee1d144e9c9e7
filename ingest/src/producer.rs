//! Produces to Kafka and waits for the acknowledgements: one wait per request, however many messages it has.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::task::AtomicWaker;
use metrics::Counter;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use service::KafkaConfig;
use tokio_util::sync::CancellationToken;

use crate::{config::ProducerConfig, error::IngestError, route::Route};

/// The gateway's one producer.
pub struct Producer {
    inner: ThreadedProducer<Deliveries>,
    ack_timeout: Duration,
    ages: Arc<Ages>,
}

/// How long a slot of [`Ages`] lasts.
const SLOT: Duration = Duration::from_millis(50);
const SLOTS: usize = 256;

/// How many requests wait for Kafka, by when they began: tells the age of the oldest without a list of them.
#[derive(Debug)]
struct Ages {
    start: Instant,
    waiting: [AtomicUsize; SLOTS],
}

/// Where a message was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// The messages of one request.
pub struct Sending<'p> {
    producer: &'p Producer,
    waiting: Arc<Waiting>,
}

/// What became of the messages of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Indices of the messages that Kafka did not acknowledge, in order.
    pub failed: Vec<u32>,
    /// The last position acknowledged in each partition.
    pub last: Vec<Position>,
}

/// One counter for all messages of a request.
#[derive(Debug)]
struct Waiting {
    /// Messages on their way, and one until the request has sent its last.
    left: AtomicUsize,
    outcome: Mutex<Outcome>,
    waker: AtomicWaker,
    ages: Arc<Ages>,
    /// Where it is counted.
    slot: usize,
}

/// What librdkafka carries along with a message.
struct Slot {
    waiting: Arc<Waiting>,
    index: u32,
}

struct Deliveries {
    undelivered: Counter,
    route: Arc<Route>,
    failed_for_good: CancellationToken,
}

impl Producer {
    /// Sets up the producer; it connects by itself. `failed_for_good` is cancelled when it cannot go on.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub fn try_new(
        kafka: &KafkaConfig,
        config: &ProducerConfig,
        route: Arc<Route>,
        failed_for_good: CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut settings = kafka.producer();
        settings
            .set("linger.ms", config.linger_ms.to_string())
            .set("queue.buffering.max.messages", config.queue_messages.to_string())
            .set("message.timeout.ms", config.ack_timeout_ms.to_string())
            .set("request.timeout.ms", config.ack_timeout_ms.to_string());
        if !kafka.kafka_idempotence {
            // By default librdkafka holds a batch back while a request waits for its turn, and polls without a pause
            // until then: with a broker slower than this gateway that was three quarters of its CPU. An idempotent
            // producer is refused with any other threshold.
            settings.set("queue.buffering.backpressure.threshold", "1000");
        }
        let inner = settings
            .create_with_context(Deliveries { undelivered: crate::metrics::undelivered(), route, failed_for_good })
            .context("cannot set up the Kafka producer")?;
        let ack_timeout = Duration::from_millis(u64::from(config.ack_timeout_ms));
        Ok(Self { inner, ack_timeout, ages: Arc::new(Ages::new()) })
    }

    /// Begins the messages of a request.
    pub fn begin(&self) -> Sending<'_> {
        let ages = Arc::clone(&self.ages);
        let slot = ages.enter();
        let (left, waker) = (AtomicUsize::new(1), AtomicWaker::new());
        let waiting = Arc::new(Waiting { left, outcome: Mutex::default(), waker, ages, slot });
        Sending { producer: self, waiting }
    }

    /// How long the request that has been waiting for Kafka longest has been.
    pub fn oldest_in_flight(&self) -> Duration {
        self.ages.oldest()
    }

    /// Whether Kafka answers within a time. Blocks.
    pub fn answers(&self, topic: &str, within: Duration) -> bool {
        self.inner.client().fetch_metadata(Some(topic), within).is_ok()
    }

    /// Waits until everything is acknowledged or given up. Blocks.
    ///
    /// `in_reach` says whether that is worth waiting for: of what is out of reach, the spool has all that was promised.
    pub fn flush(&self, in_reach: bool) {
        let patience = if in_reach { self.ack_timeout + Duration::from_secs(1) } else { Duration::from_millis(500) };
        if let Err(error) = self.inner.flush(patience)
            && in_reach
        {
            tracing::error!(%error, in_flight = self.inner.in_flight_count(), "Kafka did not take all messages before the end");
        }
    }
}

impl Sending<'_> {
    /// Hands a message to librdkafka; `index` names it in the outcome.
    ///
    /// # Errors
    /// When the queue is full, or the producer cannot take it.
    pub fn send(&self, topic: &str, key: &[u8], payload: &[u8], index: u32) -> Result<(), IngestError> {
        self.waiting.left.fetch_add(1, Ordering::Relaxed);
        let slot = Box::new(Slot { waiting: Arc::clone(&self.waiting), index });
        let record = BaseRecord::with_opaque_to(topic, slot).key(key).payload(payload);
        self.producer.inner.send(record).map_err(|(error, _record)| {
            self.waiting.left.fetch_sub(1, Ordering::Relaxed);
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => IngestError::QueueFull,
                _ => IngestError::KafkaUnavailable,
            }
        })
    }

    /// Waits until each message is acknowledged by all in-sync replicas or has failed.
    ///
    /// It ends by itself: librdkafka gives a message up after the acknowledgement time-out.
    pub async fn finished(self) -> Outcome {
        let waiting = Arc::clone(&self.waiting);
        // Everything is sent: what the request itself held goes, and the last acknowledgement wakes it.
        drop(self);
        poll_fn(|context| {
            waiting.waker.register(context.waker());
            if waiting.left.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let mut outcome = std::mem::take(&mut *waiting.outcome.lock());
        outcome.failed.sort_unstable();
        outcome
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.waiting.settle();
    }
}

impl Waiting {
    fn settle(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ages.leave(self.slot);
            self.waker.wake();
        }
    }
}

impl Ages {
    fn new() -> Self {
        Self { start: Instant::now(), waiting: [const { AtomicUsize::new(0) }; SLOTS] }
    }

    fn now(&self) -> usize {
        // Wraps after more years than there are.
        (self.start.elapsed().as_millis() / SLOT.as_millis()) as usize
    }

    fn enter(&self) -> usize {
        let slot = self.now() % SLOTS;
        self.waiting[slot].fetch_add(1, Ordering::Relaxed);
        slot
    }

    fn leave(&self, slot: usize) {
        self.waiting[slot].fetch_sub(1, Ordering::Relaxed);
    }

    /// To one slot exactly, and up to [`SLOTS`] of them.
    fn oldest(&self) -> Duration {
        let now = self.now();
        let waits = |age: &usize| self.waiting[now.wrapping_sub(*age) % SLOTS].load(Ordering::Relaxed) > 0;
        let oldest = (1..SLOTS.min(now + 1)).rev().find(waits).unwrap_or_default();
        SLOT * u32::try_from(oldest).unwrap_or_default()
    }
}

impl Outcome {
    fn stored(&mut self, at: Position) {
        match self.last.iter_mut().find(|last| last.partition == at.partition) {
            Some(last) => last.offset = last.offset.max(at.offset),
            None => self.last.push(at),
        }
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => {
                tracing::error!(%error, reason, "the Kafka producer cannot go on");
                self.failed_for_good.cancel();
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.route.trouble();
                tracing::warn!(reason, "no Kafka broker can be reached");
            }
            _ => tracing::debug!(%error, reason, "trouble with Kafka; the client tries again"),
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: Box<Slot>) {
        match result {
            Ok(message) => slot
                .waiting
                .outcome
                .lock()
                .stored(Position { partition: message.partition(), offset: message.offset() }),
            Err((error, _message)) => {
                tracing::debug!(%error, "Kafka did not take a message");
                self.undelivered.increment(1);
                if !is_of_the_message(error) {
                    self.route.trouble();
                }
                slot.waiting.outcome.lock().failed.push(slot.index);
            }
        }
        slot.waiting.settle();
    }
}

/// Whether an error tells of one message and not of Kafka.
fn is_of_the_message(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, MessageSizeTooLarge};
    matches!(error.rdkafka_error_code(), Some(InvalidMessage | InvalidMessageSize | MessageSizeTooLarge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_position_of_each_partition_is_kept_in_whatever_order_they_come() {
        let mut outcome = Outcome::default();
        for (partition, offset) in [(1, 5), (0, 7), (1, 9), (1, 8)] {
            outcome.stored(Position { partition, offset });
        }
        let at = |partition, offset| Position { partition, offset };
        assert_eq!(outcome.last, [at(1, 9), at(0, 7)]);
    }

    #[test]
    fn the_age_of_the_oldest_request_is_known_until_it_is_done() {
        let ages = Ages::new();
        let slot = ages.enter();
        assert_eq!(ages.oldest(), Duration::ZERO);
        std::thread::sleep(3 * SLOT);
        let younger = ages.enter();
        assert!((2 * SLOT..40 * SLOT).contains(&ages.oldest()), "{:?}", ages.oldest());
        ages.leave(slot);
        std::thread::sleep(2 * SLOT);
        assert!(ages.oldest() >= SLOT);
        ages.leave(younger);
        assert_eq!(ages.oldest(), Duration::ZERO);
    }
}
