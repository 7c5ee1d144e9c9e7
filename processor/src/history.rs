//! What was known of each person's health, and when: enough to tell it as of any past scan.
//!
//! Pure. Two times count for each change: from when it is in force, and when it became known. A change that
//! became known after a scan was accepted does not alter what that scan is stored with.

use hashbrown::HashMap;
use schemas::{Colour, HealthEvent, PersonKey, TestEvent, TestResult, UnixSeconds};

/// Changes that a person may have before the oldest are looked at for dropping.
const CHANGES_BEFORE_PRUNING: usize = 8;
/// How late a scan may arrive and still find the health of its time, in milliseconds: 31 days.
const KEPT_MS: i64 = 31 * 24 * 3600 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ColourChange {
    known_at_ms: i64,
    since: UnixSeconds,
    expires_at: UnixSeconds,
    colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Test {
    known_at_ms: i64,
    sampled_at: UnixSeconds,
    result: TestResult,
}

#[derive(Debug, Default)]
struct Person {
    colours: Vec<ColourChange>,
    tests: Vec<Test>,
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
    /// Adds a health-code change that became known at `known_at_ms`. Adding one twice changes nothing.
    pub fn add_health(&mut self, event: &HealthEvent, known_at_ms: i64) {
        let change = ColourChange {
            known_at_ms,
            since: event.since,
            expires_at: event.expires_at.unwrap_or(UnixSeconds::MAX),
            colour: event.colour,
        };
        let changes = &mut self.people.entry(event.person).or_default().colours;
        if !changes.contains(&change) {
            changes.push(change);
            prune(changes, |c| (c.since, c.known_at_ms));
        }
    }

    /// Adds a test result that became known at `known_at_ms`. Adding one twice changes nothing.
    pub fn add_test(&mut self, event: &TestEvent, known_at_ms: i64) {
        let test = Test { known_at_ms, sampled_at: event.sampled_at, result: event.result };
        let tests = &mut self.people.entry(event.person).or_default().tests;
        if !tests.contains(&test) {
            tests.push(test);
            prune(tests, |t| (t.sampled_at, t.known_at_ms));
        }
    }

    /// The health of a person in force at `scanned_at`, as known at `known_at_ms`.
    ///
    /// Of several changes the one that came into force last counts; of several with the same start, the one
    /// that became known last. An expired colour is unknown: an older one does not come back.
    pub fn as_of(&self, person: PersonKey, scanned_at: UnixSeconds, known_at_ms: i64) -> HealthAsOf {
        let none = HealthAsOf { colour: Colour::Unknown, test_result: TestResult::None, test_sampled_at: 0 };
        let Some(person) = self.people.get(&person) else { return none };
        let colour = person
            .colours
            .iter()
            .filter(|c| c.known_at_ms <= known_at_ms && c.since <= scanned_at)
            .max_by_key(|c| (c.since, c.known_at_ms))
            .filter(|c| scanned_at < c.expires_at)
            .map_or(none.colour, |c| c.colour);
        let test = person
            .tests
            .iter()
            .filter(|t| t.known_at_ms <= known_at_ms && t.sampled_at <= scanned_at)
            .max_by_key(|t| (t.sampled_at, t.known_at_ms));
        match test {
            Some(test) => HealthAsOf { colour, test_result: test.result, test_sampled_at: test.sampled_at },
            None => HealthAsOf { colour, ..none },
        }
    }

    /// How many people there is anything known of.
    pub fn people(&self) -> usize {
        self.people.len()
    }
}

/// Drops what no scan within [`KEPT_MS`] can ask for: an entry that both came into force and became known
/// earlier than another entry which is itself older than that.
fn prune<T: Copy>(entries: &mut Vec<T>, order: impl Fn(&T) -> (UnixSeconds, i64)) {
    if entries.len() < CHANGES_BEFORE_PRUNING {
        return;
    }
    let newest_known = entries.iter().map(|e| order(e).1).max().unwrap_or(0);
    let horizon_ms = newest_known - KEPT_MS;
    let settled = entries
        .iter()
        .map(&order)
        .filter(|(since, known)| *known < horizon_ms && since.saturating_mul(1000) < horizon_ms)
        .max();
    if let Some(settled) = settled {
        entries.retain(|e| order(e) >= settled || order(e).1 > settled.1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person() -> PersonKey {
        "1123456789abcdef".parse().expect("valid")
    }

    fn health(colour: Colour, since: UnixSeconds, expires_at: Option<UnixSeconds>) -> HealthEvent {
        let text = || "x".to_owned();
        HealthEvent {
            v: 1,
            person: person(),
            colour,
            since,
            expires_at,
            issuer: text(),
            evidence: text(),
            reason: text(),
        }
    }

    fn test(result: TestResult, sampled_at: UnixSeconds) -> TestEvent {
        TestEvent { v: 1, person: person(), sampled_at, resulted_at: sampled_at, result, laboratory: "x".to_owned() }
    }

    #[test]
    fn a_change_that_came_later_does_not_rewrite_an_earlier_scan() {
        let mut history = HealthHistory::default();
        history.add_health(&health(Colour::Green, 100, None), 100_000);
        history.add_health(&health(Colour::Red, 500, None), 900_000);
        assert_eq!(history.as_of(person(), 600, 600_000).colour, Colour::Green, "not known yet when accepted");
        assert_eq!(history.as_of(person(), 600, 900_000).colour, Colour::Red, "a late scan is told what is known");
        assert_eq!(history.as_of(person(), 499, 900_000).colour, Colour::Green, "not in force yet when scanned");
        assert_eq!(history.as_of(person(), 99, 900_000).colour, Colour::Unknown);
    }

    #[test]
    fn an_expired_colour_is_unknown_and_the_one_before_does_not_come_back() {
        let mut history = HealthHistory::default();
        history.add_health(&health(Colour::Green, 100, None), 0);
        history.add_health(&health(Colour::Yellow, 200, Some(300)), 0);
        assert_eq!(history.as_of(person(), 299, 1).colour, Colour::Yellow);
        assert_eq!(history.as_of(person(), 300, 1).colour, Colour::Unknown);
    }

    #[test]
    fn old_changes_are_dropped_but_never_one_that_a_late_scan_needs() {
        let mut history = HealthHistory::default();
        let day = 24 * 3600;
        for n in 0..1000 {
            let colour = if n % 2 == 0 { Colour::Green } else { Colour::Yellow };
            history.add_health(&health(colour, n * day, None), n * day * 1000);
        }
        assert!(history.people[&person()].colours.len() < 50);
        for n in 970..1000 {
            let expected = if n % 2 == 0 { Colour::Green } else { Colour::Yellow };
            assert_eq!(history.as_of(person(), n * day + 1, (n * day + 1) * 1000).colour, expected, "day {n}");
        }
    }

    proptest! {
        /// Feeds repeat and arrive out of order: the state must not depend on it.
        #[test]
        fn the_order_and_repetition_of_a_feed_do_not_matter(
            changes in proptest::collection::vec((0i64..20, proptest::option::of(1i64..10), 0i64..20, 0u8..4), 1..7),
            order: u64,
            at in 0i64..25, known in 0i64..25,
        ) {
            let events: Vec<_> = changes.iter().enumerate()
                // No two changes have both times equal: those a feed cannot order.
                .map(|(i, (since, lasts, known_at, colour))| {
                    let colour = Colour::from_number(*colour).expect("in range");
                    (health(colour, *since, lasts.map(|lasts| since + lasts)), *known_at * 10 + i as i64)
                })
                .collect();
            let tests: Vec<_> = events.iter().map(|(e, known_at)| (test(if e.colour == Colour::Red { TestResult::Positive } else { TestResult::Negative }, e.since), *known_at)).collect();
            let mut straight = HealthHistory::default();
            for (event, known_at) in &events { straight.add_health(event, *known_at); }
            for (event, known_at) in &tests { straight.add_test(event, *known_at); }
            let mut shuffled = HealthHistory::default();
            let mut indices: Vec<usize> = (0..events.len()).chain(0..events.len()).collect();
            indices.sort_by_key(|i| (order ^ (*i as u64)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            for i in indices {
                shuffled.add_test(&tests[i].0, tests[i].1);
                shuffled.add_health(&events[i].0, events[i].1);
            }
            let (a, b) = (straight.as_of(person(), at, known * 10), shuffled.as_of(person(), at, known * 10));
            prop_assert_eq!(a, b);
            // Oracle: look at every change by hand.
            let mut best: Option<(i64, i64, &HealthEvent)> = None;
            for (event, known_at) in &events {
                if *known_at <= known * 10 && event.since <= at && best.is_none_or(|(s, k, _)| (event.since, *known_at) > (s, k)) {
                    best = Some((event.since, *known_at, event));
                }
            }
            let best = best.map(|(_, _, event)| event).filter(|event| event.expires_at.is_none_or(|end| at < end));
            prop_assert_eq!(a.colour, best.map_or(Colour::Unknown, |event| event.colour));
        }
    }
}
