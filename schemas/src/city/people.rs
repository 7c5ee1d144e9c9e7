//! Groups of people who cannot scan for themselves.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use super::Bilingual;

/// A group of people whom others may register (S0: the old and children without a smartphone; S3: under 18, 60 and
/// over, certified disabled).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleGroup {
    /// Identifier, as devices send it in `offline_reason`.
    pub id: String,
    /// Name as shown.
    pub name: Bilingual,
    /// Only those younger than this, in full years.
    #[serde(default)]
    pub under_age: Option<u8>,
    /// Only those of this age or older, in full years.
    #[serde(default)]
    pub from_age: Option<u8>,
}

impl PeopleGroup {
    /// Whether age alone decides who belongs to it.
    pub const fn is_by_age(&self) -> bool {
        self.under_age.is_some() || self.from_age.is_some()
    }

    /// Whether a person of this age may belong to it.
    pub fn takes_age(&self, years: i32) -> bool {
        self.under_age.is_none_or(|limit| years < i32::from(limit))
            && self.from_age.is_none_or(|limit| years >= i32::from(limit))
    }
}

/// Full years between a birth date and a day. Who was born on 29 February is a year older on 1 March.
pub fn age_on(day: NaiveDate, born: NaiveDate) -> i32 {
    let before_birthday = (day.month(), day.day()) < (born.month(), born.day());
    day.year() - born.year() - i32::from(before_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_changes_on_the_birthday() {
        let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a date");
        assert_eq!(age_on(date(2022, 6, 1), date(2004, 6, 1)), 18);
        assert_eq!(age_on(date(2022, 5, 31), date(2004, 6, 1)), 17);
        assert_eq!(age_on(date(2022, 2, 28), date(2004, 2, 29)), 17);
        assert_eq!(age_on(date(2022, 3, 1), date(2004, 2, 29)), 18);
    }
}
