//! What of that which is kept by district an office may speak of: that of its own, by identity.

use schemas::access::{Limit, Scope, is_city_wide};
use service::http::Segment;
use uuid::Uuid;

use crate::{error::IngestError, fields::segment};

/// The identity in a path, and the district in it.
///
/// # Errors
/// When it is none, with what is `expected`.
pub fn identity(
    id: Segment,
    expected: &'static str,
    district_of: fn(Uuid) -> Option<u32>,
) -> Result<(Uuid, u32), IngestError> {
    let known = segment(id, "id")?.parse().ok().and_then(|id| Some((id, district_of(id)?)));
    known.ok_or_else(|| IngestError::invalid("id", expected))
}

/// Checks that a token may decide what an office of a district asked for: what a whole city's or province's asks for, one
/// without a limit decides.
///
/// # Errors
/// [`IngestError::OutOfScope`].
pub fn check_decides(scope: &Scope, district: u32) -> Result<(), IngestError> {
    if scope.district.is_some() && is_city_wide(district) {
        return Err(IngestError::OutOfScope { field: "id", limit: Limit::District });
    }
    Ok(())
}
