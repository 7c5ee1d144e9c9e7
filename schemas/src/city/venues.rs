//! Kinds of places: what an applicant chooses from, and what rules and dwell times hang on.

use chrono::NaiveTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Bilingual;

/// A class of venues: one rule for admission and one for how long people stay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VenueClass {
    /// Identifier, used by categories and rules.
    pub id: String,
    /// Name as shown.
    pub name: Bilingual,
    /// How long a visit lasts when nothing is known of its end, in minutes.
    pub dwell_minutes: u16,
    /// Longest visit that is believed, in minutes.
    pub dwell_cap_minutes: u16,
    /// When such venues are open; always, when absent. A scan outside is flagged, never refused.
    #[serde(default)]
    pub opening_hours: Option<OpeningHours>,
}

/// Daily opening hours by the city's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    /// First minute, such as 06:00:00.
    pub opens: NaiveTime,
    /// First minute after; before `opens` where it is open past midnight.
    pub closes: NaiveTime,
}

/// A group of categories, as the notice lists them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Identifier, used by categories.
    pub id: String,
    /// Name as shown, in the words of the notice.
    pub name: Bilingual,
}

/// A category of venues.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Identifier, stored with each scan.
    pub id: String,
    /// Group that it is listed in.
    pub group: String,
    /// Class it belongs to.
    pub class: String,
    /// What the code stands for.
    #[serde(default)]
    pub kind: VenueKind,
    /// Name as shown, in Chinese as the city's notice gives it.
    pub name: Bilingual,
    /// What the notice counts among it.
    #[serde(default)]
    pub includes: Option<Bilingual>,
}

/// What a code stands for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VenueKind {
    /// A place.
    #[default]
    Place,
    /// A vehicle (S1: buses, taxis, online-hailed cars, intercity coaches).
    Vehicle,
    /// Something with a start and an end (S2: meetings, shows, sports events, tour groups).
    Event,
    /// Where lorries enter the city (S4: 交通卡口).
    FreightCheckpoint,
    /// Where they unload (S4: 目的地场所).
    FreightDestination,
}

impl VenueKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Vehicle => "vehicle",
            Self::Event => "event",
            Self::FreightCheckpoint => "freight_checkpoint",
            Self::FreightDestination => "freight_destination",
        }
    }

    /// Whether its code is the one for lorries and their crews (S4: 专属场所码).
    pub const fn is_freight(self) -> bool {
        matches!(self, Self::FreightCheckpoint | Self::FreightDestination)
    }
}

impl OpeningHours {
    /// Whether it is open at a time of day.
    pub fn contains(self, time: NaiveTime) -> bool {
        if self.opens < self.closes {
            (self.opens..self.closes).contains(&time)
        } else {
            time >= self.opens || time < self.closes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_hours_may_go_past_midnight() {
        let time = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).expect("a time");
        let day = OpeningHours { opens: time(6, 0), closes: time(22, 0) };
        let night = OpeningHours { opens: time(18, 0), closes: time(2, 0) };
        assert_eq!([5, 6, 21, 22].map(|hour| day.contains(time(hour, 0))), [false, true, true, false]);
        assert_eq!([17, 18, 1, 2].map(|hour| night.contains(time(hour, 0))), [false, true, true, false]);
    }
}
