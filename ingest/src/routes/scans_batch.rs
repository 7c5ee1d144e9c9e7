//! `POST /v1/scans:batch`: many scans, each with an outcome of its own.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use schemas::{Colour, ScanEvent, Verdict};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;
use uuid::Uuid;

use super::json;
use crate::{
    body::{BATCH_LIMIT_BYTES, read_ndjson},
    error::IngestError,
    fields::read,
    keep::Keeping,
    ndjson::{BatchAnswer, Receipt, count_lines, take_lines},
    refusals::BatchRefusals,
    scan::ScanRequest,
    scope::check_venue,
    spool::Messages,
    state::{Gateway, now_ms},
};

/// The outcome of an accepted scan of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanReceipt {
    /// Identity of the scan.
    receipt: Uuid,
    /// Whether the person may enter.
    verdict: Verdict,
    /// The colour in force.
    colour: Colour,
}

impl ScanReceipt {
    /// The receipt of a scan that is accepted.
    pub const fn of(event: &ScanEvent) -> Self {
        Self { receipt: event.event_id, verdict: event.verdict, colour: event.colour }
    }
}

impl Receipt for ScanReceipt {
    fn write(&self, out: &mut Vec<u8>) {
        let mut receipt = Uuid::encode_buffer();
        let parts = [
            "\"receipt\":\"",
            self.receipt.hyphenated().encode_lower(&mut receipt),
            "\",\"verdict\":\"",
            self.verdict.as_str(),
            "\",\"colour\":\"",
            self.colour.as_str(),
            "\"",
        ];
        parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    }
}

/// Takes up to 10,000 scans, one JSON object per line
///
/// Each line has its own outcome; a broken one does not stop the others. The body may be compressed with gzip
/// or zstd and has up to 8 MiB when decompressed.
#[utoipa::path(post, path = "/v1/scans:batch", tag = "scans",
    request_body(content = ScanRequest<'static>, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The outcome of each line", body = BatchAnswer<ScanReceipt>),
        BatchRefusals,
    ))]
pub async fn post(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    request: Request,
) -> Result<Response, IngestError> {
    gateway.metrics.batch_requests.increment(1);
    gateway.let_in(caller.subject(), 0)?;
    let _room = gateway.admission.room_for_body(&request, BATCH_LIMIT_BYTES)?;
    let body = read_ndjson(request).await?;
    let count = count_lines(&body)?;
    gateway.let_in(caller.subject(), count)?;
    let now_ms = now_ms();
    let begin = |scans| Keeping::scans(&gateway, scans);
    let take = |line: &[u8], messages: &mut Messages| take(&gateway, &caller, line, messages, now_ms);
    let finished = take_lines(&gateway, caller.subject(), &body, begin, take, None).await;
    let mut verdicts = [0; 4];
    finished.receipts().for_each(|receipt| verdicts[receipt.verdict as usize] += 1);
    Verdict::ALL.iter().for_each(|v| gateway.metrics.scans(*v).increment(verdicts[*v as usize]));
    gateway.metrics.rejected.increment(finished.rejected() as u64);
    Ok(json(finished.answer()))
}

fn take(
    gateway: &Gateway,
    caller: &Caller,
    line: &[u8],
    messages: &mut Messages,
    now_ms: i64,
) -> Result<ScanReceipt, IngestError> {
    let request = read::<ScanRequest<'_>>(line)?;
    let scan = request.check(caller.claims(), &gateway.city, &gateway.limits, gateway, now_ms)?;
    let event = gateway.tables.with_venue(scan.venue, |venue| {
        check_venue(caller.scope(), scan.venue, venue, "venue")?;
        gateway.accept(&scan, venue, now_ms).map(|(accepted, _)| accepted.event)
    })?;
    messages.push_scan(&event)?;
    Ok(ScanReceipt::of(&event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_written_by_hand_is_the_one_described() {
        let receipt = ScanReceipt { receipt: Uuid::max(), verdict: Verdict::Refuse, colour: Colour::Red };
        let mut out = b"{".to_vec();
        receipt.write(&mut out);
        out.push(b'}');
        let written: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(written, serde_json::to_value(&receipt).expect("serialises"));
    }
}
