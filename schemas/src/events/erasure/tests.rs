use super::*;

fn erase(digest: PersonDigest) -> ErasureEvent {
    let grounds = Grounds {
        digest,
        before_ms: 1_653_000_000_000,
        basis: ErasureBasis::ConsentWithdrawn,
        evidence: "E-1".to_owned(),
        asked_by: "li".to_owned(),
        asked_at_ms: 1_652_999_000_000,
        expires_at_ms: 1_653_100_000_000,
        confirmed_by: "wu".to_owned(),
    };
    let person = PersonKey::from_u64(1 << 60).expect("valid");
    let erasure = ErasureEvent::derive_id(310_101, "li", Uuid::nil());
    let action = ErasureAction::Erase { person, grounds: Box::new(grounds) };
    ErasureEvent { v: 1, erasure, at_ms: 1_653_000_000_000, action }
}

#[test]
fn what_is_erased_is_whom_its_digest_says() {
    let digest = |number: u64| PersonDigest::of(PersonKey::from_u64(1 << 60 | number).expect("valid"));
    let read = |event| ErasureEvent::try_parse(&serde_json::to_vec(&event).expect("serialises"));
    assert_eq!(read(erase(digest(0))).ok(), Some(erase(digest(0))));
    let refused = read(erase(digest(1))).unwrap_err().to_string();
    assert_eq!(refused, "field `digest` is not that of the person");
}

#[test]
fn no_command_takes_the_place_of_what_was_decided() {
    let decided = erase(PersonDigest::of(PersonKey::from_u64(1 << 60).expect("valid")));
    let command = ErasureAction::Confirm { command: Uuid::nil(), by: "wu".to_owned(), digests: Vec::new() };
    let late = ErasureEvent { action: command, ..decided.clone() };
    assert_eq!(late.key(), decided.erasure.to_string());
    assert_ne!(late.key(), decided.key());
}
