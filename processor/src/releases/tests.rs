//! Who may decide what about a release, when, and that nothing else comes of any mix of records.

use proptest::prelude::*;
use schemas::{
    PersonKey,
    events::{Asking, CaseKind, DeclineReason, Purpose, ReleaseState},
};
use serde_json::Value;

use super::*;

const START_MS: i64 = 1_654_056_000_000;
const HOUR_MS: i64 = 3_600_000;

fn id() -> Uuid {
    ReleaseEvent::derive_id(310_101, "asker", Uuid::from_u128(1))
}

fn event(at_ms: i64, action: ReleaseAction) -> ReleaseEvent {
    ReleaseEvent { v: 1, release: id(), at_ms, action }
}

fn ask() -> ReleaseEvent {
    let asking = Asking {
        by: "asker".to_owned(),
        case: "C-1".to_owned(),
        case_kind: CaseKind::Confirmed,
        evidence: "E-1".to_owned(),
        purpose: Purpose::ContactTracing,
        persons: vec![PersonKey::from_u64(1 << 60).expect("valid")],
        venues: vec![7],
        from: START_MS / 1000 - 60,
        to: START_MS / 1000,
        hops: 1,
        window_minutes: 30,
        expires_at_ms: START_MS + HOUR_MS,
        sealed_note: None,
    };
    event(START_MS, ReleaseAction::Ask(Box::new(asking)))
}

fn release(command: u128, by: &str, at_ms: i64) -> ReleaseEvent {
    let (command, by) = (Uuid::from_u128(command), by.to_owned());
    event(at_ms, ReleaseAction::Release { command, by, expires_at_ms: at_ms + 2 * HOUR_MS })
}

fn decline(command: u128, by: &str) -> ReleaseEvent {
    let (command, by, reason) = (Uuid::from_u128(command), by.to_owned(), DeclineReason::TooBroad);
    event(START_MS, ReleaseAction::Decline { command, by, reason, sealed_note: None })
}

fn withdraw(command: u128, by: &str, by_supervisor: bool) -> ReleaseEvent {
    let (command, by) = (Uuid::from_u128(command), by.to_owned());
    event(START_MS, ReleaseAction::Withdraw { command, by, by_supervisor })
}

/// Applies events as records of a log, and gives the state and the refusal in the row of each; none where there is none.
fn fold(events: &[ReleaseEvent]) -> Vec<Option<(String, String)>> {
    let mut machine = Releases::default();
    let step = |(offset, event): (u64, &ReleaseEvent)| {
        let (key, value) = (event.release.to_string(), serde_json::to_vec(event).expect("serialises"));
        let outputs = machine.apply(&Record { offset, sent_at_ms: 0, key: key.as_bytes(), value: &value }).ok()?;
        let row: Value = serde_json::from_slice(&outputs.rows.first()?.json).expect("JSON");
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        Some((text("state"), text("refused")))
    };
    (0..).zip(events).map(step).collect()
}

#[test]
fn each_command_is_decided_by_who_sends_it_when() {
    let last = |events: &[ReleaseEvent]| {
        let (state, refused) = fold(events).pop().flatten().expect("a row");
        format!("{state} {refused}")
    };
    assert_eq!(last(&[ask()]), "asked ");
    assert_eq!(last(&[ask(), release(1, "other", START_MS)]), "released ");
    assert_eq!(last(&[ask(), release(1, "asker", START_MS)]), "asked own_request");
    assert_eq!(last(&[ask(), release(1, "other", START_MS + HOUR_MS)]), "asked expired");
    assert_eq!(last(&[ask(), release(1, "other", START_MS + HOUR_MS - 1)]), "released ");
    assert_eq!(last(&[ask(), decline(1, "other")]), "declined ");
    assert_eq!(last(&[ask(), decline(1, "asker")]), "asked own_request");
    assert_eq!(last(&[ask(), decline(1, "other"), release(2, "third", START_MS)]), "declined already_decided");
    assert_eq!(last(&[ask(), release(1, "other", START_MS), decline(2, "third")]), "released already_decided");
    assert_eq!(last(&[ask(), withdraw(1, "asker", false)]), "withdrawn ");
    assert_eq!(last(&[ask(), withdraw(1, "third", false)]), "asked not_own");
    assert_eq!(last(&[ask(), release(1, "other", START_MS), withdraw(2, "asker", false)]), "withdrawn ");
    assert_eq!(last(&[ask(), release(1, "other", START_MS), withdraw(2, "third", true)]), "withdrawn ");
    assert_eq!(last(&[ask(), withdraw(1, "asker", false), release(2, "other", START_MS)]), "withdrawn already_decided");
}

