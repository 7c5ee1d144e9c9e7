//! What was known of each person's health, and when: enough to tell it as of any past scan.
//!
//! Pure. Two times count for each change: from when it is in force, and when it became known. A change that
//! became known after a scan was accepted does not alter what that scan is stored with.

use hashbrown::HashMap;
use schemas::{
    Colour, Erased, HealthEvent, PersonKey, TestEvent, TestResult, UnixSeconds,
    events::{Colouring, Sampling},
};

/// Changes that a person may have before the oldest are looked at for dropping.
const CHANGES_BEFORE_PRUNING: usize = 8;
/// How late a scan may arrive and still find the health of its time, in milliseconds: 31 days.
const KEPT_MS: i64 = 31 * 24 * 3600 * 1000;

/// A change, and when it became known.
#[derive(Debug, Clone, Copy)]
struct Known<T> {
    at_ms: i64,
    what: T,
}

/// What decides between changes of one kind.
trait Change: Copy {
    type Rank: Ord;

    /// Of several changes the one with the greatest rank counts.
    fn rank(&self) -> Self::Rank;

    /// From when it counts.
    fn since(&self) -> UnixSeconds;
}

impl Change for Colouring {
    type Rank = (UnixSeconds, Colour, UnixSeconds);

    fn rank(&self) -> Self::Rank {
        Self::rank(self)
    }

    fn since(&self) -> UnixSeconds {
        self.since
    }
}

impl Change for Sampling {
    type Rank = (UnixSeconds, TestResult);

    fn rank(&self) -> Self::Rank {
        Self::rank(self)
    }

    fn since(&self) -> UnixSeconds {
        self.sampled_at
    }
}

#[derive(Debug, Default)]
struct Person {
    colours: Vec<Known<Colouring>>,
    tests: Vec<Known<Sampling>>,
}

/// Health as of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthAsOf {
    /// The colour in force.
    pub colour: Colour,
    /// The result of the newest test sampled before.
    pub test_result: TestResult,
    /// When it was sampled; 0 without one.
    pub test_sampled_at: UnixSeconds,
}

/// The health history of the people of one partition.
#[derive(Debug, Default)]
pub struct HealthHistory {
    people: HashMap<PersonKey, Person>,
}

impl HealthHistory {
    /// Adds what a message that became known at `known_at_ms` says of a person's colour; adding it twice changes nothing.
    /// Says which change counts among all that are known, if that is none that the message tells of.
    pub fn add_health(&mut self, event: &HealthEvent, known_at_ms: i64) -> Option<Colouring> {
        let changes = &mut self.people.entry(event.person).or_default().colours;
        event.newest.into_iter().chain([event.colouring()]).for_each(|change| add(changes, change, known_at_ms));
        outranking(changes, event.counting())
    }

    /// Adds what a message that became known at `known_at_ms` says of a person's tests; adding it twice changes nothing.
    /// Says which test counts among all that are known, if that is none that the message tells of.
    pub fn add_test(&mut self, event: &TestEvent, known_at_ms: i64) -> Option<Sampling> {
        let tests = &mut self.people.entry(event.person).or_default().tests;
        event.newest.into_iter().chain([event.sampling()]).for_each(|test| add(tests, test, known_at_ms));
        outranking(tests, event.counting())
    }

    /// The health of a person in force at `scanned_at`, as known at `known_at_ms`.
    ///
    /// Of several changes the one with the greatest rank counts ([`Colouring::rank`], [`Sampling::rank`]), in whatever
    /// order they became known. An expired colour is unknown: an older one does not come back.
    pub fn as_of(&self, person: PersonKey, scanned_at: UnixSeconds, known_at_ms: i64) -> HealthAsOf {
        let none = HealthAsOf { colour: Colour::Unknown, test_result: TestResult::None, test_sampled_at: 0 };
        let Some(person) = self.people.get(&person) else { return none };
        let colour = counting(&person.colours, scanned_at, known_at_ms)
            .filter(|change| change.expires_at.is_none_or(|end| scanned_at < end))
            .map_or(none.colour, |change| change.colour);
        match counting(&person.tests, scanned_at, known_at_ms) {
            Some(test) => HealthAsOf { colour, test_result: test.result, test_sampled_at: test.sampled_at },
            None => HealthAsOf { colour, ..none },
        }
    }

    /// Forgets what was known of people before they were erased.
    pub fn erase(&mut self, erased: &Erased) {
        self.people.retain(|person, known| {
            known.colours.retain(|change| !erased.has(*person, change.at_ms));
            known.tests.retain(|test| !erased.has(*person, test.at_ms));
            !(known.colours.is_empty() && known.tests.is_empty())
        });
    }

    /// How many people there is anything known of.
    pub fn people(&self) -> usize {
        self.people.len()
    }
}

/// Adds a change, unless it was known by then.
fn add<T: Change>(changes: &mut Vec<Known<T>>, what: T, at_ms: i64) {
    if !changes.iter().any(|known| known.at_ms <= at_ms && known.what.rank() == what.rank()) {
        changes.push(Known { at_ms, what });
        prune(changes);
    }
}

/// The change that counts at a time, of those that are known by then.
fn counting<T: Change>(changes: &[Known<T>], at: UnixSeconds, known_at_ms: i64) -> Option<T> {
    let in_force = changes.iter().filter(|known| known.at_ms <= known_at_ms && known.what.since() <= at);
    in_force.map(|known| known.what).max_by_key(T::rank)
}

/// The change that counts in the end, if it is greater than this one.
fn outranking<T: Change>(changes: &[Known<T>], than: T) -> Option<T> {
    let greatest = changes.iter().map(|known| known.what).max_by_key(T::rank);
    greatest.filter(|greatest| greatest.rank() > than.rank())
}

/// Drops what no scan within [`KEPT_MS`] can ask for: a change that counts for less than another one which was in force
/// and known before that.
fn prune<T: Change>(changes: &mut Vec<Known<T>>) {
    if changes.len() < CHANGES_BEFORE_PRUNING {
        return;
    }
    let newest_known = changes.iter().map(|known| known.at_ms).max().unwrap_or(0);
    let horizon_ms = newest_known - KEPT_MS;
    if let Some(settled) = counting(changes, horizon_ms.div_euclid(1000), horizon_ms) {
        changes.retain(|known| known.what.rank() >= settled.rank());
    }
}

#[cfg(test)]
mod tests;
