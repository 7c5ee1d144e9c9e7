use proptest::prelude::*;
use schemas::{
    CityProfile, Colour, Method, Reasons, Verdict,
    events::{AlertKind, Disposition, Raised},
};
use serde_json::Value;

use super::*;

const START_MS: i64 = 1_654_056_000_000;
const MINUTE_MS: i64 = 60_000;
const DISTRICTS: [u32; 2] = [310_101, 310_104];

fn book() -> AlertBook {
    AlertBook::new("alerts", Duration::from_secs(15 * 60), None, None)
}

fn alert(district: usize, source: u128) -> Uuid {
    AlertEvent::derive_id(DISTRICTS[district], Uuid::from_u128(source), AlertKind::AbnormalColour)
}

fn event(district: usize, at_ms: i64, action: AlertAction) -> AlertEvent {
    AlertEvent { v: VERSION, district: DISTRICTS[district], at_ms, action }
}

fn raised(district: usize, source: u128, at_ms: i64) -> AlertEvent {
    let raised = Raised {
        alert: alert(district, source),
        kind: AlertKind::AbnormalColour,
        source: Uuid::from_u128(source),
        venue: 7,
        person: "1123456789abcdef".parse().expect("valid"),
        scanned_at: START_MS / 1000,
        vehicle: None,
        method: Some(Method::VenueCode),
        verdict: Some(Verdict::Refuse),
        colour: Some(Colour::Red),
        reasons: Reasons::NONE,
    };
    event(district, at_ms, AlertAction::Raised(Box::new(raised)))
}

fn acknowledge(district: usize, source: u128, command: u128, by: &str, at_ms: i64) -> AlertEvent {
    let (alert, command) = (alert(district, source), Uuid::from_u128(command));
    event(district, at_ms, AlertAction::Acknowledge { alert, command, by: by.to_owned() })
}

fn dispose(district: usize, source: u128, command: u128, by: &str, at_ms: i64) -> AlertEvent {
    let (alert, command, by) = (alert(district, source), Uuid::from_u128(command), by.to_owned());
    let (disposition, sealed_note) = (Disposition::Transferred, Some("1.secret".to_owned()));
    event(district, at_ms, AlertAction::Dispose { alert, command, by, disposition, sealed_note })
}

fn apply(book: &mut AlertBook, offset: usize, event: &AlertEvent) -> Result<Vec<Value>, String> {
    let (key, value) = (event.district.to_string(), serde_json::to_vec(event).expect("serialises"));
    let outputs = book.apply(&Record { offset: offset as u64, sent_at_ms: 0, key: key.as_bytes(), value: &value })?;
    assert!(outputs.messages.is_empty());
    Ok(outputs.rows.iter().map(|row| serde_json::from_slice(&row.json).expect("a row")).collect())
}

