//! How long somebody was at a venue: for the window of the request after each scan, or as the person's own scans tell.

use std::collections::HashMap;

use schemas::{CityProfile, Colour, Direction, Method, PersonKey, VenueId, city::VenueClass};
use serde::Serialize;
use utoipa::ToSchema;

use super::StoredSeconds;

/// A scan as tracing sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: StoredSeconds,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// Colour in force at the scan.
    pub colour: Colour,
}

/// How long people stay at venues of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dwell {
    /// Seconds, when nothing is known of the end.
    pub usual_s: u32,
    /// Most seconds that are believed.
    pub longest_s: u32,
}

/// What gave a stay its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StayRule {
    /// The window of the request, from the scan on.
    Window,
    /// The person's exit scan at the venue, with no other scan in between.
    ExitScan,
    /// The person's next scan, wherever that was.
    NextScan,
    /// What is usual at venues of the class: no scan followed.
    ClassDefault,
    /// An exit scan without an entry before it: what is usual, but not before the person's last scan elsewhere.
    ExitOnly,
    /// The time that the request names for a venue.
    Asked,
}

/// A time that somebody was at a venue, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stay {
    /// Where.
    pub venue: VenueId,
    /// First second.
    pub from: StoredSeconds,
    /// Last second.
    pub until: StoredSeconds,
    /// The scan that says so.
    pub at: StoredSeconds,
    /// What gave the length.
    pub rule: StayRule,
    /// Whether that was longer than is believed of the venue's class, and was cut to it.
    pub capped: bool,
}

/// The dwell times of a city, by category of venue.
#[derive(Debug, Clone)]
pub struct Dwells {
    of: HashMap<String, Dwell>,
    unknown: Dwell,
    longest_s: u32,
}

impl Dwells {
    /// Those of a profile. A category that it does not have, such as one of an older profile, is taken for one of its
    /// first class.
    pub fn of(city: &CityProfile) -> Self {
        let dwell = |class: &VenueClass| Dwell {
            usual_s: u32::from(class.dwell_minutes) * 60,
            longest_s: u32::from(class.dwell_cap_minutes) * 60,
        };
        let of_category = |id: &str| city.class_of(id).map(dwell);
        Self {
            of: city.categories.iter().filter_map(|c| Some((c.id.clone(), of_category(&c.id)?))).collect(),
            unknown: city.classes.first().map_or(Dwell { usual_s: 0, longest_s: 0 }, dwell),
            longest_s: city.classes.iter().map(|class| dwell(class).longest_s).max().unwrap_or(0),
        }
    }

    /// That of a category.
    pub fn at(&self, category: &str) -> Dwell {
        self.of.get(category).copied().unwrap_or(self.unknown)
    }

    /// The longest stay that is believed anywhere in the city, in seconds. A scan that is further from another tells nothing
    /// of it, so that no more of a person's scans has to be read.
    pub const fn longest_s(&self) -> u32 {
        self.longest_s
    }
}

impl Stay {
    /// For the window after a scan.
    pub const fn window(scan: &Scan, window_s: u32) -> Self {
        let (from, until) = (scan.at, scan.at.saturating_add(window_s));
        Self { venue: scan.venue, from, until, at: scan.at, rule: StayRule::Window, capped: false }
    }

    /// For a time that a request names; the end is not included there.
    pub const fn asked(venue: VenueId, from: StoredSeconds, to: StoredSeconds) -> Self {
        Self { venue, from, until: to.saturating_sub(1), at: from, rule: StayRule::Asked, capped: false }
    }

    fn entered(scan: &Scan, dwell: Dwell, next: Option<Scan>) -> Self {
        let (until, rule) = match next {
            Some(next) if next.direction == Direction::Exit && next.venue == scan.venue => {
                (next.at, StayRule::ExitScan)
            }
            Some(next) => (next.at, StayRule::NextScan),
            None => (scan.at.saturating_add(dwell.usual_s), StayRule::ClassDefault),
        };
        let longest = scan.at.saturating_add(dwell.longest_s);
        let capped = until > longest;
        Self { venue: scan.venue, from: scan.at, until: until.min(longest), at: scan.at, rule, capped }
    }

    fn left(scan: &Scan, dwell: Dwell, last: Option<Scan>) -> Self {
        let usual = scan.at.saturating_sub(dwell.usual_s);
        let from = last.map_or(usual, |last| usual.max(last.at));
        Self { venue: scan.venue, from, until: scan.at, at: scan.at, rule: StayRule::ExitOnly, capped: false }
    }
}

/// The stays of one person, by the scans alone. For each scan the stay that begins with it; none for an exit that ends
/// one. The order of the scans does not matter; of those in the same second a smaller venue, then an entry, comes first.
///
/// Scans more than `horizon_s` apart know nothing of each other. Two stays that begin with an entry never overlap; one that
/// has an exit only may overlap the one before, since nobody knows where in between the person was.
pub fn dwelt(scans: &[(Scan, Dwell)], horizon_s: u32) -> Vec<Option<Stay>> {
    let mut order: Vec<usize> = (0..scans.len()).collect();
    order.sort_by_key(|number| {
        let Scan { at, venue, direction, method, colour, .. } = scans[*number].0;
        (at, venue, direction, method, colour)
    });
    let mut stays = vec![None; scans.len()];
    for (place, number) in order.iter().enumerate() {
        let (scan, dwell) = &scans[*number];
        let near = |place: Option<usize>| {
            let other = order.get(place?).map(|number| scans[*number].0)?;
            (other.at.abs_diff(scan.at) <= horizon_s).then_some(other)
        };
        let last = near(place.checked_sub(1));
        let has_entered = |last: &Scan| last.direction == Direction::Entry && last.venue == scan.venue;
        stays[*number] = match scan.direction {
            Direction::Entry => Some(Stay::entered(scan, *dwell, near(Some(place + 1)))),
            Direction::Exit if last.as_ref().is_some_and(has_entered) => None,
            Direction::Exit => Some(Stay::left(scan, *dwell, last)),
        };
    }
    stays
}

#[cfg(test)]
mod tests;
