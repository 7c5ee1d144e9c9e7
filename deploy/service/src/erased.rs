//! Who was erased, as the log of erasures says so far: what a service asks before it takes in what Kafka tells it.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use anyhow::Context;
use parking_lot::{Mutex, RwLock};
use rdkafka::{Message, message::BorrowedMessage};
use schemas::{Erased, ErasureEvent};

use crate::{KafkaConfig, TopicReader};

/// How long reading the log to its end may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

static NOBODY: LazyLock<Arc<Erased>> = LazyLock::new(Arc::default);

/// Nobody, for whoever has not been told yet.
pub fn nobody() -> Arc<Erased> {
    Arc::clone(&NOBODY)
}

/// Who was erased.
pub struct ErasedPeople {
    reader: Mutex<TopicReader>,
    /// Another one each time there are more.
    known: RwLock<Arc<Erased>>,
}

impl ErasedPeople {
    /// Reads the log, which has one partition, to its end.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn open(kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let topic = kafka.topics().erasures;
        let reader = Mutex::new(TopicReader::try_new(kafka, &[(&topic, 0)])?);
        let people = Self { reader, known: RwLock::new(nobody()) };
        people.catch_up()?;
        Ok(people)
    }

    /// Those who are known by now.
    pub fn known(&self) -> Arc<Erased> {
        Arc::clone(&self.known.read())
    }

    /// Reads the log up to where it ends now, and gives those who are known then.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn catch_up(&self) -> anyhow::Result<Arc<Erased>> {
        let mut reader = self.reader.lock();
        let mut more = None;
        let read = reader.read_to_end(READ_TIMEOUT, |message| self.note(&mut more, message));
        self.publish(more);
        read.context("cannot read who was erased")?;
        Ok(self.known())
    }

    /// Takes up what has come, without asking where the log ends.
    ///
    /// # Errors
    /// When the client has failed for good.
    pub fn poll(&self) -> anyhow::Result<Arc<Erased>> {
        let mut reader = self.reader.lock();
        let mut more = None;
        let read = reader.poll(Duration::ZERO, |message| self.note(&mut more, message));
        self.publish(more);
        read.context("cannot follow who was erased")?;
        Ok(self.known())
    }

    /// What cannot be read the owner of the log complains of.
    fn note(&self, more: &mut Option<Erased>, message: &BorrowedMessage<'_>) {
        if let Ok(event) = ErasureEvent::try_parse(message.payload().unwrap_or_default()) {
            more.get_or_insert_with(|| Erased::clone(&self.known())).note(&event);
        }
    }

    fn publish(&self, more: Option<Erased>) {
        let mut known = self.known.write();
        if let Some(more) = more.filter(|more| *more != **known) {
            *known = Arc::new(more);
        }
    }
}
