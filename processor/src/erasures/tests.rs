//! Who may decide what about an erasure, when, that it is carried out until it is done, and that the log names nobody then.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use schemas::{
    PersonDigest,
    events::{ErasureAsk, ErasureBasis, ErasureDeclineReason, ErasureState, Removed},
};
use serde_json::Value;

use super::*;

const START_MS: i64 = 1_654_056_000_000;
const HOUR_MS: i64 = 3_600_000;

fn person() -> PersonKey {
    PersonKey::from_u64(1 << 60 | 7).expect("valid")
}

fn id() -> Uuid {
    ErasureEvent::derive_id(310_101, "asker", Uuid::from_u128(1))
}

fn event(at_ms: i64, action: ErasureAction) -> ErasureEvent {
    ErasureEvent { v: 1, erasure: id(), at_ms, action }
}

fn ask() -> ErasureEvent {
    let (by, evidence) = ("asker".to_owned(), "R-1".to_owned());
    let (basis, expires_at_ms) = (ErasureBasis::ConsentWithdrawn, START_MS + HOUR_MS);
    event(START_MS, ErasureAction::Ask(Box::new(ErasureAsk { by, person: person(), basis, evidence, expires_at_ms })))
}

fn confirm_of(who: u64, command: u128, by: &str, at_ms: i64) -> ErasureEvent {
    let digests = [1, who].map(|who| PersonDigest::of(PersonKey::from_u64(2 << 60 | who).expect("valid")));
    let digests = digests.into_iter().chain([PersonDigest::of(PersonKey::from_u64(1 << 60 | who).expect("valid"))]);
    let (command, digests) = (Uuid::from_u128(command), digests.collect());
    event(at_ms, ErasureAction::Confirm { command, by: by.to_owned(), digests })
}

/// By somebody who means the person that was asked for, under one of the keys that the person may have.
fn confirm(command: u128, by: &str, at_ms: i64) -> ErasureEvent {
    confirm_of(7, command, by, at_ms)
}

fn decline(command: u128, by: &str) -> ErasureEvent {
    let (command, by, reason) = (Uuid::from_u128(command), by.to_owned(), ErasureDeclineReason::StillNeeded);
    event(START_MS, ErasureAction::Decline { command, by, reason })
}

fn read(message: &Message) -> ErasureEvent {
    let event = ErasureEvent::try_parse(&message.value).expect("a record");
    assert_eq!((message.topic.as_str(), message.key.as_str()), ("erasures", event.key().as_str()));
    event
}

fn apply(machine: &mut Erasures, offset: u64, event: &ErasureEvent) -> Result<Outputs, String> {
    let (key, value) = (event.key(), serde_json::to_vec(event).expect("serialises"));
    machine.apply(&Record { offset, sent_at_ms: event.at_ms, key: key.as_bytes(), value: &value })
}

/// Applies events as records of a log, and gives the state and the refusal in the row of each; none where there is none.
fn fold(events: &[ErasureEvent]) -> Vec<Option<(String, String)>> {
    let mut machine = Erasures { topic: "erasures".to_owned(), ..Erasures::default() };
    let step = |(offset, event): (u64, &ErasureEvent)| {
        let outputs = apply(&mut machine, offset, event).ok()?;
        let row: Value = serde_json::from_slice(&outputs.rows.first()?.json).expect("JSON");
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        Some((text("state"), text("refused")))
    };
    (0..).zip(events).map(step).collect()
}

fn said(state: &str, refused: &str) -> Option<(String, String)> {
    Some((state.to_owned(), refused.to_owned()))
}

#[test]
fn it_is_confirmed_once_in_time_and_never_by_who_asked() {
    let (late, lapse) = (START_MS + HOUR_MS, |at_ms| event(at_ms, ErasureAction::Lapse));
    for (events, expected) in [
        (vec![confirm(1, "asker", START_MS)], said("asked", "own_request")),
        (vec![confirm(1, "other", late)], said("asked", "expired")),
        (vec![confirm_of(8, 1, "other", late)], said("asked", "expired")),
        (vec![confirm_of(8, 1, "other", START_MS)], said("asked", "other_person")),
        (vec![confirm_of(8, 1, "other", START_MS), confirm(1, "other", START_MS)], None),
        (vec![confirm_of(8, 1, "other", START_MS), confirm(2, "other", START_MS)], said("confirmed", "")),
        (vec![confirm(1, "other", late - 1)], said("confirmed", "")),
        (vec![confirm(1, "other", START_MS), confirm(1, "other", START_MS)], None),
        (vec![confirm(1, "other", START_MS), decline(2, "third")], said("confirmed", "already_decided")),
        (vec![decline(1, "asker")], said("declined", "")),
        (vec![decline(1, "other"), confirm(2, "third", START_MS)], said("declined", "already_decided")),
        (vec![lapse(late - 1)], None),
        (vec![lapse(late)], said("lapsed", "")),
        (vec![lapse(late), confirm(1, "other", late)], said("lapsed", "expired")),
    ] {
        let all: Vec<ErasureEvent> = [ask()].into_iter().chain(events).collect();
        assert_eq!(fold(&all).last(), Some(&expected), "{all:?}");
    }
    assert_eq!(fold(&[confirm(1, "other", START_MS)]), [None], "nobody has asked");
}

