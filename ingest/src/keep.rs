//! Gets the messages of one request kept: by Kafka, or by the spool while Kafka is out of reach.

use std::pin::pin;

use tokio::sync::futures::Notified;

use crate::{
    error::IngestError,
    producer::{Position, Sending},
    spool::{Messages, Refused, Spool},
    state::Gateway,
};

/// A message has about 300 bytes, its key and its head included.
const MESSAGE_BYTES: usize = 384;

/// Messages on their way.
pub struct Keeping<'g> {
    topic: &'g str,
    /// What a message is written to; all of them stay here while the spool may have to take them.
    pub messages: Messages,
    sent: u32,
    spool: Option<&'g Spool>,
    /// `None` when the spool takes them without Kafka being asked.
    sending: Option<Sending<'g>>,
    lost: Notified<'g>,
}

/// What became of the messages of one request.
#[derive(Debug, Default)]
pub struct Kept {
    /// Numbers of the messages that are not kept, going up, and why.
    pub failed: Option<(Vec<u32>, IngestError)>,
    /// The last position on Kafka in each partition, as far as it is known.
    pub last: Vec<Position>,
}

impl<'g> Keeping<'g> {
    /// Begins so many scans of a request.
    pub fn scans(gateway: &'g Gateway, scans: usize) -> Self {
        // First this, then the question: otherwise the moment at which Kafka is lost could fall between them.
        let lost = gateway.route.lost();
        let sending = (!gateway.route.is_spooling()).then(|| gateway.producer.begin());
        let spool = gateway.spool.as_ref();
        // Without a spool only one of them is held at a time.
        let held = if spool.is_some() { scans } else { 1 };
        let messages = Messages::with_capacity(held * MESSAGE_BYTES);
        Self { topic: &gateway.topics.scans, messages, sent: 0, spool, sending, lost }
    }

    /// Begins the lines of a feed. They are not spooled: a colour that other gateways do not know for hours would be
    /// worse than a feed that is told to try again.
    pub fn feed(gateway: &'g Gateway, topic: &'g str) -> Self {
        let (lost, sending) = (gateway.route.lost(), Some(gateway.producer.begin()));
        Self { topic, messages: Messages::default(), sent: 0, spool: None, sending, lost }
    }

    /// Where the next message is written.
    pub fn blank(&mut self) -> &mut Messages {
        if self.spool.is_none() {
            self.messages.clear();
        }
        &mut self.messages
    }

    /// Sends the message that was written last. The first one sent has number 0.
    ///
    /// # Errors
    /// When the queue to Kafka is full, or the producer cannot take it.
    pub fn send(&mut self) -> Result<(), IngestError> {
        if let Some(sending) = &mut self.sending {
            let message = self.messages.last().ok_or(IngestError::Internal)?;
            if let Err(error) = sending.send(self.topic, message.key, message.value) {
                self.messages.drop_last();
                return Err(error);
            }
        }
        self.sent += 1;
        Ok(())
    }

    /// Waits until all messages are kept or have failed; it ends by itself.
    pub async fn kept(self) -> Kept {
        let Self { messages, sending, lost, spool, sent, .. } = self;
        let mut lost = pin!(lost);
        let mut kept = Kept::default();
        let missing = match (sending, spool) {
            (None, _) => None,
            (Some(sending), None) => {
                let outcome = sending.finished().await;
                kept.last = outcome.last;
                Some(outcome.failed)
            }
            // What has not been acknowledged when Kafka is lost need not wait for its time-out. It may arrive there all
            // the same, and then repeats what the spool sends.
            (Some(sending), Some(_)) => tokio::select! {
                biased;
                outcome = sending.finished() => {
                    kept.last = outcome.last;
                    Some(outcome.failed)
                }
                () = &mut lost => None,
            },
        };
        if sent == 0 || missing.as_ref().is_some_and(Vec::is_empty) {
            return kept;
        }
        let numbers = || missing.clone().unwrap_or_else(|| (0..sent).collect());
        let Some(spool) = spool else {
            kept.failed = Some((numbers(), IngestError::KafkaUnavailable));
            return kept;
        };
        let wanted = |number| missing.as_ref().is_none_or(|missing| missing.binary_search(&number).is_ok());
        let taken = spool.append(messages.into_records(wanted)).await;
        kept.failed = taken.err().map(|refused| {
            let error = match refused {
                Refused::Full => IngestError::SpoolFull,
                Refused::Broken => IngestError::KafkaUnavailable,
            };
            (numbers(), error)
        });
        kept
    }
}
