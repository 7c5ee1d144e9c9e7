//! `GET /v1/scans`: an operator's own scans in detail, with masked identities (S0).

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use schemas::{Colour, Direction, KeyRing, Method, Reason, Reasons, VenueId, Verdict};
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::{
    footfall::scope,
    visits::{DEFAULT_LIMIT, MAX_LIMIT},
};
use crate::{
    AppState, QueryError, answer,
    buckets::Step,
    input::{Fields, invalid},
    limits,
    refusals::Refusals,
    store::{ScanDetailRow, VenueNames},
};

const SCOPE: &str = "venue or organisation";

/// Scans in detail.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScansResponse {
    /// Newest first.
    scans: Vec<ScanDetail>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A scan.
#[derive(Debug, Serialize, ToSchema)]
struct ScanDetail {
    /// Number of the venue.
    venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    venue_name: Option<String>,
    /// Eight digits that are the same for all scans of a person at this venue on this day of the city, and others elsewhere
    /// and on other days; the rest is masked. Two people may have the same: among 10,000 at one venue on one day any two
    /// do with a chance of one in a hundred. They change too when the key that signs codes does.
    #[schema(pattern = "^[*]{8}[0-9a-f]{8}$")]
    person: String,
    /// When.
    scanned_at: DateTime<Utc>,
    /// How.
    method: Method,
    /// In or out.
    direction: Direction,
    /// What the person was told.
    verdict: Verdict,
    /// Why the person was refused.
    reasons: Vec<Reason>,
    /// Colour in force at the scan.
    colour: Colour,
}

impl ScanDetail {
    fn new(row: &ScanDetailRow, names: &VenueNames, key: &AliasKey, offset_s: i64) -> Self {
        Self {
            venue: row.venue_id,
            venue_name: names.of(row.venue_id).map(str::to_owned),
            person: format!("********{:08x}", key.alias(row, offset_s)),
            scanned_at: answer::time(row.scanned_at),
            method: row.method,
            direction: row.direction,
            verdict: row.verdict,
            reasons: Reasons::from_bits(row.reasons).iter().collect(),
            colour: row.colour,
        }
    }
}

/// Masks people. Without the key nobody who knows a person's key, or guesses it, can tell which scans are theirs.
pub struct AliasKey([u8; 32]);

impl AliasKey {
    /// From the key that signs codes, which all query services of a city have, and nobody outside.
    pub fn derived_from(codes: &KeyRing) -> Self {
        Self(blake3::derive_key("venuecode 2026 aliases of people in details of scans", codes.active_key()))
    }

    /// Who it was, for one venue and one day: whoever sees several venues can follow nobody from one to the other.
    fn alias(&self, row: &ScanDetailRow, offset_s: i64) -> u32 {
        let day = Step::Day.start_of(row.scanned_at.into(), offset_s);
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&row.person_id.to_le_bytes());
        hasher.update(&row.venue_id.to_le_bytes()).update(&day.to_le_bytes());
        let hash = *hasher.finalize().as_bytes();
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
    }
}

/// The scans at a venue or those of an organisation, newest first
///
/// Whose they are is masked: the digits tell people apart at one venue on one day, and look nobody up.
#[utoipa::path(get, path = "/v1/scans", tag = "footfall",
    params(
        ("scope" = String, Query, pattern = "^(venue|organisation)$", description = "`venue` or `organisation`"),
        ("id" = String, Query, description = "Number of the venue, or unified social credit code of the organisation"),
        ("from" = String, Query, format = DateTime, description = "First second"),
        ("to" = String, Query, format = DateTime, description = "First second after it"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most rows; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The scans", body = ScansResponse),
        Refusals,
    ))]
pub async fn scans(
    State(state): State<AppState>,
    caller: Caller,
    mut fields: Fields,
) -> Result<Json<ScansResponse>, QueryError> {
    let asked = scope::scope(&mut fields, &state.city().city)?;
    if !asked.scope.is_of_venues() {
        return Err(invalid("scope", SCOPE));
    }
    let time = fields.time_range()?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;

    limits::check_footfall(state.store(), caller.scope(), &asked.scope).await?;
    let (rows, truncated) = state.store().scans(&asked.scope, time, limit).await?;
    let offset_s = state.offset_s();
    let names = state.directory().names(rows.iter().map(|row| row.venue_id)).await?;
    Ok(Json(ScansResponse {
        scans: rows.iter().map(|row| ScanDetail::new(row, &names, state.aliases(), offset_s)).collect(),
        truncated,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_of_a_person_at_a_venue_on_a_day_and_nobody_tells_it_without_the_key() {
        let key = |digit: &str| {
            let ring = KeyRing::try_parse(&format!("1:{}", digit.repeat(64))).expect("a ring");
            AliasKey::derived_from(&ring)
        };
        let row = |person: u64, venue_id, scanned_at| ScanDetailRow {
            venue_id,
            person_id: 1 << 60 | person,
            scanned_at,
            method: Method::VenueCode,
            direction: Direction::Entry,
            verdict: Verdict::Admit,
            reasons: 0,
            colour: Colour::Green,
        };
        let (own, noon) = (row(1, 7, 43_200), 43_200);
        let alias = key("a").alias(&own, 0);
        assert_eq!(key("a").alias(&row(1, 7, noon + 60), 0), alias, "any service with this key says the same");
        for other in [row(2, 7, noon), row(1, 8, noon), row(1, 7, noon + 86_400)] {
            assert_ne!(key("a").alias(&other, 0), alias, "{other:?}");
        }
        assert_ne!(key("b").alias(&own, 0), alias);
    }
}
