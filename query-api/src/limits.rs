//! Holds what is asked for against the limits of the token that asks.

use schemas::{
    VenueId,
    access::{Limit, Scope as Limits, covers},
};

use crate::{
    QueryError,
    store::{Scope, Store},
};

/// Whether a venue lies within the limits; one that the directory does not have lies within none.
///
/// # Errors
/// [`QueryError::OutOfScope`], or when ClickHouse does not answer.
pub async fn check_venue(store: &Store, limits: &Limits, venue: VenueId) -> Result<(), QueryError> {
    if limits.has_every_venue() {
        return Ok(());
    }
    let owner = store.venue_owner(venue).await?;
    let (district, organisation) = owner.map_or((0, String::new()), |row| (row.district, row.organisation));
    let organisation = Some(organisation).filter(|code| !code.is_empty());
    match limits.leaves_out(venue, district, organisation.as_deref()) {
        Some(limit) => Err(out_of("id", limit)),
        None => Ok(()),
    }
}

/// Whether the footfall of a scope may be counted: whoever is limited sees their venues and districts, and no more than
/// these.
///
/// # Errors
/// [`QueryError::OutOfScope`], or when ClickHouse does not answer.
pub async fn check_footfall(store: &Store, limits: &Limits, scope: &Scope) -> Result<(), QueryError> {
    match scope {
        Scope::Venue(venue) => check_venue(store, limits, *venue).await,
        Scope::Organisation(code) => check_organisation(limits, code),
        Scope::District(district) => check_district(limits, *district),
        Scope::Category(_) | Scope::City => match limits.limits().next() {
            Some(limit) => Err(out_of("scope", limit)),
            None => Ok(()),
        },
    }
}

fn check_organisation(limits: &Limits, code: &str) -> Result<(), QueryError> {
    // An organisation may have venues in other districts, and others than those of a list.
    if let Some(limit) = limits.limits().find(|limit| *limit != Limit::Organisation) {
        return Err(out_of("scope", limit));
    }
    match limits.organisation.as_deref() {
        Some(own) if own != code => Err(out_of("id", Limit::Organisation)),
        _ => Ok(()),
    }
}

fn check_district(limits: &Limits, district: u32) -> Result<(), QueryError> {
    // A district holds venues that neither a list nor an organisation has.
    if let Some(limit) = limits.limits().find(|limit| *limit != Limit::District) {
        return Err(out_of("scope", limit));
    }
    match limits.district {
        Some(prefix) if !covers(prefix, district) => Err(out_of("id", Limit::District)),
        _ => Ok(()),
    }
}

const fn out_of(field: &'static str, limit: Limit) -> QueryError {
    QueryError::OutOfScope { field, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(limits: &Limits, district: u32) -> Option<String> {
        check_district(limits, district).err().map(|error| error.to_string())
    }

    #[test]
    fn a_district_sees_what_lies_below_it() {
        let of = |district| Limits { district: Some(district), ..Limits::default() };
        assert_eq!(refusal(&Limits::default(), 310_104), None);
        assert_eq!(refusal(&of(31), 310_104), None);
        assert_eq!(refusal(&of(310_104), 310_104), None);
        assert!(refusal(&of(310_101), 310_104).is_some_and(|text| text.contains("`district`")));
    }

    #[test]
    fn whoever_has_some_venues_of_a_district_does_not_see_all_of_it() {
        let listed = Limits { venues: Some(vec![7]), district: Some(31), ..Limits::default() };
        assert!(refusal(&listed, 310_104).is_some_and(|text| text.contains("`venues`")));
        let organisation = Limits { organisation: Some("91310000MA1FL0000N".to_owned()), ..Limits::default() };
        assert!(refusal(&organisation, 310_104).is_some_and(|text| text.contains("`organisation`")));
    }
}
