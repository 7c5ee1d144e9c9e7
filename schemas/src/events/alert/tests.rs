use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Direction, Exemption};

fn row() -> ScanRow {
    ScanRow {
        person: "1123456789abcdef".parse().expect("valid"),
        venue: 7,
        scanned_at: 1_653_000_000,
        method: Method::VenueCode,
        direction: Direction::Entry,
        verdict: Verdict::Admit,
        reasons: Reasons::NONE,
        exemption: Exemption::None,
        colour_shown: Colour::Green,
        colour: Colour::Green,
        test_result: TestResult::Negative,
        test_sampled_at: 1_652_900_000,
        district: 310_101,
        category: "catering".to_owned(),
        far_from_venue: false,
        event_id: Uuid::from_u128(7),
        stream: 1,
        kafka_offset: 1,
    }
}

fn raised(change: impl FnOnce(&mut ScanRow)) -> Option<(AlertKind, Colour)> {
    let mut row = row();
    change(&mut row);
    match AlertEvent::of_scan(&row, None, 1_653_000_000_123)?.action {
        AlertAction::Raised(raised) => Some((raised.kind, raised.colour?)),
        other => panic!("{other:?}"),
    }
}

fn refuse(row: &mut ScanRow, reasons: &[Reason]) {
    (row.verdict, row.reasons) = (Verdict::Refuse, reasons.iter().copied().collect());
}

/// S0 四, S2 规范验码, S4 二.3: who is refused for the colour, and who declared symptoms (S4 05), is reported.
#[test]
fn what_is_abnormal_raises_the_gravest_kind_once() {
    assert_eq!(raised(|_| {}), None);
    assert_eq!(raised(|row| refuse(row, &[Reason::TestTooOld, Reason::HealthUnknown])), None, "no risk, no alert");
    let symptoms = raised(|row| refuse(row, &[Reason::Symptoms]));
    assert_eq!(symptoms, Some((AlertKind::Symptoms, Colour::Green)));
    let colours = [(Reason::ColourYellow, Colour::Yellow), (Reason::ColourRed, Colour::Red)];
    for (reason, colour) in colours {
        let shown = raised(|row| {
            refuse(row, &[reason, Reason::Symptoms]);
            row.colour_shown = colour;
        });
        assert_eq!(shown, Some((AlertKind::AbnormalColour, colour)));
    }
    let positive = raised(|row| refuse(row, &[Reason::TestPositive, Reason::ColourRed]));
    assert_eq!(positive.map(|(kind, _)| kind), Some(AlertKind::PositiveTest));
}

#[test]
fn a_scan_that_came_late_or_was_let_through_is_judged_as_of_the_scan() {
    for verdict in [Verdict::Recorded, Verdict::Admit] {
        let late =
            |colour| raised(|row| (row.verdict, row.colour_shown, row.colour) = (verdict, Colour::Unknown, colour));
        assert_eq!(late(Colour::Red), Some((AlertKind::AbnormalColour, Colour::Red)));
        assert_eq!(late(Colour::Yellow), Some((AlertKind::AbnormalColour, Colour::Yellow)));
        assert_eq!((late(Colour::Green), late(Colour::Unknown)), (None, None));
        let positive = raised(|row| (row.verdict, row.test_result) = (verdict, TestResult::Positive));
        assert_eq!(positive, Some((AlertKind::PositiveTest, Colour::Green)));
    }
}

proptest! {
    #[test]
    fn an_identity_says_its_district_and_differs_by_source_and_kind(
        district in 110_000u32..830_000, source in any::<u128>(), other in any::<u128>(),
    ) {
        let id = |source, kind| AlertEvent::derive_id(district, Uuid::from_u128(source), kind);
        let alert = id(source, AlertKind::Symptoms);
        prop_assert_eq!(AlertEvent::district_of(alert), Some(district));
        let (text, prefix) = (alert.to_string(), format!("00{district}-"));
        prop_assert!(text.starts_with(&prefix));
        prop_assert_ne!(alert, id(source, AlertKind::AbnormalColour));
        prop_assert_eq!(alert == id(other, AlertKind::Symptoms), source == other);
    }

    #[test]
    fn whatever_else_a_uuid_is_it_is_of_no_district_that_cannot_be(bytes in any::<u128>()) {
        let id = Uuid::from_u128(bytes);
        let text = id.simple().to_string();
        let district = text[..8].parse::<u32>().ok().filter(|_| text[..8].bytes().all(|b| b.is_ascii_digit()));
        prop_assert_eq!(AlertEvent::district_of(id), district.filter(|district| is_district(*district)));
    }
}

#[test]
fn a_record_that_cannot_be_says_which_field_is_wrong() {
    let problem = |path: &[&str], value: Value| {
        let event =
            AlertEvent::of_scan(&ScanRow { colour: Colour::Red, ..row() }, None, 1_653_000_000_123).expect("raised");
        let mut message = json!(event);
        *path.iter().fold(&mut message, |at, name| &mut at[*name]) = value;
        AlertEvent::try_parse(message.to_string().as_bytes()).err().map(|error| error.to_string())
    };
    assert_eq!(problem(&["v"], 1.into()), None);
    assert_eq!(problem(&["district"], 310_104.into()).as_deref(), Some("field `alert` is of another district"));
    assert!(problem(&["district"], 31.into()).is_some_and(|error| error.starts_with("field `district`")));
    assert!(problem(&["at_ms"], 5.into()).is_some_and(|error| error.starts_with("field `at_ms`")));
    assert_eq!(problem(&["action", "kind"], "boredom".into()).as_deref(), Some("not a message of this topic"));
}

#[test]
fn every_disposition_has_a_name_in_both_languages() {
    let names: std::collections::HashSet<_> = Disposition::ALL.iter().map(|d| (d.name().zh, d.name().en)).collect();
    assert_eq!(names.len(), Disposition::ALL.len());
    assert!(names.iter().all(|(zh, en)| !zh.is_ascii() && en.is_ascii()));
}