#[test]
fn a_flood_of_commands_is_refused_and_stops_nobody_from_taking_it_back() {
    let flood = (1..=100).map(|command| release(command, "asker", START_MS));
    let after = [release(101, "other", START_MS), withdraw(102, "third", true), withdraw(103, "asker", false)];
    let steps = fold(&std::iter::once(ask()).chain(flood).chain(after).collect::<Vec<_>>());
    let said = |number: usize| steps[number].as_ref().map(|(state, refused)| format!("{state} {refused}"));
    assert_eq!(said(100).as_deref(), Some("asked own_request"));
    assert_eq!(said(101).as_deref(), Some("asked too_many_commands"));
    assert_eq!(said(102).as_deref(), Some("withdrawn "));
    assert_eq!(said(103).as_deref(), Some("withdrawn already_decided"));
}

#[test]
fn what_comes_again_changes_nothing_and_what_nobody_asked_for_cannot_be_applied() {
    let twice = fold(&[ask(), ask(), release(1, "other", START_MS), release(1, "other", START_MS)]);
    assert_eq!(twice.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
    let later = ReleaseEvent { at_ms: START_MS + REMEMBERED_MS + 1, ..release(1, "other", START_MS) };
    for events in [vec![release(1, "other", START_MS)], vec![ask(), later]] {
        assert_eq!(fold(&events).pop(), Some(None), "a dead letter");
    }
    let mut machine = Releases::default();
    let value = serde_json::to_vec(&ask()).expect("serialises");
    let refused = machine.apply(&Record { offset: 0, sent_at_ms: 0, key: b"other", value: &value }).unwrap_err();
    assert!(refused.starts_with("field `release`"), "{refused}");
}

proptest! {
    #[test]
    fn nobody_releases_what_they_asked_for_and_nothing_is_released_late(
        steps in prop::collection::vec((0u8..3, 0u128..4, prop::sample::select(vec!["asker", "other", "third"]), 0i64..5), 0..12),
    ) {
        let mut machine = Releases::default();
        let events = std::iter::once(ask()).chain(steps.into_iter().map(|(what, command, by, hours)| match what {
            0 => release(command, by, START_MS + hours * HOUR_MS / 2),
            1 => decline(command, by),
            _ => withdraw(command, by, false),
        }));
        let mut was = ReleaseState::Asked;
        for (offset, event) in (0..).zip(events) {
            let (key, value) = (event.release.to_string(), serde_json::to_vec(&event).expect("serialises"));
            let _ = machine.apply(&Record { offset, sent_at_ms: 0, key: key.as_bytes(), value: &value });
            let case = machine.case(id()).expect("asked for");
            let state = case.state();
            if state == ReleaseState::Released {
                let deed = case.decided.as_ref().expect("somebody");
                prop_assert!(deed.by != "asker" && deed.at_ms < START_MS + HOUR_MS);
            }
            let goes_on = state == was || was == ReleaseState::Asked
                || (was, state) == (ReleaseState::Released, ReleaseState::Withdrawn);
            prop_assert!(goes_on, "{was:?} {state:?}");
            was = state;
        }
    }
}
