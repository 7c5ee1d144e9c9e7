//! What a token is limited to. A limit narrows a role and never widens it.

use serde::{Deserialize, Serialize};

use crate::{PersonKey, VenueId, organisation::is_credit_code};

/// One kind of limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// One organisation's venues.
    Organisation,
    /// The venues of a district and of what lies below it.
    District,
    /// The venues that are listed.
    Venues,
    /// One person.
    Person,
}

impl Limit {
    /// The field of [`Scope`] that holds it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::District => "district",
            Self::Venues => "venues",
            Self::Person => "person",
        }
    }
}

/// What a token is limited to; all limits that it has hold together.
///
/// A limit that this build does not know makes a token unreadable: overlooking it would widen the token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Unified social credit code (GB 32100) of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// The first two, four or all six digits of a code of GB/T 2260: a province, a city or a district.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<u32>,
    /// Numbers of venues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venues: Option<Vec<VenueId>>,
    /// The person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonKey>,
}

impl Scope {
    /// The limits that it has.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        [
            self.organisation.as_ref().map(|_| Limit::Organisation),
            self.district.map(|_| Limit::District),
            self.venues.as_ref().map(|_| Limit::Venues),
            self.person.map(|_| Limit::Person),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether it has a limit.
    pub fn has(&self, limit: Limit) -> bool {
        self.limits().any(|own| own == limit)
    }

    /// The limit whose value cannot be.
    pub fn fault(&self) -> Option<Limit> {
        if self.organisation.as_deref().is_some_and(|code| !is_credit_code(code)) {
            return Some(Limit::Organisation);
        }
        if self.district.is_some_and(|prefix| !is_district_prefix(prefix)) {
            return Some(Limit::District);
        }
        None
    }

    /// Whether it leaves out no venue.
    pub const fn has_every_venue(&self) -> bool {
        self.organisation.is_none() && self.district.is_none() && self.venues.is_none()
    }

    /// The limit that leaves a venue out, if any does.
    pub fn leaves_out(&self, venue: VenueId, district: u32, organisation: Option<&str>) -> Option<Limit> {
        if self.venues.as_ref().is_some_and(|venues| !venues.contains(&venue)) {
            return Some(Limit::Venues);
        }
        if self.district.is_some_and(|prefix| !covers(prefix, district)) {
            return Some(Limit::District);
        }
        if self.organisation.is_some() && self.organisation.as_deref() != organisation {
            return Some(Limit::Organisation);
        }
        None
    }
}

/// Whether a number can be the first two, four or all six digits of a code of GB/T 2260.
pub const fn is_district_prefix(prefix: u32) -> bool {
    matches!(prefix, 10..=99 | 1_000..=9_999 | 100_000..=999_999)
}

/// Whether a district lies in what a prefix stands for: 31 and 3101 cover 310101.
pub const fn covers(prefix: u32, district: u32) -> bool {
    let above = match prefix {
        10..=99 => district / 10_000,
        1_000..=9_999 => district / 100,
        _ => district,
    };
    is_district_prefix(prefix) && above == prefix
}

/// Whether a code of GB/T 2260 is a whole city's (`3101 00`) or province's (`31 0000`) and no district's of it.
pub const fn is_city_wide(district: u32) -> bool {
    district.is_multiple_of(100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_covers_what_lies_below_it_and_nothing_else() {
        for prefix in [31, 3101, 310_101] {
            assert!(covers(prefix, 310_101), "{prefix}");
            assert!(!covers(prefix, 320_101), "{prefix}");
        }
        assert!(covers(3101, 310_104) && !covers(310_104, 310_101) && !covers(3102, 310_101));
        assert!(!covers(0, 310_101) && !covers(310, 310_101) && !covers(31_010, 310_101));
    }

    proptest! {
        #[test]
        fn covering_is_being_a_prefix_of_the_digits(prefix in 0u32..1_000_000, district in 100_000u32..1_000_000) {
            for prefix in [prefix, district / 10_000, district / 100, district] {
                let (text, all) = (prefix.to_string(), district.to_string());
                prop_assert_eq!(covers(prefix, district), text.len() % 2 == 0 && prefix > 0 && all.starts_with(&text));
            }
        }

        #[test]
        fn a_further_limit_never_lets_a_further_venue_in(
            venue in 0u32..4, district in prop::sample::select(vec![310_101u32, 310_104, 320_101]),
            venues in prop::option::of(prop::collection::vec(0u32..4, 0..3)),
            prefix in prop::option::of(prop::sample::select(vec![31u32, 3101, 310_104])),
        ) {
            let narrow = Scope { venues: venues.clone(), district: prefix, ..Scope::default() };
            let wide = Scope { venues, ..Scope::default() };
            let is_in = |scope: &Scope| scope.leaves_out(venue, district, None).is_none();
            prop_assert!(is_in(&Scope::default()));
            prop_assert!(!is_in(&narrow) || is_in(&wide));
        }
    }

    #[test]
    fn a_citys_code_is_no_districts() {
        assert!(is_city_wide(310_100) && is_city_wide(310_000) && !is_city_wide(310_101));
        assert!(covers(3101, 310_100) && !covers(310_101, 310_100), "a district does not ask for its city");
    }

    #[test]
    fn a_venue_of_no_organisation_is_nobodys() {
        let scope = Scope { organisation: Some("91310000MA1FL0000N".to_owned()), ..Scope::default() };
        assert_eq!(scope.leaves_out(1, 310_101, None), Some(Limit::Organisation));
        assert_eq!(scope.leaves_out(1, 310_101, Some("91310000MA1FL0000N")), None);
    }

    #[test]
    fn a_limit_that_is_not_known_is_not_overlooked() {
        assert!(serde_json::from_str::<Scope>(r#"{"district":31,"floor":2}"#).is_err());
        let scope: Scope = serde_json::from_str(r#"{"district":31}"#).expect("reads");
        assert_eq!(scope.limits().collect::<Vec<_>>(), [Limit::District]);
    }
}
