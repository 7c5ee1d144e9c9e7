//! Scans that are hard to believe: outside opening hours, too far from the scan before, too many in a short time. A flag
//! drops nothing and changes no colour: somebody may have lent a phone, or a guard a card.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, FixedOffset};
use schemas::{
    CityProfile, Place, VenueId,
    city::{OpeningHours, Plausibility},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::StoredSeconds;

/// How far back scans matter, in seconds. At any speed that a profile may have everybody can be anywhere after that.
pub const LOOK_BACK_S: u32 = 24 * 3600;

/// Why a scan is hard to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The venue's class is closed at that time.
    OutsideOpeningHours,
    /// Nobody gets there in that time from the scan before.
    ImpossibleTravel,
    /// More different venues than anybody visits in so short a time.
    Burst,
    /// The phone said that it was far from the venue.
    FarFromVenue,
}

/// What of a scan its plausibility hangs on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance<'a> {
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: StoredSeconds,
    /// Category of the venue.
    pub category: &'a str,
    /// Where the venue is; not every one tells.
    pub place: Option<Place>,
    /// Whether the gateway found the phone far from it.
    pub far_from_venue: bool,
}

/// What a city believes.
#[derive(Debug, Clone)]
pub struct Beliefs {
    bounds: Plausibility,
    clock: Option<FixedOffset>,
    /// By category; those that are always open are not in it.
    hours: HashMap<String, OpeningHours>,
}

impl Beliefs {
    /// Those of a profile.
    pub fn of(city: &CityProfile) -> Self {
        let hours = |id: &str| city.class_of(id)?.opening_hours;
        Self {
            bounds: city.plausibility,
            clock: FixedOffset::east_opt(city.utc_offset_minutes * 60),
            hours: city.categories.iter().filter_map(|c| Some((c.id.clone(), hours(&c.id)?))).collect(),
        }
    }

    /// The flags of each scan of one person. Scans come oldest first; what lies more than [`LOOK_BACK_S`] before one makes
    /// no difference to it.
    pub fn flags(&self, scans: &[Appearance<'_>]) -> Vec<Vec<Flag>> {
        let mut last_known: Option<(StoredSeconds, Place)> = None;
        let mut lately = Lately::default();
        let mut flags_of = |scan: &Appearance<'_>| {
            let mut flags = Vec::new();
            if self.is_closed(scan) {
                flags.push(Flag::OutsideOpeningHours);
            }
            if let Some(place) = scan.place {
                let before = last_known.replace((scan.at, place));
                if before.is_some_and(|before| self.is_too_fast(before, (scan.at, place))) {
                    flags.push(Flag::ImpossibleTravel);
                }
            }
            if lately.add(scan, self.bounds.burst_minutes * 60) > self.bounds.burst_venues as usize {
                flags.push(Flag::Burst);
            }
            if scan.far_from_venue {
                flags.push(Flag::FarFromVenue);
            }
            flags
        };
        scans.iter().map(&mut flags_of).collect()
    }

    fn is_closed(&self, scan: &Appearance<'_>) -> bool {
        let (Some(hours), Some(clock)) = (self.hours.get(scan.category), self.clock) else { return false };
        let at = DateTime::from_timestamp(scan.at.into(), 0);
        at.is_some_and(|at| !hours.contains(at.with_timezone(&clock).time()))
    }

    fn is_too_fast(&self, from: (StoredSeconds, Place), to: (StoredSeconds, Place)) -> bool {
        let (seconds, metres) = (to.0.saturating_sub(from.0), from.1.distance_m(to.1));
        let reach_m = f64::from(self.bounds.max_km_per_hour) / 3.6 * f64::from(seconds);
        seconds <= LOOK_BACK_S && metres > f64::from(self.bounds.travel_slack_m) && metres > reach_m
    }
}

/// The venues of the last scans.
#[derive(Default)]
struct Lately {
    scans: VecDeque<(StoredSeconds, VenueId)>,
    at: HashMap<VenueId, usize>,
}

impl Lately {
    /// Adds a scan and says at how many different venues the person was within the seconds before it.
    fn add(&mut self, scan: &Appearance<'_>, within_s: u32) -> usize {
        while let Some((at, venue)) = self.scans.front().copied()
            && scan.at.saturating_sub(at) >= within_s
        {
            self.scans.pop_front();
            if let Some(scans) = self.at.get_mut(&venue) {
                *scans -= 1;
                if *scans == 0 {
                    self.at.remove(&venue);
                }
            }
        }
        self.scans.push_back((scan.at, scan.venue));
        *self.at.entry(scan.venue).or_default() += 1;
        self.at.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::NaiveTime;
    use proptest::prelude::*;

    use super::*;

    /// 2022-06-01 00:00:00 in Shanghai.
    const MIDNIGHT: u32 = 1_654_012_800;
    /// Of latitude.
    const METRES_PER_DEGREE: f64 = 111_195.0;

    fn beliefs() -> Beliefs {
        let mut city = CityProfile::try_built_in("shanghai").expect("valid");
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("a time");
        for class in city.classes.iter_mut().filter(|class| class.id == "public") {
            class.opening_hours = Some(OpeningHours { opens: time(6), closes: time(22) });
        }
        city.plausibility.burst_venues = 3;
        Beliefs::of(&city)
    }

    fn scan(venue: VenueId, at: u32, place: Option<(f64, f64)>) -> Appearance<'static> {
        let place = place.map(|(latitude, longitude)| Place { latitude, longitude });
        Appearance { venue, at, category: "factory", place, far_from_venue: false }
    }

