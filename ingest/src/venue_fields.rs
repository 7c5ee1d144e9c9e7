//! What is checked of a venue wherever one is given: in the feed of the directory, and in an application.

use schemas::{CityProfile, city::Category};

use crate::error::IngestError;

/// Longest name of a venue, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Longest address, in characters.
pub const MAX_ADDRESS_CHARS: usize = 200;
/// Longest door, in characters.
pub const MAX_DOOR_CHARS: usize = 50;

/// What a number of a venue looks like.
pub const VENUE: &str = "expected a venue number from 0 to 4294967295";
/// What a district looks like.
pub const DISTRICT: &str = "expected a number of six digits, a district of GB/T 2260";
/// What an organisation's code looks like.
pub const ORGANISATION: &str =
    "expected a unified social credit code: 18 characters whose last one checks the others (GB 32100)";

/// What a latitude looks like.
pub const LATITUDE: &str = "expected degrees from -90 to 90";
/// What a longitude looks like.
pub const LONGITUDE: &str = "expected degrees from -180 to 180";

/// The category of a city, if it has it.
///
/// # Errors
/// [`IngestError::InvalidField`] with those that it has.
pub fn check_category<'c>(city: &'c CityProfile, category: &str) -> Result<&'c Category, IngestError> {
    if let Some(category) = city.category(category) {
        return Ok(category);
    }
    let known = city.categories.iter().map(|c| c.id.as_str()).collect::<Vec<_>>().join(", ");
    let expected = format!("expected a category of the profile of {}: one of {known}", city.city);
    Err(IngestError::invalid("category", expected))
}

/// Checks coordinates: both or none, in degrees.
///
/// # Errors
/// [`IngestError::MissingField`] or [`IngestError::InvalidField`].
pub fn check_place(latitude: Option<f64>, longitude: Option<f64>) -> Result<(), IngestError> {
    match (latitude, longitude) {
        (Some(_), None) => return Err(IngestError::missing("longitude", "expected with `latitude`")),
        (None, Some(_)) => return Err(IngestError::missing("latitude", "expected with `longitude`")),
        _ => {}
    }
    if latitude.is_some_and(|degrees| !(-90.0..=90.0).contains(&degrees)) {
        return Err(IngestError::invalid("latitude", LATITUDE));
    }
    if longitude.is_some_and(|degrees| !(-180.0..=180.0).contains(&degrees)) {
        return Err(IngestError::invalid("longitude", LONGITUDE));
    }
    Ok(())
}
