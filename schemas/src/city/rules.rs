//! Who may enter, from which day to which: the rules as written down. [`crate::admission`] applies them.

use chrono::NaiveDate;
use serde::Deserialize;

use super::Bilingual;
use crate::{Colour, Exemption};

/// What some classes of venues ask of those who enter, from a day on.
///
/// Of the rules of a class that are in force on a day, the one with the latest `from` counts. A rule with an `until`
/// therefore stands in front of an older one, which is back when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionRule {
    /// Classes of venues.
    pub classes: Vec<String>,
    /// First day, in the city's time, on which it is in force.
    pub from: NaiveDate,
    /// Last day on which it is in force; without it, until another rule follows.
    #[serde(default)]
    pub until: Option<NaiveDate>,
    /// Colours that may enter: `green`, and `unknown` where a code need not be known. Yellow and red never may.
    pub colours: Vec<Colour>,
    /// A negative test sampled at most so many hours ago is asked for; none, when absent.
    #[serde(default)]
    pub test_within_hours: Option<u16>,
    /// Ids of the exemptions that may be claimed.
    #[serde(default)]
    pub exemptions: Vec<String>,
}

/// What may be claimed instead of a known colour or a test (S3: urgent medical care and other special cases). Yellow,
/// red, a positive test and declared symptoms are never lifted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExemptionKind {
    /// Identifier, as devices send it.
    pub id: String,
    /// Name as shown.
    pub name: Bilingual,
    /// What it is stored as with the scan; needed unless the id is one of the stored words itself.
    #[serde(default)]
    pub stored_as: Option<Exemption>,
    /// What it lifts.
    pub lifts: Vec<Lifts>,
}

/// A condition that an exemption lifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifts {
    /// The colour is not known, or has expired.
    ColourUnknown,
    /// The test is missing, or too old.
    Test,
}

impl AdmissionRule {
    /// Whether it is in force on a day of the city.
    pub fn is_in_force(&self, day: NaiveDate) -> bool {
        self.from <= day && self.until.is_none_or(|until| day <= until)
    }
}

impl ExemptionKind {
    /// The word that is stored with the scan; `None` when the profile gives none.
    pub fn stored(&self) -> Option<Exemption> {
        let own = Exemption::ALL.iter().copied().find(|word| word.as_str() == self.id);
        self.stored_as.or(own).filter(|word| *word != Exemption::None)
    }
}
