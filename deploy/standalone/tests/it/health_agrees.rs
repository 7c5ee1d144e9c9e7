//! The gateway's table and the processor's history are two codes for one rule: from the same feed they know the same.

#![expect(clippy::expect_used, reason = "a test that cannot go on should say where")]

use ingest::tables::HealthRecord;
use processor::history::HealthHistory;
use proptest::prelude::*;
use schemas::{
    Colour, HealthEvent, PersonKey, TestEvent, TestResult,
    events::{ColourChange, TestOutcome},
};

const START: i64 = 1_654_056_000;

fn person() -> PersonKey {
    PersonKey::from_u64(1 << 60).expect("valid")
}

fn health((since, colour, lasts): (i64, u8, Option<i64>)) -> HealthEvent {
    let text = || "x".to_owned();
    HealthEvent {
        v: 1,
        person: person(),
        colour: Colour::from_number(colour).expect("in range"),
        since: START + since,
        expires_at: lasts.map(|lasts| START + since + lasts),
        issuer: text(),
        evidence: text(),
        reason: text(),
        sent_by: None,
        release: None,
        newest: None,
    }
}

fn test((at, result): (i64, u8)) -> TestEvent {
    TestEvent {
        v: 1,
        person: person(),
        sampled_at: START + at,
        resulted_at: START + at,
        result: TestResult::from_number(result).expect("in range"),
        laboratory: "x".to_owned(),
        sent_by: None,
        newest: None,
    }
}

/// A message as the gateway reads it.
fn bytes(event: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(event).expect("serialises")
}

proptest! {
    /// One side reads the feed in its order; the other reads it shuffled and repeated; a third reads only what compaction
    /// leaves of it after the processor has written again what was outdated.
    #[test]
    fn gateway_enrichment_and_what_compaction_leaves_know_the_same(
        changes in prop::collection::vec((0i64..6, 1u8..4, prop::option::of(1i64..12)), 1..7),
        tests in prop::collection::vec((0i64..6, 1u8..3), 1..5),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..14),
        later in 0i64..20,
    ) {
        let (changes, tests): (Vec<_>, Vec<_>) =
            (changes.into_iter().map(health).collect(), tests.into_iter().map(test).collect());
        let mut gateway = HealthRecord::default();
        let shuffled = picks.iter().map(|pick| pick.get(&changes)).chain(changes.iter().rev());
        for change in shuffled {
            gateway = gateway.with_colour(&ColourChange::try_parse(&bytes(change)).expect("a change"));
        }
        for test in picks.iter().map(|pick| pick.get(&tests)).chain(tests.iter().rev()) {
            gateway = gateway.with_test(&TestOutcome::try_parse(&bytes(test)).expect("a test"));
        }

        let (mut history, mut last_change, mut last_test) = (HealthHistory::default(), None, None);
        for (at_ms, change) in (0..).zip(&changes) {
            let newest = history.add_health(change, at_ms);
            last_change = Some(HealthEvent { newest, ..change.clone() });
        }
        for (at_ms, test) in (0..).zip(&tests) {
            let newest = history.add_test(test, at_ms);
            last_test = Some(TestEvent { newest, ..test.clone() });
        }
        let (last_change, last_test) = (last_change.expect("one"), last_test.expect("one"));
        let compacted = HealthRecord::default()
            .with_colour(&ColourChange::try_parse(&bytes(&last_change)).expect("a change"))
            .with_test(&TestOutcome::try_parse(&bytes(&last_test)).expect("a test"));
        prop_assert_eq!(compacted, gateway);

        // All of them are in force by now.
        let at = START + 6 + later;
        let (told, enriched) = (gateway.to_health(), history.as_of(person(), at, 1_000));
        prop_assert_eq!(told.colour_at(at), enriched.colour);
        prop_assert_eq!((told.test_result, told.test_sampled_at), (enriched.test_result, enriched.test_sampled_at));
    }
}