#[test]
fn what_is_confirmed_is_carried_out_until_that_is_done_whoever_dies() {
    let tries = Arc::new(AtomicUsize::new(0));
    let machine = || {
        let tries = Arc::clone(&tries);
        let carry: Carry = Box::new(move |who, before_ms| {
            assert_eq!((who, before_ms), (person(), START_MS + 5));
            anyhow::ensure!(tries.fetch_add(1, Ordering::Relaxed) > 0, "the tables do not answer");
            let removed = vec![Removed { table: "alerts".to_owned(), rows: 3 }];
            Ok(Some(Carried { removed, remains: Vec::new(), done_at_ms: START_MS + 9 }))
        });
        Erasures::new("erasures", carry)
    };
    let mut log = vec![ask(), confirm(1, "other", START_MS + 5)];
    let mut first = machine();
    apply(&mut first, 0, &log[0]).expect("applies");
    apply(&mut first, 1, &log[1]).expect("applies");
    log.push(read(&first.due(START_MS + 6)[0]));
    assert_eq!(tries.load(Ordering::Relaxed), 0, "nothing is carried out before the log has it");
    apply(&mut first, 2, &log[2]).expect("applies");
    assert!(first.due(START_MS + 6).is_empty(), "the first attempt fails");
    assert!(first.due(START_MS + 7).is_empty() && tries.load(Ordering::Relaxed) == 1, "and is not repeated at once");
    drop(first);

    // Another owner folds the log and goes on.
    let mut second = machine();
    (0..).zip(&log).for_each(|(offset, event)| drop(apply(&mut second, offset, event).expect("applies")));
    let done = second.due(START_MS + 8);
    log.push(read(&done[0]));
    assert!(second.due(START_MS + 60_000).is_empty() && tries.load(Ordering::Relaxed) == 2, "once is enough");
    let row: Value =
        serde_json::from_slice(&apply(&mut second, 3, &log[3]).expect("applies").rows[0].json).expect("JSON");
    let text = row.to_string();
    assert_eq!(
        (&row["state"], &row["removed_rows"], &row["done_at_ms"]),
        (&"done".into(), &vec![3].into(), &(START_MS + 9).into())
    );
    assert!(!text.contains(&person().to_string()) && !text.contains(&person().to_u64().to_string()), "{text}");
    let mut third = machine();
    assert!(apply(&mut third, 1, &log[1]).is_err(), "of which nobody has asked any more");
    let again = apply(&mut third, 3, &log[3]).expect("applies");
    assert_eq!(serde_json::from_slice::<Value>(&again.rows[0].json).expect("JSON"), row, "and the row is the same");
    assert!(third.due(START_MS + 60_000).is_empty(), "and nothing is carried out again");
}

#[test]
fn what_nobody_confirms_names_nobody_after_its_time() {
    let mut machine = Erasures { topic: "erasures".to_owned(), ..Erasures::default() };
    apply(&mut machine, 0, &ask()).expect("applies");
    assert!(machine.due(START_MS + HOUR_MS - 1).is_empty());
    let lapse = read(&machine.due(START_MS + HOUR_MS)[0]);
    assert_eq!(lapse.key(), ask().key(), "it takes the place of the record that names the person");
    apply(&mut machine, 1, &lapse).expect("applies");
    assert!(machine.due(START_MS + 2 * HOUR_MS).is_empty());
    assert_eq!(machine.case(id()).and_then(|case| case.person), None);
}

#[test]
fn no_record_that_cannot_be_changes_anything() {
    let mut machine = Erasures::default();
    let value = serde_json::to_vec(&ask()).expect("serialises");
    let refused = machine.apply(&Record { offset: 0, sent_at_ms: 0, key: b"other", value: &value }).unwrap_err();
    assert_eq!(refused, "field `erasure`: is not the key of the message");
    assert!(machine.case(id()).is_none());
}

/// The erasures of a log that has room for more, each carried out at once.
fn at_once() -> Erasures {
    let done_at_ms = START_MS + 9;
    let carried = move || Carried { removed: Vec::new(), remains: Vec::new(), done_at_ms };
    Erasures::new("erasures", Box::new(move |_, _| Ok(Some(carried()))))
}

/// Reads a log to its end, with what its owner writes to it meanwhile.
fn own(log: &mut Vec<ErasureEvent>) -> Erasures {
    let (mut machine, mut next) = (at_once(), 0);
    loop {
        while next < log.len() {
            if let Ok(outputs) = apply(&mut machine, next as u64, &log[next].clone()) {
                log.extend(outputs.messages.iter().map(read));
            }
            next += 1;
            assert!(log.len() < 1_000, "it never comes to an end");
        }
        let due = machine.due(START_MS + 10);
        if due.is_empty() {
            return machine;
        }
        log.extend(due.iter().map(read));
    }
}

