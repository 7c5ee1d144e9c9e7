//! The venue directory, one message per venue and change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{EventError, Versioned, read};
use crate::{UnixSeconds, VenueId};

/// Whether a venue's code can be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VenueStatus {
    /// In use.
    Active,
    /// Closed or withdrawn: no code of it is valid.
    Revoked,
}

/// A venue as the directory knows it. Topic `venues`, key: venue. Responsible persons and phones are not part
/// of it: it is held in memory and stored in the clear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VenueEvent {
    /// Message version.
    pub v: u8,
    /// The venue.
    pub venue: VenueId,
    /// Issue number of its current code; posters with another one are revoked.
    pub serial: u8,
    /// Whether it is in use.
    pub status: VenueStatus,
    /// Name as on the poster.
    pub name: String,
    /// Category, an id of the city profile.
    pub category: String,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// Detailed address.
    pub address: String,
    /// Door or point, where the city gives each its own code (S2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Unified social credit code of the organisation that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Latitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Longitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// First second at which its code is valid; from ever, when absent (temporary events, S2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<UnixSeconds>,
    /// First second at which its code is no longer valid; for ever, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<UnixSeconds>,
    /// Number of the registry's decision that this follows, in the order of the venue's decisions. A reader keeps the
    /// highest of a venue, so that an older event that is sent again changes nothing; venues that were loaded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

impl Versioned for VenueEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl VenueEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no venue of a version known here.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        if !is_district(event.district) {
            return Err(EventError::Field { field: "district", problem: "is not a six-digit code (GB/T 2260)" });
        }
        Ok(event)
    }

    /// Whether a reader that holds an event of this venue with the revision `held` takes this one instead.
    pub fn replaces(&self, held: Option<u64>) -> bool {
        self.revision >= held
    }
}

/// Whether a number can be a county-level code of GB/T 2260: six digits.
pub const fn is_district(code: u32) -> bool {
    code >= 110_000 && code <= 829_999
}
