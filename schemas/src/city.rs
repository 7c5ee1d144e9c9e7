//! City profiles: what differs from city to city, as data.
//!
//! A profile is a TOML file. It is read once at start, and every contradiction in it is told with its line. Nothing
//! here reads files: whoever has the text hands it in.

mod application;
mod bilingual;
mod check;
mod forms;
mod freight;
mod people;
mod place;
mod plausibility;
mod poster;
mod rules;
mod scanning;
mod tracing;
mod venues;
mod wording;

pub use application::{Applicant, Application, Channel, ChannelKind, CodePer, OrganisationKind, Review};
pub use bilingual::Bilingual;
pub use forms::{Declares, FieldType, Form, FormField, FormKind};
pub use freight::Freight;
pub use people::{PeopleGroup, age_on};
pub use place::{Contradiction, Contradictions};
pub use plausibility::Plausibility;
pub use poster::{Poster, PosterColours, PosterSize, PosterWords};
pub use rules::{AdmissionRule, ExemptionKind, Lifts};
pub use scanning::{LastFour, Scanning};
pub use tracing::Tracing;
pub use venues::{Category, Group, OpeningHours, VenueClass, VenueKind};
pub use wording::{Sentence, Wording};

use chrono::{FixedOffset, NaiveDate};
use serde::Deserialize;

use crate::UnixSeconds;

/// A city's rules, read from a TOML file and checked once at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityProfile {
    /// Short name, as in the file's name.
    pub city: String,
    /// Name as shown.
    pub name: Bilingual,
    /// Offset of the city's clock from UTC, in minutes east.
    pub utc_offset_minutes: i32,
    /// Days that scans are kept.
    pub retention_days: u16,
    /// Classes of venues; admission rules are made for classes.
    pub classes: Vec<VenueClass>,
    /// Groups of categories, as the notice lists them.
    pub groups: Vec<Group>,
    /// Categories that an applicant chooses from, each of one group and one class.
    pub categories: Vec<Category>,
    /// What may be claimed instead of a known colour or a test.
    #[serde(default)]
    pub exemptions: Vec<ExemptionKind>,
    /// Admission rules, with their dates of effect.
    pub rules: Vec<AdmissionRule>,
    /// Groups of people who may be registered by others.
    #[serde(default)]
    pub people: Vec<PeopleGroup>,
    /// How people are registered.
    pub scanning: Scanning,
    /// What of a scan is hard to believe.
    #[serde(default)]
    pub plausibility: Plausibility,
    /// How contacts are weighed.
    #[serde(default)]
    pub tracing: Tracing,
    /// Who gets a code, and how.
    pub application: Application,
    /// What a person is asked at the first scan of a code of ordinary venues.
    pub venue_form: Form,
    /// The same for codes of freight checkpoints and destinations.
    #[serde(default)]
    pub freight_form: Option<Form>,
    /// How the trips of lorries are watched; where there is a form for them.
    #[serde(default)]
    pub freight: Option<Freight>,
    /// What stands on the poster.
    pub poster: Poster,
    /// Sentences that differ from the default ones.
    #[serde(default)]
    pub wording: Wording,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// Not TOML, or not of the profile's shape; the message has line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Well-formed, but contradicting itself.
    #[error("{0}")]
    Invalid(Contradictions),
    /// Not one of the built-in cities.
    #[error("city `{name}` is not known: expected one of {known}, or the path of a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The built-in cities.
        known: String,
    },
}

const BUILT_IN: &[(&str, &str)] = &[
    ("shanghai", include_str!("../cities/shanghai.toml")),
    ("shandong", include_str!("../cities/shandong.toml")),
    ("fuyang", include_str!("../cities/fuyang.toml")),
    ("kaifeng", include_str!("../cities/kaifeng.toml")),
];

impl CityProfile {
    /// Names of the built-in cities.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The built-in profile of a city.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn try_built_in(name: &str) -> Result<Self, CityError> {
        let known = || Self::built_in_names().collect::<Vec<_>>().join(", ");
        let unknown = || CityError::Unknown { name: name.to_owned(), known: known() };
        let (_, text) = BUILT_IN.iter().find(|(n, _)| *n == name).ok_or_else(unknown)?;
        Self::try_parse(text)
    }

    /// Reads and checks a profile.
    ///
    /// # Errors
    /// When the text is not a profile, or contradicts itself; every contradiction is told with its line.
    pub fn try_parse(text: &str) -> Result<Self, CityError> {
        let profile: Self = toml::from_str(text)?;
        let found = check::contradictions(&profile);
        if found.is_empty() { Ok(profile) } else { Err(CityError::Invalid(Contradictions::locate(text, found))) }
    }

    /// A category by its id.
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.categories.iter().find(|category| category.id == id)
    }

    /// The class of a category.
    pub fn class_of(&self, category: &str) -> Option<&VenueClass> {
        let class = &self.category(category)?.class;
        self.classes.iter().find(|c| c.id == *class)
    }

    /// The rule in force for a class at a time, if any is.
    pub fn rule_at(&self, class: &str, at: UnixSeconds) -> Option<&AdmissionRule> {
        let day = self.day_of(at)?;
        let of_class = self.rules.iter().filter(|rule| rule.classes.iter().any(|c| c == class));
        of_class.filter(|rule| rule.is_in_force(day)).max_by_key(|rule| rule.from)
    }

    /// The form that a venue of this kind asks for.
    pub const fn form(&self, kind: VenueKind) -> Option<&Form> {
        self.form_of(FormKind::of(kind))
    }

    /// A form, if the city has it.
    pub const fn form_of(&self, kind: FormKind) -> Option<&Form> {
        match kind {
            FormKind::Venue => Some(&self.venue_form),
            FormKind::Freight => self.freight_form.as_ref(),
        }
    }

    /// The calendar day of a time in the city, whose days start at its own midnight.
    pub fn day_of(&self, at: UnixSeconds) -> Option<NaiveDate> {
        let offset = FixedOffset::east_opt(self.utc_offset_minutes * 60)?;
        Some(chrono::DateTime::from_timestamp(at, 0)?.with_timezone(&offset).date_naive())
    }

    /// The second in which a day of the city starts.
    pub fn midnight(&self, day: NaiveDate) -> UnixSeconds {
        day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() - i64::from(self.utc_offset_minutes) * 60
    }
}

#[cfg(test)]
mod tests;