    /// The Bund, and the station of Hangzhou, 160 km away.
    const BUND: Option<(f64, f64)> = Some((31.2397, 121.4900));
    const HANGZHOU: Option<(f64, f64)> = Some((30.2464, 120.1819));

    #[test]
    fn a_class_is_open_by_the_citys_clock() {
        let at = |seconds, category| Appearance { category, ..scan(1, MIDNIGHT + seconds, None) };
        let scans = [at(6 * 3600 - 1, "catering"), at(6 * 3600, "catering"), at(22 * 3600 - 1, "catering")];
        assert_eq!(beliefs().flags(&scans), [vec![Flag::OutsideOpeningHours], vec![], vec![]]);
        let scans = [at(22 * 3600, "catering"), at(22 * 3600, "factory"), at(22 * 3600, "of_another_city")];
        assert_eq!(beliefs().flags(&scans), [vec![Flag::OutsideOpeningHours], vec![], vec![]]);
    }

    #[test]
    fn nobody_is_in_another_city_within_minutes() {
        let flags = |after_s| {
            let scans = [scan(1, MIDNIGHT, BUND), scan(2, MIDNIGHT + 1, None), scan(3, MIDNIGHT + after_s, HANGZHOU)];
            beliefs().flags(&scans)[2].clone()
        };
        // 167 km at 400 km/h take 25 minutes; a venue that does not tell where it is makes no difference.
        assert_eq!([flags(1), flags(24 * 60)], [vec![Flag::ImpossibleTravel], vec![Flag::ImpossibleTravel]]);
        assert_eq!([flags(26 * 60), flags(24 * 3600)], [vec![], vec![]]);
        let next_door = Some((31.2397, 121.4990));
        assert_eq!(beliefs().flags(&[scan(1, MIDNIGHT, BUND), scan(2, MIDNIGHT, next_door)])[1], vec![], "900 m");
    }

    fn scans() -> impl Strategy<Value = Vec<Appearance<'static>>> {
        let place = prop::option::of((31.0..31.5f64, 121.0..121.8f64));
        let one = (0u32..8, 0u32..2_000, place);
        prop::collection::vec(one, 0..40).prop_map(|scans| {
            let mut at = MIDNIGHT;
            let next = |(venue, pause, place)| {
                at += pause;
                scan(venue, at, place)
            };
            scans.into_iter().map(next).collect()
        })
    }

    proptest! {
        /// Every pair, tried.
        #[test]
        fn a_burst_is_more_venues_within_the_minutes_than_believed(scans in scans()) {
            for (at, flags) in beliefs().flags(&scans).iter().enumerate() {
                let near = scans[..=at].iter().filter(|scan| scans[at].at - scan.at < 600);
                let venues: HashSet<VenueId> = near.map(|scan| scan.venue).collect();
                prop_assert_eq!(flags.contains(&Flag::Burst), venues.len() > 3, "{}", at);
            }
        }

        /// Who goes no faster than is believed is never flagged for it.
        #[test]
        fn a_journey_at_a_believable_speed_is_believed(pauses in prop::collection::vec((0u32..9_000, 0.0..1.0f64), 1..30)) {
            let (mut at, mut latitude) = (MIDNIGHT, -40.0f64);
            let scans: Vec<_> = pauses.into_iter().map(|(pause, of_the_most)| {
                at += pause;
                let metres = 399.0 / 3.6 * f64::from(pause) * of_the_most;
                latitude = (latitude + metres / METRES_PER_DEGREE).min(80.0);
                scan(1, at, Some((latitude, 121.0)))
            }).collect();
            prop_assert!(beliefs().flags(&scans).iter().all(|flags| !flags.contains(&Flag::ImpossibleTravel)));
        }

        /// An answer reads a part of the scans only.
        #[test]
        fn what_is_further_back_than_a_day_makes_no_difference(scans in scans(), ago in 1u32..1_000) {
            let later: Vec<_> = scans.iter().map(|s| Appearance { at: s.at + LOOK_BACK_S + ago, ..*s }).collect();
            let far = scan(9, MIDNIGHT - 1, Some((-31.0, 10.0)));
            let with: Vec<_> = [far].iter().chain(&later).copied().collect();
            prop_assert_eq!(&beliefs().flags(&with)[1..], &beliefs().flags(&later)[..]);
        }
    }
}
