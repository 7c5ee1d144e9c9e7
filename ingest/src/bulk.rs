//! Bulk changes of health codes: what one account may not do by itself is proposed, and released by another one.
//!
//! Here they only go to the topic `health-proposals`; what becomes of them is decided by the fold of that log
//! (`processor/src/proposals.rs`), and from there the changes reach the tables like all others.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use schemas::{
    Colour, HealthEvent, ProposalEvent,
    events::{ProposalAction, VERSION},
};
use serde::Serialize;
use service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{error::IngestError, keep::Keeping, metrics::count_feed, routes::json, state::Gateway, tables::OnTheirWay};

/// Changes that travel in one message: at most about 400 kB.
const CHANGES_PER_PART: usize = 100;

/// A line with its number, and the change that it is.
pub type Change = (usize, Result<HealthEvent, IngestError>);

/// A bulk change that is kept until another account releases it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalAnswer {
    /// Its identity.
    proposal: Uuid,
    /// BLAKE3 over its changes, in whatever order: what another account sends has to have the same.
    digest: String,
    /// Lines that were accepted.
    accepted: usize,
    /// Lines that were not, and are no part of it.
    rejected: usize,
    /// The lines that were not accepted.
    lines: Vec<RejectedLine>,
    /// From when it can no longer be released.
    expires_at: DateTime<Utc>,
    /// Path on the query API where it can be followed.
    follow: String,
}

/// A release that is kept, to be decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseAnswer {
    /// Identity of the command.
    command: Uuid,
    /// BLAKE3 over the changes that were sent.
    digest: String,
    /// Lines that were accepted.
    accepted: usize,
    /// Lines that were not, and are not in the digest.
    rejected: usize,
    /// The lines that were not accepted.
    lines: Vec<RejectedLine>,
    /// Path on the query API where it can be followed.
    follow: String,
}

/// A line that was not accepted.
#[derive(Debug, Serialize, ToSchema)]
struct RejectedLine {
    /// Its number in the body, from 1.
    line: usize,
    /// Why.
    problem: Problem,
}

/// Lets changes through that the account may make by itself, and counts them as on their way until what is returned is
/// dropped; `None` when they need another account. To green everybody may be turned: that restricts nobody.
pub fn let_through<'g>(
    gateway: &'g Gateway,
    account: &'g str,
    changes: &[Change],
    now_ms: i64,
) -> Option<Option<OnTheirWay<'g>>> {
    let graver = changes.iter().filter(|(_, c)| c.as_ref().is_ok_and(|change| change.colour >= Colour::Yellow)).count();
    let graver = u32::try_from(graver).unwrap_or(u32::MAX);
    if graver == 0 || gateway.bulk.automatic_feeds.iter().any(|feed| feed == account) {
        return Some(None);
    }
    gateway.tables.try_turn(account, graver, gateway.bulk.bulk_changes, now_ms).map(Some)
}

/// Keeps a bulk change until another account releases it.
///
/// # Errors
/// When Kafka does not take it; nothing is proposed then.
pub async fn propose(
    gateway: &Gateway,
    account: &str,
    changes: Vec<Change>,
    now_ms: i64,
) -> Result<Response, IngestError> {
    let proposal = Uuid::now_v7();
    let (accepted, lines) = apart(changes);
    let digest = ProposalEvent::digest(&accepted);
    let (count, rejected) = (accepted.len(), lines.len());
    let mut parts = 0;
    let all_parts: Vec<ProposalAction> = accepted
        .chunks(CHANGES_PER_PART)
        .map(|some| {
            parts += 1;
            ProposalAction::Part { part: parts - 1, changes: some.to_vec() }
        })
        .collect();
    // The parts first, all of them: only then is anything proposed.
    keep(gateway, proposal, all_parts, now_ms).await?;
    let expires_at_ms = now_ms + i64::from(gateway.bulk.bulk_hours) * 3_600_000;
    let by = account.to_owned();
    let proposed = ProposalAction::Propose { parts, digest: digest.clone(), expires_at_ms, by };
    keep(gateway, proposal, vec![proposed], now_ms).await?;
    count_feed("/v1/health-codes:batch", "health-proposals", count);
    tracing::info!(%proposal, changes = count, rejected, "a bulk change waits for its release");
    let expires_at = DateTime::from_timestamp_millis(expires_at_ms).unwrap_or_default();
    accept(&ProposalAnswer { proposal, digest, accepted: count, rejected, lines, expires_at, follow: follow(proposal) })
}

/// Keeps a release, to be decided.
///
/// # Errors
/// When Kafka does not take it.
pub async fn release(
    gateway: &Gateway,
    account: &str,
    proposal: Uuid,
    changes: Vec<Change>,
    now_ms: i64,
) -> Result<Response, IngestError> {
    let command = Uuid::now_v7();
    let (accepted, lines) = apart(changes);
    let digest = ProposalEvent::digest(&accepted);
    let release = ProposalAction::Release { command, digest: digest.clone(), by: account.to_owned() };
    keep(gateway, proposal, vec![release], now_ms).await?;
    tracing::info!(%proposal, "a release of a bulk change was taken");
    let (accepted, rejected) = (accepted.len(), lines.len());
    accept(&ReleaseAnswer { command, digest, accepted, rejected, lines, follow: follow(proposal) })
}

/// The changes, and the lines that are none.
fn apart(changes: Vec<Change>) -> (Vec<HealthEvent>, Vec<RejectedLine>) {
    let (mut accepted, mut lines) = (Vec::new(), Vec::new());
    for (line, change) in changes {
        match change {
            Ok(change) => accepted.push(change),
            Err(error) => lines.push(RejectedLine { line, problem: error.problem() }),
        }
    }
    (accepted, lines)
}

async fn keep(gateway: &Gateway, proposal: Uuid, actions: Vec<ProposalAction>, at_ms: i64) -> Result<(), IngestError> {
    let mut keeping = Keeping::feed(gateway, &gateway.topics.health_proposals);
    for action in actions {
        let event = ProposalEvent { v: VERSION, proposal, at_ms, action };
        keeping.blank().push(proposal.to_string().as_bytes(), &event)?;
        keeping.send()?;
    }
    keeping.kept().await.failed.map_or(Ok(()), |(_, error)| Err(error))
}

fn follow(proposal: Uuid) -> String {
    format!("/v1/health-proposals/{proposal}")
}

fn accept(answer: &impl Serialize) -> Result<Response, IngestError> {
    let answer = serde_json::to_vec(answer).map_err(|_| IngestError::Internal)?;
    Ok((StatusCode::ACCEPTED, json(answer)).into_response())
}