/// What compaction keeps: the last record of each key.
fn kept(log: &[ErasureEvent]) -> std::collections::BTreeMap<String, ErasureEvent> {
    log.iter().map(|event| (event.key(), event.clone())).collect()
}

#[test]
fn a_clock_that_is_ahead_erases_nothing_of_what_is_still_to_come() {
    let mut log = vec![ask(), confirm(1, "other", START_MS + HOUR_MS - 1)];
    let machine = own(&mut log);
    let before_ms = machine.case(id()).and_then(Case::grounds).map(|grounds| grounds.before_ms);
    assert_eq!((before_ms, log[2].action.as_str()), (Some(START_MS + 10), "erase"));
    let ErasureAction::Erase { grounds, .. } = &log[2].action else { panic!("not confirmed") };
    assert_eq!(grounds.before_ms, START_MS + 10, "by the clock of the log's owner");
}

#[test]
fn one_that_cannot_be_carried_out_does_not_hold_back_another() {
    let second = ErasureEvent::derive_id(310_101, "asker", Uuid::from_u128(2));
    let (first, second) = (id().min(second), id().max(second));
    let bad = PersonKey::from_u64(1 << 60 | 1).expect("valid");
    let mut machine = at_once();
    let carry = machine.carry.take().expect("it carries out");
    machine.carry = Some(Box::new(move |who, at_ms| if who == bad { anyhow::bail!("no") } else { carry(who, at_ms) }));
    for (erasure, who) in [(first, bad), (second, person())] {
        let ErasureAction::Ask(asked) = ask().action else { panic!("not asked") };
        let mut case =
            Case::new(Deed { by: "asker".to_owned(), at_ms: START_MS }, ErasureAsk { person: who, ..*asked });
        let _ = case.confirm(Uuid::nil(), Deed { by: "other".to_owned(), at_ms: START_MS }, &[PersonDigest::of(who)]);
        case.is_written = true;
        machine.cases.insert(erasure, case);
        machine.pending.insert(erasure, who);
    }
    assert!(machine.due(START_MS).is_empty(), "the first fails");
    let done = ErasureEvent::try_parse(&machine.due(START_MS + PAUSE_MS)[0].value).expect("a record");
    assert_eq!((done.erasure, done.action.as_str()), (second, "done"));
}

proptest! {
    /// Whatever is sent again in whatever order, and written twice by two who hold the log: when all is read and done, the
    /// last record of a key names the person only while it waits to be decided, and whoever reads only these knows the same.
    #[test]
    fn the_last_record_of_each_key_names_nobody_when_it_is_over(
        steps in prop::collection::vec((0u8..5, 0u128..4), 0..12),
    ) {
        let mut log = vec![ask()];
        for (kind, command) in steps {
            log.push(match kind {
                0 => ask(),
                1 => confirm(command, "other", START_MS + 1),
                2 => confirm_of(8, command, "other", START_MS + 1),
                3 => decline(command, "other"),
                // Another one who held the log wrote it late.
                _ => match log.iter().find(|event| event.action.as_str() == "erase").cloned() {
                    Some(erase) => erase,
                    None => continue,
                },
            });
            if command == 0 {
                own(&mut log);
            }
        }
        let machine = own(&mut log);
        let state = machine.case(id()).expect("asked for").state();
        let kept = kept(&log);
        let names = |event: &ErasureEvent| serde_json::to_string(event).expect("JSON").contains(&person().to_string());
        prop_assert!(state != ErasureState::Confirmed, "it is carried out");
        if state != ErasureState::Asked {
            prop_assert!(!kept.values().any(names), "{kept:?}");
        }
        if state == ErasureState::Done {
            let mut rest: Vec<_> = kept.into_values().collect();
            let again = own(&mut rest);
            prop_assert_eq!(again.case(id()).expect("known").state(), ErasureState::Done);
        }
    }

    /// Whatever is sent in whatever order: never by who asked, and what was decided stays decided.
    #[test]
    fn any_mix_of_records_is_decided_once_and_by_somebody_else(
        steps in prop::collection::vec((0u8..3, 0u128..6, 0usize..3, 0i64..2 * HOUR_MS), 0..20),
    ) {
        let by = ["asker", "other", "third"];
        let events = steps.iter().map(|(kind, command, who, after_ms)| match kind {
            0 => confirm(*command, by[*who], START_MS + after_ms),
            1 => decline(*command, by[*who]),
            _ => event(START_MS + after_ms, ErasureAction::Lapse),
        });
        let mut machine = Erasures { topic: "erasures".to_owned(), ..Erasures::default() };
        apply(&mut machine, 0, &ask()).expect("applies");
        let mut decided = None;
        for (offset, event) in (1..).zip(events) {
            let outputs = apply(&mut machine, offset, &event).expect("applies");
            let case = machine.case(id()).expect("asked for");
            if let Some(state) = decided {
                prop_assert_eq!(case.state(), state);
            } else if case.state() != ErasureState::Asked {
                decided = Some(case.state());
            }
            prop_assert!(outputs.messages.is_empty());
            prop_assert!(case.confirmed.as_ref().is_none_or(|deed| deed.by != "asker" && deed.at_ms < case.expires_at_ms));
        }
    }
}
