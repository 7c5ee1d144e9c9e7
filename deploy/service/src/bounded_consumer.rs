//! Consumers that can be let go at any time.

use std::{
    ops::Deref,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, ConsumerContext, DefaultConsumerContext},
    error::KafkaResult,
};

/// How long a consumer may take to close. It takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// A consumer that is closed within a bounded time.
///
/// `rdkafka` waits in `drop` until librdkafka (2.12.1) has closed a consumer, and that waits for commits whose coordinator is
/// out of reach, and now and then has not come to an end with Kafka in reach either: a worker that gives up its partition,
/// and with it the whole group, would stand still. Such a consumer is left to close beside; it hands out nothing any more.
pub struct BoundedConsumer<C: ConsumerContext + 'static = DefaultConsumerContext> {
    /// Until it is closed.
    consumer: Option<BaseConsumer<C>>,
}

impl<C: ConsumerContext + 'static> BoundedConsumer<C> {
    /// A consumer with these settings and a context that is told what becomes of its doings.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn try_new(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        Ok(Self { consumer: Some(config.create_with_context(context)?) })
    }
}

impl<C: ConsumerContext + 'static> Deref for BoundedConsumer<C> {
    type Target = BaseConsumer<C>;

    fn deref(&self) -> &Self::Target {
        self.consumer.as_ref().unwrap_or_else(|| unreachable!("it is there until it is dropped"))
    }
}

impl<C: ConsumerContext + 'static> Drop for BoundedConsumer<C> {
    fn drop(&mut self) {
        let consumer = self.consumer.take();
        if !ends_within(PATIENCE, move || drop(consumer)) {
            tracing::warn!("a Kafka consumer takes long to close; going on without waiting for it");
        }
    }
}

/// Does something in a thread of its own; whether it is done in time. It goes on in any case.
fn ends_within(patience: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (working, done) = mpsc::channel::<()>();
    let thread = thread::Builder::new().name("closing".to_owned()).spawn(move || {
        work();
        drop(working);
    });
    // Without a thread the work was dropped, and what it held with it.
    thread.is_err() || done.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_does_not_end_is_not_waited_for() {
        let started = Instant::now();
        assert!(ends_within(Duration::from_secs(60), || ()));
        assert!(!ends_within(Duration::from_millis(1), || loop {
            thread::park();
        }));
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
