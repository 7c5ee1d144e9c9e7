//! `GET /v1/checkpoints`: where lorries enter the city, and where they may be bound for, with the codes that the city
//! publishes (S4 二.2: 查询入汴交通卡点“专属场所码”).

use axum::{Json, extract::State};
use schemas::{VenueCode, VenueId, city::VenueKind};
use serde::Serialize;
use service::code::CodeSigner;
use utoipa::ToSchema;

use super::visits::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::{
    AppState, QueryError,
    input::{self, Fields},
    refusals::Refusals,
    store::CheckpointRow,
};

/// Longest text that is looked for, in characters.
const MAX_TEXT_CHARS: usize = 50;

/// Places of the freight loop.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointsResponse {
    /// Those in use, by district and name.
    checkpoints: Vec<Checkpoint>,
    /// Whether there are more than the limit let through.
    truncated: bool,
}

/// A checkpoint or a destination.
#[derive(Debug, Serialize, ToSchema)]
struct Checkpoint {
    /// Number, as a declared trip names it.
    venue: VenueId,
    /// Name.
    name: String,
    /// Category, an id of the city profile.
    category: String,
    /// District.
    district: u32,
    /// Address.
    address: String,
    /// Latitude in degrees, WGS 84.
    latitude: Option<f64>,
    /// Longitude in degrees, WGS 84.
    longitude: Option<f64>,
    /// Its code; null until it is stored.
    code: Option<String>,
    /// The code as a URL.
    url: Option<String>,
}

/// Looks up checkpoints
///
/// The same for everybody with a token. A city without codes for lorries has none.
#[utoipa::path(get, path = "/v1/checkpoints", tag = "trips",
    params(
        ("kind" = Option<String>, Query, pattern = "^freight_(checkpoint|destination)$", description = "freight_checkpoint, or freight_destination; freight_checkpoint when left out"),
        ("district" = Option<u32>, Query, minimum = 11, maximum = 829_999, description = "A district of GB/T 2260, or its first digits"),
        ("name" = Option<String>, Query, max_length = 50, description = "Part of the name or the address"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000, description = "Most of them; 1000 when left out"),
    ),
    responses(
        (status = 200, description = "The checkpoints", body = CheckpointsResponse),
        Refusals,
    ))]
pub async fn checkpoints(
    State(state): State<AppState>,
    mut fields: Fields,
) -> Result<Json<CheckpointsResponse>, QueryError> {
    const NAME: &str = "a text of up to 50 characters";
    let kind = kind(&mut fields)?;
    let text = fields.text("name", NAME)?.unwrap_or_default();
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(input::invalid("name", NAME));
    }
    let district = fields.area("district")?;
    let limit = fields.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)? as usize;
    fields.finish()?;
    let of_kind = state.city().categories.iter().filter(|category| category.kind == kind);
    let categories: Vec<&str> = of_kind.map(|category| category.id.as_str()).collect();
    let mut rows = state.store().checkpoints(&categories, district).await?;
    rows.retain(|row| row.name.contains(&text) || row.address.contains(&text));
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    let checkpoints = rows.into_iter().map(|row| Checkpoint::new(row, state.signer())).collect();
    Ok(Json(CheckpointsResponse { checkpoints, truncated }))
}

fn kind(fields: &mut Fields) -> Result<VenueKind, QueryError> {
    const KIND: &str = "freight_checkpoint or freight_destination";
    let word = fields.text("kind", KIND)?;
    let kinds = [VenueKind::FreightCheckpoint, VenueKind::FreightDestination];
    match word {
        None => Ok(VenueKind::FreightCheckpoint),
        Some(word) => kinds.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| input::invalid("kind", KIND)),
    }
}

impl Checkpoint {
    fn new(row: CheckpointRow, signer: &CodeSigner) -> Self {
        let code = row.serial.map(|serial| VenueCode { venue: row.venue_id, serial });
        Self {
            venue: row.venue_id,
            name: row.name,
            category: row.category,
            district: row.district,
            address: row.address,
            latitude: row.latitude,
            longitude: row.longitude,
            code: code.map(|code| code.sign(&signer.keys).to_string()),
            url: code.map(|code| signer.url(code)),
        }
    }
}
