use super::*;

const ORGANISATION: &str = "91310000MA1FL0000N";

fn parsed(change: impl FnOnce(&mut ReminderEvent, &mut Sending)) -> Result<ReminderEvent, String> {
    let mut sending = Sending {
        reminder: ReminderEvent::derive_id(310_101, "li", Uuid::nil()),
        by: "li".to_owned(),
        organisation: ORGANISATION.to_owned(),
        venue: None,
        matter: ReminderMatter::NoCode,
        due_at: 1_653_100_000,
        note: None,
    };
    let action = ReminderAction::Escalate { due_by_ms: 0 };
    let mut event = ReminderEvent { v: 1, district: 310_101, at_ms: 1_653_000_000_000, action };
    change(&mut event, &mut sending);
    if event.action == (ReminderAction::Escalate { due_by_ms: 0 }) {
        event.action = ReminderAction::Send(Box::new(sending));
    }
    ReminderEvent::try_parse(&serde_json::to_vec(&event).expect("serialises")).map_err(|error| error.to_string())
}

#[test]
fn what_cannot_be_sent_is_no_record() {
    assert!(parsed(|_, _| {}).is_ok());
    assert!(parsed(|_, s| (s.matter, s.venue) = (ReminderMatter::NoScans, Some(7))).is_ok());
    assert!(parsed(|e, _| e.action = ReminderAction::Escalate { due_by_ms: e.at_ms }).is_ok());
    for (change, field) in [
        ((|_, s| s.venue = Some(7)) as fn(&mut ReminderEvent, &mut Sending), "venue"),
        (|_, s| s.matter = ReminderMatter::NotChecked, "venue"),
        (|_, s| s.organisation = "91310000MA1FL00000".to_owned(), "organisation"),
        (|_, s| s.due_at = 5, "due_at"),
        (|e, _| e.district = 310_104, "reminder"),
        (|e, _| e.district = 31, "district"),
        (|e, _| e.at_ms = 5, "at_ms"),
        (|e, _| e.action = ReminderAction::Escalate { due_by_ms: e.at_ms + 1 }, "due_by_ms"),
    ] {
        let refused = parsed(change).unwrap_err();
        assert!(refused.starts_with(&format!("field `{field}`")), "{refused} instead of {field}");
    }
}

#[test]
fn an_identity_begins_with_its_district_and_is_one_account_s() {
    let id = |district, by| ReminderEvent::derive_id(district, by, Uuid::from_u128(7));
    assert_eq!(ReminderEvent::district_of(id(310_101, "li")), Some(310_101));
    assert_eq!(id(310_101, "li"), id(310_101, "li"));
    assert_ne!(id(310_101, "li"), id(310_101, "wu"));
}
