//! What an office may ask for of that which is kept by district: within its own, by identity or as a list.

use schemas::access::{Limit, Scope, covers};
use uuid::Uuid;

use crate::{
    QueryError,
    input::{self, Fields, Segment},
    store::{DistrictFilter, lies_within},
};

/// An identity and the district in it.
///
/// # Errors
/// When it is none, with what is `expected`, or of another district than the scope's.
pub fn identity(
    id: Segment,
    expected: &str,
    district_of: fn(Uuid) -> Option<u32>,
    scope: &Scope,
) -> Result<(Uuid, u32), QueryError> {
    let id = input::segment(id, "id")?;
    let known = id.parse().ok().and_then(|id| Some((id, district_of(id)?)));
    let (id, district) = known.ok_or_else(|| input::invalid("id", expected))?;
    if scope.district.is_some_and(|own| !covers(own, district)) {
        return Err(QueryError::OutOfScope { field: "id", limit: Limit::District });
    }
    Ok((id, district))
}

/// The district that is asked for, or the scope's own.
///
/// # Errors
/// When it can be none, or lies outside the scope's.
pub fn area(fields: &mut Fields, scope: &Scope) -> Result<Option<u32>, QueryError> {
    let asked = fields.area("district")?;
    if let (Some(asked), Some(own)) = (asked, scope.district)
        && !lies_within(asked, own)
    {
        return Err(QueryError::OutOfScope { field: "district", limit: Limit::District });
    }
    Ok(asked.or(scope.district))
}

/// What a list is asked for by `district`, `state` and `since`, of which `state` is one of these words.
///
/// # Errors
/// When a field can be none, with what is `expected` of `state`, or the district lies outside the scope's.
pub fn filter(
    fields: &mut Fields,
    scope: &Scope,
    expected: &str,
    words: impl IntoIterator<Item = &'static str>,
) -> Result<DistrictFilter, QueryError> {
    let (district, state) = (area(fields, scope)?, state(fields, expected, words)?);
    let since_ms = i64::from(fields.time("since")?.unwrap_or_default()) * 1000;
    Ok(DistrictFilter { district, state, since_ms })
}

/// The one of these words that `state` asks for.
///
/// # Errors
/// When it is none of them, with what is `expected`.
pub fn state(
    fields: &mut Fields,
    expected: &str,
    words: impl IntoIterator<Item = &'static str>,
) -> Result<Option<&'static str>, QueryError> {
    let Some(asked) = fields.text("state", expected)? else { return Ok(None) };
    let found = words.into_iter().find(|word| *word == asked);
    found.map(Some).ok_or_else(|| input::invalid("state", expected))
}
