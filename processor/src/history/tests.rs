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
        sent_by: None,
        release: None,
        newest: None,
    }
}

fn test(result: TestResult, sampled_at: UnixSeconds) -> TestEvent {
    TestEvent {
        v: 1,
        person: person(),
        sampled_at,
        resulted_at: sampled_at,
        result,
        laboratory: "x".to_owned(),
        sent_by: None,
        newest: None,
    }
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

#[test]
fn a_colour_is_in_force_from_its_first_second_to_before_its_end() {
    let mut history = HealthHistory::default();
    history.add_health(&health(Colour::Red, 500, Some(900)), 0);
    let at = |second| history.as_of(person(), second, 1_000_000).colour;
    assert_eq!([499, 500, 899, 900].map(at), [Colour::Unknown, Colour::Red, Colour::Red, Colour::Unknown]);
}

#[test]
fn a_message_that_counts_for_less_than_an_earlier_one_is_told_what_counts() {
    let mut history = HealthHistory::default();
    let newer = health(Colour::Red, 500, None);
    let older = health(Colour::Green, 100, None);
    assert_eq!(history.add_health(&newer, 1_000), None);
    let counts = history.add_health(&older, 2_000);
    assert_eq!(counts, Some(newer.colouring()));
    let amended = HealthEvent { newest: counts, ..older };
    assert_eq!(history.add_health(&amended, 3_000), None, "written again it says all");
    // Once the newer message is compacted away, the amended one says the same.
    let mut compacted = HealthHistory::default();
    compacted.add_health(&amended, 3_000);
    for at in [99, 100, 499, 500, 900] {
        let now = |history: &HealthHistory| history.as_of(person(), at, 4_000).colour;
        assert_eq!(now(&compacted), now(&history), "{at}");
    }
    let (newer, older) = (test(TestResult::Positive, 500), test(TestResult::Negative, 100));
    history.add_test(&newer, 1_000);
    assert_eq!(history.add_test(&older, 2_000), Some(newer.sampling()));
}

proptest! {
    /// Feeds repeat and arrive out of order: the state must not depend on it.
    #[test]
    fn the_order_and_repetition_of_a_feed_do_not_matter(
        changes in proptest::collection::vec((0i64..20, proptest::option::of(1i64..10), 0i64..20, 0u8..4), 1..7),
        order: u64,
        at in 0i64..25, known in 0i64..25,
    ) {
        let events: Vec<_> = changes.iter()
            .map(|(since, lasts, known_at, colour)| {
                let colour = Colour::from_number(*colour).expect("in range");
                (health(colour, *since, lasts.map(|lasts| since + lasts)), *known_at * 10)
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
        let key = |event: &HealthEvent| (event.since, event.colour as u8, event.expires_at.unwrap_or(i64::MAX));
        let mut best: Option<&HealthEvent> = None;
        for (event, known_at) in &events {
            if *known_at <= known * 10 && event.since <= at && best.is_none_or(|best| key(event) > key(best)) {
                best = Some(event);
            }
        }
        let best = best.filter(|event| event.expires_at.is_none_or(|end| at < end));
        prop_assert_eq!(a.colour, best.map_or(Colour::Unknown, |event| event.colour));
    }
}
