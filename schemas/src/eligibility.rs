//! Who may be registered by others: paper offline codes (S3) and entry by hand (S0, S4). Pure.

use chrono::NaiveDate;

use crate::{
    CityProfile, Method,
    city::{PeopleGroup, age_on},
};

/// Why somebody may not be registered this way. No message holds an age or a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// The city does not have the method.
    #[error("the city does not have this method: expected one of {0}")]
    Method(String),
    /// A reason where none is needed.
    #[error("expected only with a reverse scan or an entry by hand")]
    ReasonNotAsked,
    /// No reason, and the document gives none.
    #[error("this method is only for people who cannot scan: expected one of {0}")]
    ReasonMissing(String),
    /// A reason that the city does not take for this method.
    #[error("not a reason for this method: expected one of {0}")]
    ReasonUnknown(String),
    /// The birth date in the ID number contradicts the reason.
    #[error("the birth date in the ID number does not fit this reason")]
    Age,
}

/// Checks that a city registers somebody by a method: everyone by code or sentinel, and by others only those of the
/// groups that its profile names, by their age on that day or by what the device states.
///
/// # Errors
/// [`Ineligible`], which says what would be right.
pub fn check(
    city: &CityProfile,
    method: Method,
    reason: Option<&str>,
    born: Option<NaiveDate>,
    today: NaiveDate,
) -> Result<(), Ineligible> {
    if !city.scanning.methods.contains(&method) {
        return Err(Ineligible::Method(one_of(city.scanning.methods.iter().map(|m| m.as_str()))));
    }
    let Some(ids) = city.scanning.only_for(method) else {
        return if reason.is_none() { Ok(()) } else { Err(Ineligible::ReasonNotAsked) };
    };
    let expected = || one_of(ids.iter().map(String::as_str));
    let age = born.map(|born| age_on(today, born));
    let fits = |group: &PeopleGroup| age.is_none_or(|age| group.takes_age(age));
    let mut groups = city.people.iter().filter(|group| ids.contains(&group.id));
    match reason {
        Some(reason) => match groups.find(|group| group.id == reason) {
            None => Err(Ineligible::ReasonUnknown(expected())),
            Some(group) if fits(group) => Ok(()),
            Some(_) => Err(Ineligible::Age),
        },
        // Only an age that is known speaks for itself.
        None if age.is_some() && groups.any(|group| group.is_by_age() && fits(group)) => Ok(()),
        None => Err(Ineligible::ReasonMissing(expected())),
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2022, 6, 1).expect("a date");

    fn born(years_ago: i32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2022 - years_ago, 6, 1)
    }

    fn checked(
        city: &str,
        method: Method,
        reason: Option<&str>,
        born: Option<NaiveDate>,
    ) -> Result<(), std::mem::Discriminant<Ineligible>> {
        let city = CityProfile::try_built_in(city).expect("valid");
        check(&city, method, reason, born, TODAY).map_err(|error| std::mem::discriminant(&error))
    }

    fn because(error: Ineligible) -> Result<(), std::mem::Discriminant<Ineligible>> {
        Err(std::mem::discriminant(&error))
    }

    /// S3: 18周岁以下未成年人、60周岁以上老人及上海市户籍持证残障人士.
    #[test]
    fn shanghai_scans_offline_codes_of_minors_seniors_and_disabled_people() {
        let scan = |reason, born| checked("shanghai", Method::ReverseScan, reason, born);
        for (age, eligible) in [(0, true), (17, true), (18, false), (59, false), (60, true), (101, true)] {
            assert_eq!(scan(None, born(age)).is_ok(), eligible, "{age}");
        }
        assert_eq!(scan(Some("disabled"), born(40)), Ok(()));
        assert_eq!(scan(Some("senior"), None), Ok(()));
        assert_eq!(scan(Some("senior"), born(59)), because(Ineligible::Age));
        assert_eq!(scan(Some("minor"), born(18)), because(Ineligible::Age));
        assert_eq!(scan(None, None), because(Ineligible::ReasonMissing(String::new())));
        assert_eq!(scan(Some("no_smartphone"), None), because(Ineligible::ReasonUnknown(String::new())));
    }

    /// S0 and S4 keep the entry by hand; S2 does away with it (杜绝了手工信息登记).
    #[test]
    fn fuyang_enters_nobody_by_hand_and_the_others_only_who_cannot_scan() {
        let by_hand = |city, reason| checked(city, Method::Manual, reason, None);
        assert_eq!(by_hand("shanghai", Some("no_smartphone")), Ok(()));
        assert_eq!(by_hand("kaifeng", Some("elderly")), Ok(()));
        assert_eq!(by_hand("shandong", Some("child")), Ok(()));
        assert_eq!(by_hand("kaifeng", None), because(Ineligible::ReasonMissing(String::new())));
        assert_eq!(by_hand("fuyang", Some("no_smartphone")), because(Ineligible::Method(String::new())));
        // S4 gives no ages, so that none speaks for itself.
        assert!(checked("kaifeng", Method::Manual, None, born(90)).is_err());
    }

    /// S2: 无智能手机或持有“离线码”的特殊群体.
    #[test]
    fn fuyang_scans_in_reverse_whoever_has_no_smartphone_or_an_offline_code() {
        for reason in ["no_smartphone", "offline_code"] {
            assert_eq!(checked("fuyang", Method::ReverseScan, Some(reason), born(40)), Ok(()));
        }
        assert!(checked("fuyang", Method::ReverseScan, Some("senior"), None).is_err());
    }

    /// S0 and S3 have sentinels; S1, S2 and S4 do not speak of any.
    #[test]
    fn sentinels_and_codes_take_everyone_and_ask_for_no_reason() {
        for method in [Method::VenueCode, Method::SentinelHealthCode, Method::SentinelIdCard] {
            assert_eq!(checked("shanghai", method, None, born(30)), Ok(()));
            assert_eq!(checked("shanghai", method, Some("senior"), None), because(Ineligible::ReasonNotAsked));
        }
        for city in ["shandong", "fuyang", "kaifeng"] {
            assert_eq!(checked(city, Method::VenueCode, None, None), Ok(()));
            assert_eq!(checked(city, Method::SentinelIdCard, None, None), because(Ineligible::Method(String::new())));
        }
    }
}
