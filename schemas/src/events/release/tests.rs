use super::*;

fn asking(change: impl FnOnce(&mut Asking)) -> Result<ReleaseEvent, String> {
    let mut asking = Asking {
        by: "li".to_owned(),
        case: "C-1".to_owned(),
        case_kind: CaseKind::Confirmed,
        evidence: "E-1".to_owned(),
        purpose: Purpose::ContactTracing,
        persons: vec![PersonKey::from_u64(1 << 60).expect("valid")],
        venues: Vec::new(),
        from: 1_653_000_000,
        to: 1_653_000_001,
        hops: 1,
        window_minutes: 30,
        expires_at_ms: 1_653_000_000_000,
        sealed_note: None,
    };
    change(&mut asking);
    let release = ReleaseEvent::derive_id(310_101, "li", Uuid::nil());
    let action = ReleaseAction::Ask(Box::new(asking));
    let event = ReleaseEvent { v: 1, release, at_ms: 1_653_000_000_000, action };
    ReleaseEvent::try_parse(&serde_json::to_vec(&event).expect("serialises")).map_err(|error| error.to_string())
}

#[test]
fn what_cannot_be_asked_for_is_no_record() {
    assert!(asking(|_| {}).is_ok());
    assert!(asking(|a| (a.persons, a.venues) = (Vec::new(), vec![7])).is_ok());
    for (change, field) in [
        ((|a| a.to = a.from) as fn(&mut Asking), "to"),
        (|a| a.persons.clear(), "persons"),
        (|a| a.venues = vec![7; MAX_SUBJECTS + 1], "persons"),
        (|a| a.hops = MAX_HOPS + 1, "hops"),
        (|a| a.window_minutes = 0, "window_minutes"),
        (|a| a.window_minutes = MAX_WINDOW_MINUTES + 1, "window_minutes"),
        (|a| a.from = 5, "from"),
    ] {
        let refused = asking(change).unwrap_err();
        assert!(refused.starts_with(&format!("field `{field}`")), "{refused}");
    }
}

#[test]
fn an_identity_begins_with_its_district_and_is_one_account_s() {
    let id = |district, by| ReleaseEvent::derive_id(district, by, Uuid::from_u128(7));
    assert_eq!(ReleaseEvent::district_of(id(310_101, "li")), Some(310_101));
    assert_eq!(id(310_101, "li"), id(310_101, "li"));
    assert_ne!(id(310_101, "li"), id(310_101, "wu"));
    assert_eq!(ReleaseEvent::district_of(Uuid::from_u128(7)), None);
}
