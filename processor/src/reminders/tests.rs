//! What becomes of reminders by whom and when, and that nothing else comes of any mix of records.

use proptest::prelude::*;
use schemas::events::{ReminderMatter, ReminderOutcome, ReminderReply};
use serde_json::Value;

use super::*;

const START_MS: i64 = 1_654_056_000_000;
const DAY_MS: i64 = 86_400_000;
const DISTRICTS: [u32; 2] = [310_101, 310_104];
const ORGANISATIONS: [&str; 2] = ["91310000MA1FL0000N", "91310000MA1FL0001R"];

fn reminders() -> Reminders {
    Reminders::new("reminders", None)
}

fn id(district: usize, request: u128) -> Uuid {
    ReminderEvent::derive_id(DISTRICTS[district], "li", Uuid::from_u128(request))
}

fn event(district: usize, at_ms: i64, action: ReminderAction) -> ReminderEvent {
    ReminderEvent { v: VERSION, district: DISTRICTS[district], at_ms, action }
}

/// A reminder of an organisation that has no code, due a day after it was sent.
fn send(district: usize, request: u128, organisation: usize, at_ms: i64) -> ReminderEvent {
    let sending = Sending {
        reminder: id(district, request),
        by: "li".to_owned(),
        organisation: ORGANISATIONS[organisation].to_owned(),
        venue: None,
        matter: ReminderMatter::NoCode,
        due_at: (at_ms + DAY_MS) / 1000,
        note: None,
    };
    event(district, at_ms, ReminderAction::Send(Box::new(sending)))
}

fn of_venue(request: u128, venue: u32, matter: ReminderMatter) -> ReminderEvent {
    let mut event = send(0, request, 0, START_MS);
    if let ReminderAction::Send(sending) = &mut event.action {
        (sending.venue, sending.matter) = (Some(venue), matter);
    }
    event
}

fn answer(district: usize, request: u128, command: u128, organisation: usize, at_ms: i64) -> ReminderEvent {
    let (reminder, command, by) = (id(district, request), Uuid::from_u128(command), "wu".to_owned());
    let (organisation, note) = (ORGANISATIONS[organisation].to_owned(), Some("办理中".to_owned()));
    event(
        district,
        at_ms,
        ReminderAction::Answer { reminder, command, by, organisation, reply: ReminderReply::Mending, note },
    )
}

fn settle(district: usize, request: u128, command: u128, by: &str, at_ms: i64) -> ReminderEvent {
    let (reminder, command, by) = (id(district, request), Uuid::from_u128(command), by.to_owned());
    event(
        district,
        at_ms,
        ReminderAction::Settle { reminder, command, by, outcome: ReminderOutcome::NotMended, note: None },
    )
}

fn escalate(district: usize, at_ms: i64) -> ReminderEvent {
    event(district, at_ms, ReminderAction::Escalate { due_by_ms: at_ms })
}

fn apply(machine: &mut Reminders, offset: usize, event: &ReminderEvent) -> Result<Vec<Value>, String> {
    let (key, value) = (event.district.to_string(), serde_json::to_vec(event).expect("serialises"));
    let outputs =
        machine.apply(&Record { offset: offset as u64, sent_at_ms: 0, key: key.as_bytes(), value: &value })?;
    assert!(outputs.messages.is_empty());
    Ok(outputs.rows.iter().map(|row| serde_json::from_slice(&row.json).expect("a row")).collect())
}

/// Applies records, and gives of each what its rows say: state, refusal and how often.
fn told(events: &[ReminderEvent]) -> Vec<String> {
    let mut machine = reminders();
    let mut said = |(offset, event)| match apply(&mut machine, offset, event) {
        Ok(rows) => {
            let row = |row: &Value| format!("{} {} {}", row["state"], row["refused"], row["times"]).replace('"', "");
            rows.iter().map(row).collect::<Vec<_>>().join("; ")
        }
        Err(reason) => reason.split(':').next().unwrap_or_default().to_owned(),
    };
    events.iter().enumerate().map(&mut said).collect()
}

