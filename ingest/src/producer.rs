//! Produces to Kafka and waits for the acknowledgements: one wait per request, however many messages it has.

mod in_flight;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    thread,
    time::Duration,
};

use anyhow::Context;
use in_flight::{Ages, InFlight, Tag};
pub use in_flight::{Outcome, Position};
use metrics::Counter;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use service::{KafkaConfig, shutdown::WholeOrNone};
use tokio_util::sync::CancellationToken;

use crate::{config::ProducerConfig, error::IngestError, route::Route};

/// How long librdkafka's thread of deliveries sleeps at most when there are none. In the last millisecond of each such
/// time the `rdkafka` crate asks without a pause: with the 0.1 s of its `ThreadedProducer` that was up to 1 % of a core.
const POLL: Duration = Duration::from_secs(1);

/// The gateway's one producer.
pub struct Producer {
    inner: Arc<BaseProducer<Deliveries>>,
    ack_timeout: Duration,
    waiting: Arc<Waiting>,
    stop: Arc<AtomicBool>,
}

/// The requests that wait for Kafka.
struct Waiting {
    requests: Mutex<InFlight>,
    ages: Ages,
}

/// The messages of one request.
pub struct Sending<'p> {
    producer: &'p Producer,
    request: u32,
    /// How many messages were handed over.
    sent: u32,
    is_closed: bool,
}

struct Deliveries {
    waiting: Arc<Waiting>,
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
        let waiting = Arc::new(Waiting { requests: Mutex::default(), ages: Ages::new() });
        let undelivered = crate::metrics::undelivered();
        let whole = WholeOrNone(failed_for_good.clone());
        let deliveries = Deliveries { waiting: Arc::clone(&waiting), undelivered, route, failed_for_good };
        let inner: BaseProducer<Deliveries> =
            settings.create_with_context(deliveries).context("cannot set up the Kafka producer")?;
        let (inner, stop) = (Arc::new(inner), Arc::new(AtomicBool::new(false)));
        let (polled, is_over) = (Arc::clone(&inner), Arc::clone(&stop));
        let poll = move || {
            let _whole = whole;
            while !is_over.load(Ordering::Relaxed) {
                polled.poll(POLL);
            }
        };
        // It ends by itself, within the time of a poll after the producer is dropped.
        thread::Builder::new().name("deliveries".to_owned()).spawn(poll).context("cannot start a thread")?;
        let ack_timeout = Duration::from_millis(u64::from(config.ack_timeout_ms));
        Ok(Self { inner, ack_timeout, waiting, stop })
    }

    /// Begins the messages of a request.
    pub fn begin(&self) -> Sending<'_> {
        let slot = self.waiting.ages.enter();
        let request = self.waiting.requests.lock().begin(slot);
        Sending { producer: self, request, sent: 0, is_closed: false }
    }

    /// How long the request that has been waiting for Kafka longest has been.
    pub fn oldest_in_flight(&self) -> Duration {
        self.waiting.ages.oldest()
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
    /// Hands a message to librdkafka. The first one that is taken has number 0 in the outcome.
    ///
    /// # Errors
    /// When the queue is full, or the producer cannot take it.
    pub fn send(&mut self, topic: &str, key: &[u8], payload: &[u8]) -> Result<(), IngestError> {
        let tag = Tag { request: self.request, message: self.sent };
        let record = BaseRecord::with_opaque_to(topic, tag.pack()).key(key).payload(payload);
        self.producer.inner.send(record).map_err(|(error, _record)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => IngestError::QueueFull,
            _ => IngestError::KafkaUnavailable,
        })?;
        self.sent += 1;
        Ok(())
    }

    /// Waits until each message is acknowledged by all in-sync replicas or has failed.
    ///
    /// It ends by itself: librdkafka gives a message up after the acknowledgement time-out.
    pub async fn finished(mut self) -> Outcome {
        self.close();
        poll_fn(|context| self.producer.waiting.requests.lock().poll(self.request, context.waker())).await
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) {
            let waiting = &self.producer.waiting;
            waiting.wake(|requests| requests.sent(self.request, self.sent, &waiting.ages));
        }
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.close();
        self.producer.waiting.requests.lock().leave(self.request);
    }
}

impl Waiting {
    /// Notes something, and wakes who waits for it once others may note theirs.
    fn wake(&self, note: impl FnOnce(&mut InFlight) -> Option<Waker>) {
        let waker = note(&mut self.requests.lock());
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
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
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let stored = match result {
            Ok(message) => Some(Position { partition: message.partition(), offset: message.offset() }),
            Err((error, _message)) => {
                tracing::debug!(%error, "Kafka did not take a message");
                self.undelivered.increment(1);
                if !is_of_the_message(error) {
                    self.route.trouble();
                }
                None
            }
        };
        self.waiting.wake(|requests| requests.settle(Tag::unpack(tag), stored, &self.waiting.ages));
    }
}

/// Whether an error tells of one message and not of Kafka.
fn is_of_the_message(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessage, InvalidMessageSize, MessageSizeTooLarge};
    matches!(error.rdkafka_error_code(), Some(InvalidMessage | InvalidMessageSize | MessageSizeTooLarge))
}
