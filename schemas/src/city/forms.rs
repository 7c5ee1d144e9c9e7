//! What a person is asked at the first scan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bilingual, VenueKind};

/// Which of a city's forms a person has filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FormKind {
    /// That of ordinary venues.
    Venue,
    /// That of freight checkpoints and destinations.
    Freight,
}

impl FormKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Venue, Self::Freight];

    /// The form that venues of a kind ask for.
    pub const fn of(kind: VenueKind) -> Self {
        if kind.is_freight() { Self::Freight } else { Self::Venue }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Freight => "freight",
        }
    }

    /// The kind that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The fields of a form, in the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The fields.
    pub fields: Vec<FormField>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// Identifier.
    pub id: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether it must be filled in.
    pub required: bool,
    /// What the person reads.
    pub label: Bilingual,
    /// What a worrying answer is taken for: yes to `yes_no`, no to `temperature_normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declares: Option<Declares>,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Any text.
    Text,
    /// Type and number of an identity document.
    Document,
    /// A phone number.
    Phone,
    /// A postal address.
    Address,
    /// A question.
    YesNo,
    /// Whether the temperature is normal: a question whose good answer is yes.
    TemperatureNormal,
    /// A number plate.
    Plate,
    /// A city, district or place.
    Place,
    /// A day and time.
    Time,
}

/// What a worrying answer is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Declares {
    /// Symptoms: the person is refused.
    Symptoms,
    /// A risk, such as a stay in an affected area: the district is told.
    Risk,
}

impl FieldType {
    /// Whether it is answered with yes or no.
    pub const fn is_question(self) -> bool {
        matches!(self, Self::YesNo | Self::TemperatureNormal)
    }
}

impl FormField {
    /// What this answer to a question declares, if anything.
    pub fn declared_by(&self, yes: bool) -> Option<Declares> {
        let worrying = match self.kind {
            FieldType::YesNo => yes,
            FieldType::TemperatureNormal => !yes,
            _ => false,
        };
        self.declares.filter(|_| worrying)
    }
}