#[test]
fn a_reminder_is_sent_answered_and_settled_and_each_time_counted() {
    let told = told(&[
        send(0, 1, 0, START_MS),
        send(0, 1, 0, START_MS),
        answer(0, 1, 10, 0, START_MS),
        answer(0, 1, 10, 0, START_MS),
        answer(0, 1, 11, 0, START_MS),
        settle(0, 1, 12, "li", START_MS),
        settle(0, 1, 12, "li", START_MS),
        settle(0, 1, 13, "xu", START_MS),
        answer(0, 1, 14, 0, START_MS),
        send(0, 2, 0, START_MS),
        settle(0, 2, 15, "li", START_MS),
        send(0, 3, 0, START_MS),
    ]);
    let expected = [
        "sent  1",
        "",
        "answered  1",
        "",
        "answered  1",
        "settled  1",
        "",
        "settled already_settled 1",
        "settled already_settled 1",
        "sent  2",
        "settled  2",
        "sent  3",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_same_is_not_reminded_of_twice_while_it_is_open() {
    let mut machine = reminders();
    let mut last = |offset, event: &ReminderEvent| apply(&mut machine, offset, event).expect("applied").pop();
    last(0, &send(0, 1, 0, START_MS));
    let refused = last(1, &send(0, 2, 0, START_MS)).expect("a row");
    assert_eq!((&refused["state"], &refused["refused"]), (&"refused".into(), &"already_open".into()));
    assert_eq!((&refused["open_instead"], &refused["times"]), (&id(0, 1).to_string().into(), &1.into()));
    // Another organisation, another district, another venue and another matter are not the same.
    for (offset, other) in [
        (2, send(0, 3, 1, START_MS)),
        (3, send(1, 4, 0, START_MS)),
        (4, of_venue(5, 7, ReminderMatter::NoScans)),
        (5, of_venue(6, 8, ReminderMatter::NoScans)),
        (6, of_venue(7, 7, ReminderMatter::NotChecked)),
    ] {
        assert_eq!(last(offset, &other).expect("a row")["state"], "sent", "{other:?}");
    }
    let again = of_venue(8, 7, ReminderMatter::NotChecked);
    assert_eq!(last(7, &again).expect("a row")["refused"], "already_open");
}

#[test]
fn a_refused_reminder_changes_nothing_and_neither_does_a_settled_one() {
    let told = told(&[
        send(0, 1, 0, START_MS),
        send(0, 2, 0, START_MS),
        settle(0, 2, 10, "li", START_MS),
        answer(0, 2, 11, 0, START_MS),
        settle(0, 1, 12, "li", START_MS),
        // Sent again it stays refused, although nothing is open now.
        send(0, 2, 0, START_MS),
        settle(0, 2, 13, "li", START_MS),
        send(0, 3, 0, START_MS),
        // What settled the first one, or would settle the refused one, does not close the third.
        settle(0, 1, 14, "xu", START_MS),
        settle(0, 2, 15, "xu", START_MS),
        send(0, 4, 0, START_MS),
    ]);
    let expected = [
        "sent  1",
        "refused already_open 1",
        "refused not_sent 1",
        "field `reminder`",
        "settled  1",
        "",
        "refused not_sent 1",
        "sent  2",
        "settled already_settled 1",
        "refused not_sent 1",
        "refused already_open 2",
    ];
    assert_eq!(told, expected);
}

#[test]
fn another_organisation_answers_nothing_and_is_told_what_it_is_told_of_none() {
    let mut machine = reminders();
    apply(&mut machine, 0, &send(0, 1, 0, START_MS)).expect("sent");
    let others = apply(&mut machine, 1, &answer(0, 1, 10, 1, START_MS)).expect_err("not its own");
    let none = apply(&mut machine, 2, &answer(0, 9, 10, 1, START_MS)).expect_err("there is none");
    assert_eq!(others, none);
    let case = machine.case(id(0, 1)).expect("a reminder");
    assert_eq!((case.state, &case.answered), (ReminderState::Sent, &None));
    // The identity of its command is not used up by somebody else.
    let rows = apply(&mut machine, 3, &answer(0, 1, 10, 0, START_MS)).expect("its own");
    assert_eq!((&rows[0]["reply"], &rows[0]["reply_note"]), (&"mending".into(), &"办理中".into()));
}

#[test]
fn what_is_overdue_is_escalated_once_whether_answered_or_not_and_by_the_log_alone() {
    let mut machine = reminders();
    for (offset, event) in [
        send(0, 1, 0, START_MS),
        send(0, 2, 1, START_MS),
        send(1, 3, 0, START_MS),
        of_venue(4, 7, ReminderMatter::NoScans),
        answer(0, 2, 10, 1, START_MS),
        settle(0, 4, 11, "li", START_MS),
    ]
    .iter()
    .enumerate()
    {
        apply(&mut machine, offset, event).expect("applied");
    }
    apply(&mut machine, 6, &send(0, 5, 0, START_MS + DAY_MS)).expect("applied");
    assert!(machine.due(START_MS + DAY_MS - 1).is_empty(), "not before the day is over");
    let ticks = machine.due(START_MS + DAY_MS);
    assert_eq!(ticks.iter().map(|tick| tick.key.as_str()).collect::<Vec<_>>(), ["310101", "310104"]);

    let tick = ReminderEvent::try_parse(&ticks[0].value).expect("a record");
    let mut rows = apply(&mut machine, 7, &tick).expect("applied");
    rows.sort_by_key(|row| row["state"].to_string());
    let escalated: Vec<_> =
        rows.iter().map(|row| (&row["reminder_id"], &row["state"], &row["escalated_at_ms"])).collect();
    let (first, second) = (id(0, 2).to_string().into(), id(0, 1).to_string().into());
    let at: Value = tick.at_ms.into();
    let expected = [(&first, &"answered".into(), &at), (&second, &"sent".into(), &at)];
    assert_eq!(escalated, expected, "neither what is settled or refused, nor of another district");
    assert_eq!(apply(&mut machine, 8, &tick), Ok(Vec::new()), "a second instance says the same");
    assert_eq!(machine.due(START_MS + 2 * DAY_MS).len(), 1, "only the other district is left");
    let rows = apply(&mut machine, 9, &settle(0, 1, 12, "li", START_MS + 2 * DAY_MS)).expect("settled");
    assert_eq!((&rows[0]["state"], &rows[0]["escalated_at_ms"]), (&"settled".into(), &at));
}

#[test]
fn who_goes_on_answering_fills_no_memory_and_keeps_nobody_from_settling() {
    let answers = (0..100).map(|command| answer(0, 1, command, 0, START_MS));
    let events: Vec<_> = std::iter::once(send(0, 1, 0, START_MS))
        .chain(answers)
        .chain([settle(0, 1, 200, "li", START_MS), settle(0, 1, 200, "li", START_MS)])
        .collect();
    let told = told(&events);
    assert_eq!((told[20].as_str(), told[21].as_str()), ("answered  1", "answered too_many_answers 1"));
    assert_eq!((told[101].as_str(), told[102].as_str()), ("settled  1", ""));
}

#[test]
fn a_record_under_another_key_changes_nothing() {
    let mut machine = reminders();
    let value = serde_json::to_vec(&send(0, 1, 0, START_MS)).expect("serialises");
    let refused = machine.apply(&Record { offset: 0, sent_at_ms: 0, key: b"310104", value: &value });
    assert_eq!(refused, Err("field `district`: is not the key of the message".to_owned()));
    assert!(machine.case(id(0, 1)).is_none());
}

fn any_record() -> impl Strategy<Value = ReminderEvent> {
    let of = (0usize..2, 0u128..6, 0usize..2, 0u128..12);
    (0u8..8, of, 0i64..4).prop_map(|(kind, (district, request, organisation, command), day)| {
        let at_ms = START_MS + day * DAY_MS;
        match kind {
            0..3 => send(district, request, organisation, at_ms),
            3 | 4 => answer(district, request, command, organisation, at_ms),
            5 | 6 => settle(district, request, command, "li", at_ms),
            _ => escalate(district, at_ms),
        }
    })
}

proptest! {
    /// A new owner folds what another one has put out, and goes on: the same comes out as without a change of hands.
    #[test]
    fn the_fold_is_the_same_wherever_it_is_taken_over_and_nothing_goes_back(
        log in prop::collection::vec(any_record(), 0..80), cut in 0usize..80,
    ) {
        let fold = |from: usize| {
            let mut machine = reminders();
            let outcomes: Vec<_> = log.iter().enumerate().map(|(at, event)| apply(&mut machine, at, event)).collect();
            outcomes.into_iter().skip(from).collect::<Vec<_>>()
        };
        let whole = fold(0);
        prop_assert_eq!(&whole[cut.min(whole.len())..], &fold(cut)[..]);

        // Each begins once, never goes back, and a refused command changes nothing; of what is the same one is open at most.
        let mut last = std::collections::BTreeMap::<String, Value>::new();
        for row in whole.iter().flatten().flatten() {
            let id = row["reminder_id"].to_string();
            match last.get(&id) {
                None => prop_assert_eq!(&row["action"], "send"),
                Some(before) => {
                    prop_assert_ne!(&row["action"], "send");
                    let rank = |row: &Value| ["sent", "answered", "settled"].iter().position(|s| row["state"] == *s);
                    prop_assert!(rank(before) <= rank(row));
                    prop_assert_eq!(rank(before).is_none(), rank(row).is_none(), "what was refused stays so");
                    for field in ["settled_by", "outcome", "escalated_at_ms", "times", "due_at", "organisation"] {
                        let unset = before[field] == "" || before[field].is_null();
                        prop_assert!(unset || before[field] == row[field], "{} is overwritten", field);
                    }
                    let kept = ["state", "escalated_at_ms", "answered_at_ms", "settled_at_ms", "reply", "outcome"];
                    let changed = kept.iter().any(|field| before[*field] != row[*field]);
                    prop_assert!(!changed || row["refused"] == "", "a refused command changes something");
                }
            }
            last.insert(id, row.clone());
            let open: Vec<_> = last.values().filter(|row| row["state"] == "sent" || row["state"] == "answered").collect();
            let about: BTreeSet<_> =
                open.iter().map(|row| format!("{} {}", row["district"], row["organisation"])).collect();
            prop_assert_eq!(about.len(), open.len(), "the same is open twice");
        }
    }
}
