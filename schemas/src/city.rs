//! City profiles: what differs from city to city, as data.

use std::collections::HashSet;

use chrono::{FixedOffset, NaiveDate};
use serde::Deserialize;

use crate::{Colour, Exemption, UnixSeconds};

/// A city's rules, read from a TOML file and checked once at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CityProfile {
    /// Short name, as in the file's name.
    pub city: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Offset of the city's clock from UTC, in minutes east.
    pub utc_offset_minutes: i32,
    /// Days that scans are kept.
    pub retention_days: u16,
    /// Classes of venues; admission rules are made for classes.
    pub classes: Vec<VenueClass>,
    /// Categories that an applicant chooses from, each of one class.
    pub categories: Vec<Category>,
    /// Admission rules; of one class, the rule with the latest `from` not after the scan is in force.
    pub rules: Vec<AdmissionRule>,
}

/// A class of venues.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VenueClass {
    /// Identifier, used by categories and rules.
    pub id: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
}

/// A category of venues.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Identifier, stored with each scan.
    pub id: String,
    /// Name in Chinese, as the city's notice gives it.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Class it belongs to.
    pub class: String,
}

/// What a class of venues asks of those who enter, from a date on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionRule {
    /// Class of venues.
    pub class: String,
    /// First day, in the city's time, on which it is in force.
    pub from: NaiveDate,
    /// Colours that may enter.
    pub colours: Vec<Colour>,
    /// A negative test sampled at most so many hours ago is asked for; none, when absent.
    pub test_within_hours: Option<u16>,
    /// Exemptions that lift the rule, red and yellow excepted.
    #[serde(default)]
    pub exemptions: Vec<Exemption>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// Not TOML, or not of the profile's shape; the message has line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Well-formed, but contradicting itself.
    #[error("{0}")]
    Invalid(String),
    /// Not one of the built-in cities.
    #[error("city `{name}` is not known: expected one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The built-in cities.
        known: String,
    },
}

const BUILT_IN: &[(&str, &str)] = &[("shanghai", include_str!("../cities/shanghai.toml"))];

impl CityProfile {
    /// The built-in profile of a city.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn try_built_in(name: &str) -> Result<Self, CityError> {
        let known = || BUILT_IN.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        let unknown = || CityError::Unknown { name: name.to_owned(), known: known() };
        let (_, text) = BUILT_IN.iter().find(|(n, _)| *n == name).ok_or_else(unknown)?;
        Self::try_parse(text)
    }

    /// Reads and checks a profile.
    ///
    /// # Errors
    /// When the text is not a profile, or names a class that it does not define, or defines one twice.
    pub fn try_parse(text: &str) -> Result<Self, CityError> {
        let profile: Self = toml::from_str(text)?;
        profile.check().map_err(CityError::Invalid)?;
        Ok(profile)
    }

    /// The class of a category.
    pub fn class_of(&self, category: &str) -> Option<&VenueClass> {
        let class = &self.categories.iter().find(|c| c.id == category)?.class;
        self.classes.iter().find(|c| c.id == *class)
    }

    /// The rule in force for a class at a time, if any is.
    pub fn rule_at(&self, class: &str, at: UnixSeconds) -> Option<&AdmissionRule> {
        let day = self.day_of(at)?;
        self.rules.iter().filter(|r| r.class == class && r.from <= day).max_by_key(|r| r.from)
    }

    /// The calendar day of a time in the city, whose days start at its own midnight.
    pub fn day_of(&self, at: UnixSeconds) -> Option<NaiveDate> {
        let offset = FixedOffset::east_opt(self.utc_offset_minutes * 60)?;
        Some(chrono::DateTime::from_timestamp(at, 0)?.with_timezone(&offset).date_naive())
    }

    fn check(&self) -> Result<(), String> {
        let mut classes = HashSet::new();
        if let Some(twice) = self.classes.iter().find(|c| !classes.insert(c.id.as_str())) {
            return Err(format!("class `{}` is defined twice", twice.id));
        }
        let mut categories = HashSet::new();
        if let Some(twice) = self.categories.iter().find(|c| !categories.insert(c.id.as_str())) {
            return Err(format!("category `{}` is defined twice", twice.id));
        }
        if let Some(lost) = self.categories.iter().find(|c| !classes.contains(c.class.as_str())) {
            return Err(format!("category `{}` is of class `{}`, which is not defined", lost.id, lost.class));
        }
        if let Some(lost) = self.rules.iter().find(|r| !classes.contains(r.class.as_str())) {
            return Err(format!("a rule is made for class `{}`, which is not defined", lost.class));
        }
        let mut dated = HashSet::new();
        if let Some(twice) = self.rules.iter().find(|r| !dated.insert((r.class.as_str(), r.from))) {
            return Err(format!("class `{}` has two rules from {}", twice.class, twice.from));
        }
        if let Some(open) = self.rules.iter().find(|r| r.colours.contains(&Colour::Red)) {
            return Err(format!(
                "the rule of class `{}` from {} admits red, which no notice does",
                open.class, open.from
            ));
        }
        if FixedOffset::east_opt(self.utc_offset_minutes.saturating_mul(60)).is_none() {
            return Err("utc_offset_minutes is not an offset: expected -1439 to 1439".to_owned());
        }
        if self.retention_days == 0 { Err("retention_days is zero: expected at least 1".to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_city_is_valid_and_named_as_its_file() {
        for (name, _) in BUILT_IN {
            assert_eq!(CityProfile::try_built_in(name).expect("valid").city, *name);
        }
    }

    #[test]
    fn an_unknown_city_is_told_which_there_are() {
        let error = CityProfile::try_built_in("atlantis").unwrap_err().to_string();
        assert_eq!(error, "city `atlantis` is not known: expected one of shanghai");
    }

    #[test]
    fn a_contradiction_names_its_place() {
        let (_, text) = BUILT_IN[0];
        let broken =
            |from: &str, to: &str| CityProfile::try_parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(broken("class = \"public\"", "class = \"nowhere\"").contains("class `nowhere`, which is not defined"));
        assert!(broken("retention_days = 30", "retention_days = 0").starts_with("retention_days is zero"));
        assert!(broken("retention_days", "retention_dayz").contains("line "), "a spelling mistake has its line");
        assert!(broken("colours = [\"green\"]", "colours = [\"red\"]").contains("admits red"));
    }

    #[test]
    fn a_rule_starts_at_midnight_of_the_city() {
        let city = CityProfile::try_built_in("shanghai").expect("valid");
        let before_midnight = 1_649_087_999; // 2022-04-04 23:59:59 in Shanghai
        assert!(city.rule_at("public", before_midnight).is_none());
        assert!(city.rule_at("public", before_midnight + 1).is_some());
    }
}