#[test]
fn an_alert_is_raised_acknowledged_and_disposed_of_by_whoever_comes_first() {
    let mut book = book();
    let mut said = |offset, event: &AlertEvent| {
        let rows = apply(&mut book, offset, event).expect("applied");
        let fields = ["revision", "state", "refused", "acknowledged_by", "disposed_by", "disposition"];
        rows.iter().map(|row| fields.map(|field| row[field].to_string()).join(" ")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(said(0, &raised(0, 1, START_MS)), r#"0 "raised" "" "" "" """#);
    assert_eq!(said(1, &raised(0, 1, START_MS)), "", "raised once");
    assert_eq!(said(2, &dispose(0, 1, 10, "li", START_MS)), r#"2 "raised" "not_acknowledged" "" "" """#);
    assert_eq!(said(3, &acknowledge(0, 1, 11, "li", START_MS)), r#"3 "acknowledged" "" "li" "" """#);
    assert_eq!(said(4, &acknowledge(0, 1, 11, "li", START_MS)), "", "sent again");
    let second = r#"5 "acknowledged" "already_acknowledged" "li" "" """#;
    assert_eq!(said(5, &acknowledge(0, 1, 12, "wu", START_MS)), second, "answered, not overwritten");
    assert_eq!(said(6, &dispose(0, 1, 13, "wu", START_MS)), r#"6 "disposed" "" "li" "wu" "transferred""#);
    let late = r#"7 "disposed" "already_disposed" "li" "wu" "transferred""#;
    assert_eq!(said(7, &dispose(0, 1, 14, "li", START_MS)), late);
}

#[test]
fn what_is_overdue_is_escalated_once_and_by_the_log_alone() {
    let mut book = book();
    for (offset, (district, source, minute)) in [(0, 1, 0), (0, 2, 0), (1, 3, 0), (0, 4, 10)].into_iter().enumerate() {
        apply(&mut book, offset, &raised(district, source, START_MS + minute * MINUTE_MS)).expect("raised");
    }
    apply(&mut book, 4, &acknowledge(0, 2, 20, "li", START_MS + MINUTE_MS)).expect("acknowledged");
    assert!(book.due(START_MS + 15 * MINUTE_MS).is_empty(), "not before the time is over");
    let ticks = book.due(START_MS + 15 * MINUTE_MS + 1);
    assert_eq!(ticks.iter().map(|tick| tick.key.as_str()).collect::<Vec<_>>(), ["310101", "310104"]);

    let tick = AlertEvent::try_parse(&ticks[0].value).expect("a record");
    let rows = apply(&mut book, 5, &tick).expect("applied");
    assert_eq!(rows.len(), 1, "neither what is acknowledged, nor younger, nor of another district");
    assert_eq!(rows[0]["alert_id"], alert(0, 1).to_string());
    assert_eq!((&rows[0]["state"], &rows[0]["escalated_at_ms"]), (&"raised".into(), &tick.at_ms.into()));
    assert_eq!(apply(&mut book, 6, &tick), Ok(Vec::new()), "a second instance says the same");
    assert_eq!(book.due(START_MS + 16 * MINUTE_MS).len(), 1, "only the other district is left");
    let rows = apply(&mut book, 7, &acknowledge(0, 1, 21, "li", START_MS + 20 * MINUTE_MS)).expect("acknowledged");
    assert_eq!((&rows[0]["state"], &rows[0]["escalated_at_ms"]), (&"acknowledged".into(), &tick.at_ms.into()));
}

#[test]
fn what_is_noted_leaves_the_log_nowhere_and_a_wrong_record_changes_nothing() {
    let mut book = book();
    apply(&mut book, 0, &raised(0, 1, START_MS)).expect("raised");
    apply(&mut book, 1, &acknowledge(0, 1, 10, "li", START_MS)).expect("acknowledged");
    let refused = apply(&mut book, 2, &dispose(1, 1, 11, "li", START_MS)).expect_err("another district's");
    assert!(refused.starts_with("field `alert`"), "{refused}");
    let rows = apply(&mut book, 3, &dispose(0, 1, 12, "li", START_MS)).expect("disposed");
    assert!(rows[0]["state"] == "disposed" && !rows[0].to_string().contains("secret"));
    let value = serde_json::to_vec(&raised(0, 2, START_MS)).expect("serialises");
    let refused = book.apply(&Record { offset: 4, sent_at_ms: 0, key: b"310104", value: &value });
    assert_eq!(refused, Err("field `district`: is not the key of the message".to_owned()));
    assert!(book.case(alert(0, 2)).is_none());
}

#[test]
fn what_is_closed_is_forgotten_when_its_records_expire_and_what_is_open_never() {
    let mut book = book();
    apply(&mut book, 0, &raised(0, 1, START_MS)).expect("raised");
    apply(&mut book, 1, &raised(0, 2, START_MS)).expect("raised");
    apply(&mut book, 2, &acknowledge(0, 1, 10, "li", START_MS)).expect("acknowledged");
    apply(&mut book, 3, &dispose(0, 1, 11, "li", START_MS)).expect("disposed");
    apply(&mut book, 4, &raised(0, 3, START_MS + REMEMBERED_MS)).expect("raised");
    assert!(book.case(alert(0, 1)).is_some());
    apply(&mut book, 5, &raised(0, 4, START_MS + REMEMBERED_MS + 1)).expect("raised");
    assert!(book.case(alert(0, 1)).is_none() && book.case(alert(0, 2)).is_some());
}

#[test]
fn what_is_past_is_dropped_and_neither_escalated_nor_open() {
    const DAY_MS: i64 = 86_400_000;
    let city = CityProfile::try_built_in("shanghai").expect("built in");
    let mut book = AlertBook { retention: Some(Retention::of(&city)), ..book() };
    apply(&mut book, 0, &raised(0, 1, START_MS)).expect("raised");
    apply(&mut book, 1, &raised(0, 2, START_MS)).expect("raised");
    apply(&mut book, 2, &acknowledge(0, 2, 10, "li", START_MS)).expect("acknowledged");
    apply(&mut book, 3, &dispose(0, 2, 11, "li", START_MS)).expect("disposed");
    assert_eq!(book.due(START_MS + 29 * DAY_MS).len(), 1, "kept");
    let now_ms = START_MS + 30 * DAY_MS;
    assert!(book.due(now_ms).is_empty(), "past");
    assert!(book.case(alert(0, 1)).is_none() && book.case(alert(0, 2)).is_none());
    assert!(book.open.is_empty() && book.waiting.is_empty() && book.ages.is_empty());
    let refused = apply(&mut book, 4, &acknowledge(0, 1, 12, "li", now_ms)).expect_err("it is gone");
    assert!(refused.contains("it has expired"), "{refused}");
    // Raised today for a scan of long ago: past as well.
    apply(&mut book, 5, &raised(0, 3, now_ms)).expect("raised");
    assert!(book.due(now_ms + DAY_MS).is_empty() && book.case(alert(0, 3)).is_none());
}

fn any_record() -> impl Strategy<Value = AlertEvent> {
    let by = prop::sample::select(vec!["li", "wu"]);
    (0u8..7, 0usize..2, 0u128..4, 0u128..12, by, 0i64..40).prop_map(|(kind, district, source, command, by, minute)| {
        let at_ms = START_MS + minute * MINUTE_MS;
        match kind {
            0..3 => raised(district, source, START_MS + i64::try_from(source).expect("small") * MINUTE_MS),
            3 | 4 => acknowledge(district, source, command, by, at_ms),
            5 => dispose(district, source, command, by, at_ms),
            _ => event(district, at_ms, AlertAction::Escalate { raised_before_ms: at_ms - 15 * MINUTE_MS }),
        }
    })
}

proptest! {
    /// A new owner folds what another one has put out, and goes on: the same comes out as without a change of hands.
    #[test]
    fn the_fold_is_the_same_wherever_it_is_taken_over(
        log in prop::collection::vec(any_record(), 0..60), cut in 0usize..60,
    ) {
        let fold = |from: usize| {
            let mut book = book();
            let outcomes: Vec<_> = log.iter().enumerate().map(|(at, event)| apply(&mut book, at, event)).collect();
            outcomes.into_iter().skip(from).collect::<Vec<_>>()
        };
        let whole = fold(0);
        prop_assert_eq!(&whole[cut.min(whole.len())..], &fold(cut)[..]);

        // Each alert is raised once, first of all, and never goes back; whoever acknowledged first stays.
        let mut last = std::collections::BTreeMap::<String, Value>::new();
        for row in whole.iter().flatten().flatten() {
            let id = row["alert_id"].to_string();
            match last.get(&id) {
                None => prop_assert_eq!(&row["action"], "raised"),
                Some(before) => {
                    prop_assert_ne!(&row["action"], "raised");
                    let rank = |row: &Value| ["raised", "acknowledged", "disposed"].iter().position(|s| row["state"] == *s);
                    prop_assert!(rank(before) <= rank(row));
                    for field in ["acknowledged_by", "disposed_by", "escalated_at_ms"] {
                        let unset = before[field] == "" || before[field].is_null();
                        prop_assert!(unset || before[field] == row[field], "{} is overwritten", field);
                    }
                    let changed = before["state"] != row["state"] || before["escalated_at_ms"] != row["escalated_at_ms"];
                    prop_assert_eq!(changed, row["refused"] == "", "a refused command changes nothing");
                }
            }
            last.insert(id, row.clone());
        }
    }
}
