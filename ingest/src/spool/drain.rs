//! Sends what lies in the spool to Kafka, oldest first, and removes what Kafka has acknowledged.
//!
//! Scans that come meanwhile need not wait behind it: the processor takes venue and health as of the scan's own times,
//! and knows a repeated scan wherever it stands, so the order of a person's scans on Kafka makes no difference.

use std::{fs, sync::Arc, time::Duration};

use schemas::{Erased, topics};

use super::{
    record::{End, Message},
    segment::{Sealed, contents, set_aside},
};
use crate::{error::IngestError, state::Gateway};

/// So many records are on their way to Kafka together: enough to be quick, too few to hold new scans up.
const WINDOW: usize = 1_000;
/// So many while Kafka is not known to be back.
const PROBE: usize = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Sends for as long as the gateway runs; ends with a step undone at any moment.
pub async fn run(gateway: Arc<Gateway>) {
    let Some(spool) = &gateway.spool else { return };
    loop {
        let segment = spool.oldest().await;
        let path = segment.path.clone();
        match tokio::task::spawn_blocking(move || fs::read(path)).await {
            Ok(Ok(bytes)) => {
                let mut contents = contents(&bytes, segment.number);
                let erased = erased(&gateway).await;
                contents.messages.retain(|message| !erased.has_message(topics::SCANS, message.value, 0));
                send(&gateway, &contents.messages).await;
                finish(&gateway, &segment, contents.end);
            }
            failed => {
                let error =
                    failed.map_or_else(|e| e.to_string(), |r| r.err().map_or_else(String::new, |e| e.to_string()));
                tracing::error!(path = %segment.path.display(), error, "a segment of the spool cannot be read");
                finish(&gateway, &segment, End::Damaged { at: 0 });
            }
        }
    }
}

/// Who was erased: nothing of them from before is sent on.
async fn erased(gateway: &Gateway) -> Arc<Erased> {
    loop {
        if let Some(erased) = gateway.tables.erased() {
            return erased;
        }
        tokio::time::sleep(FIRST_PAUSE).await;
    }
}

/// Sends all messages, however long it takes.
async fn send(gateway: &Gateway, messages: &[Message<'_>]) {
    let mut pause = FIRST_PAUSE;
    let mut sent = 0;
    while sent < messages.len() {
        let window = if gateway.route.is_spooling() { PROBE } else { WINDOW };
        let part = &messages[sent..messages.len().min(sent + window)];
        if send_part(gateway, part).await {
            gateway.route.probe_succeeded();
            if let Some(spool) = &gateway.spool {
                spool.shared.metrics.drained.increment(part.len() as u64);
            }
            sent += part.len();
            pause = FIRST_PAUSE;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether Kafka has acknowledged all of them; otherwise all are sent again, those that it has are known there.
async fn send_part(gateway: &Gateway, part: &[Message<'_>]) -> bool {
    let mut sending = gateway.producer.begin();
    let mut queued = true;
    for message in part {
        match sending.send(&gateway.topics.scans, message.key, message.value) {
            Ok(()) => {}
            Err(IngestError::QueueFull) => {
                queued = false;
                break;
            }
            Err(_) => {
                gateway.route.trouble();
                queued = false;
                break;
            }
        }
    }
    sending.finished().await.failed.is_empty() && queued
}

fn finish(gateway: &Gateway, segment: &Sealed, end: End) {
    let Some(spool) = &gateway.spool else { return };
    let path = segment.path.display();
    let done = match end {
        End::Whole | End::Torn { .. } => fs::remove_file(&segment.path),
        End::Damaged { at } => {
            spool.shared.metrics.damaged.increment(1.0);
            tracing::error!(%path, at, bytes = segment.bytes, "a segment of the spool is damaged: what stands before was sent, the file is set aside");
            set_aside(&segment.path).map(|_| ())
        }
    };
    if let Err(error) = done {
        tracing::error!(%path, %error, "a segment of the spool stays, and is sent again after a restart");
    }
    spool.forget(segment);
}
