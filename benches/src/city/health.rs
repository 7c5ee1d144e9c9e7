//! Health of the simulated people, and the one whose code turns red near the end.

use rand::{Rng, SeedableRng, rngs::StdRng};
use schemas::{Colour, TestResult, UnixSeconds};

use super::City;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A person's health code and last test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonHealth {
    /// Colour of the health code.
    pub colour: Colour,
    /// From when it is in force.
    pub since: UnixSeconds,
    /// Until when, where it ends.
    pub expires_at: Option<UnixSeconds>,
    /// When the last test was sampled, and its result; some have none.
    pub test: Option<(UnixSeconds, TestResult)>,
    /// Why the code has its colour.
    pub reason: &'static str,
}

impl PersonHealth {
    /// Whether public venues admit the person at that time (S3: green, and a negative test of 48 hours).
    pub fn is_admissible(&self, at: UnixSeconds) -> bool {
        let tested = self.test.is_some_and(|(sampled, result)| {
            result == TestResult::Negative && (0..=48 * HOUR).contains(&(at - sampled))
        });
        self.colour == Colour::Green && self.since <= at && tested
    }
}

/// Health as it is before anything is found out: nearly all green, most tested within 48 hours.
pub(super) fn at_first(city: &City, person: u32) -> PersonHealth {
    let plan = city.plan();
    let mut rng = StdRng::seed_from_u64(super::mix(plan.seed, 0x6865_616c_7468, u64::from(person)));
    let dice: f64 = rng.random();
    let index = person == city.index_person();
    let (colour, reason) = match dice {
        d if index || d < 0.975 => (Colour::Green, "no known risk (simulated)"),
        d if d < 0.99 => (Colour::Yellow, "has been to an area of medium risk (simulated)"),
        _ => (Colour::Red, "close contact of a case (simulated)"),
    };
    let since = city.start() - rng.random_range(1..=20) * DAY;
    let expires_at = (colour == Colour::Yellow).then(|| plan.until + rng.random_range(1..=7) * DAY);
    let hours_ago = match rng.random::<f64>() {
        d if index || d < 0.9 => Some(rng.random_range(2..44)),
        d if d < 0.97 => Some(rng.random_range(50..120)),
        _ => None,
    };
    let sampled = |hours: i64| (plan.until - hours * HOUR - rng.random_range(0..HOUR), TestResult::Negative);
    PersonHealth { colour, since, expires_at, test: hours_ago.map(sampled), reason }
}

/// The index person's health once the infection is known: sampled hours ago, red since shortly before the end.
pub(super) fn late_change(city: &City) -> PersonHealth {
    let plan = city.plan();
    let hours_before = |hours: i64| plan.until - (hours * HOUR).min((plan.until - city.start()) * hours / 24);
    PersonHealth {
        colour: Colour::Red,
        since: hours_before(1),
        expires_at: None,
        test: Some((hours_before(8), TestResult::Positive)),
        reason: "nucleic acid test positive (simulated)",
    }
}
