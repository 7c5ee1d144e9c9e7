use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ORGANISATIONS: [&str; 2] = ["91310000MA1FL0000N", "91310000MA1FL0001R"];
const RULES: Rules =
    Rules { reviewed: false, per_door: true, reject_duplicates: true, mobile_quota: 3, portal_quota: 3 };

fn registry() -> Registry {
    Registry::new(3, RULES, "venues", None)
}

fn submit(organisation: usize, number: u8, place: u8) -> (String, Vec<u8>) {
    command(
        organisation,
        number,
        &json!({"type": "submit", "channel": "mobile", "applicant": "1123456789abcdef",
        "applicant_kind": "agent", "organisation_name": "茶业公司", "organisation_kind": "company", "kind": "place",
        "category": "catering", "name": "茶馆", "district": 310_101, "address": format!("福州路{place}号"),
        "sealed": "1.secret"}),
    )
}

fn command(organisation: usize, number: u8, action: &Value) -> (String, Vec<u8>) {
    let organisation = ORGANISATIONS[organisation];
    let id = Uuid::from_u128(number.into());
    let message =
        json!({"v": 1, "command": id, "organisation": organisation, "at_ms": 1_654_056_000_000i64, "action": action});
    (organisation.to_owned(), message.to_string().into_bytes())
}

fn apply(registry: &mut Registry, offset: usize, (key, value): &(String, Vec<u8>)) -> Result<Outputs, String> {
    registry.apply(&Record { offset: offset as u64, sent_at_ms: 0, key: key.as_bytes(), value })
}

fn venue(outputs: &Outputs) -> VenueEvent {
    VenueEvent::try_parse(&outputs.messages[0].value).expect("a venue")
}

#[test]
fn venues_are_numbered_by_partition_and_count_and_carry_their_revision() {
    let mut registry = registry();
    let first = apply(&mut registry, 10, &submit(0, 1, 1)).expect("decided");
    let second = apply(&mut registry, 11, &submit(1, 2, 1)).expect("decided");
    assert_eq!(venue(&first).venue, FIRST_VENUE + 3);
    assert_eq!(venue(&second).venue, FIRST_VENUE + 3 + 256);
    assert_eq!(second.messages[0].key, (FIRST_VENUE + 259).to_string());
    let revoke = command(0, 3, &json!({"type": "revoke", "venue": FIRST_VENUE + 3}));
    let revoked = venue(&apply(&mut registry, 12, &revoke).expect("decided"));
    assert_eq!((revoked.status, revoked.revision), (VenueStatus::Revoked, Some(12)));
    assert_eq!(registry.venues().map(|v| v.revision).collect::<Vec<_>>(), [Some(12), Some(11)]);
    assert_eq!(number(255, (1 << 23) - 1), Some(VenueId::MAX));
    assert_eq!(number(0, 1 << 23), None);
}

#[test]
fn what_is_sealed_and_who_is_responsible_leaves_the_log_nowhere() {
    let outputs = apply(&mut registry(), 0, &submit(0, 1, 1)).expect("decided");
    let all = outputs.rows.iter().map(|r| &r.json).chain(outputs.messages.iter().map(|m| &m.value));
    for bytes in all {
        assert!(!String::from_utf8_lossy(bytes).contains("secret"));
    }
}

#[test]
fn a_record_that_cannot_be_applied_changes_nothing_and_says_why() {
    let mut registry = registry();
    let refuse = |registry: &mut Registry, record| apply(registry, 0, &record).expect_err("refused");
    let (_, value) = submit(0, 1, 1);
    let refused = refuse(&mut registry, (ORGANISATIONS[1].to_owned(), value));
    assert_eq!(refused, "field `organisation`: is not the key of the message");
    assert_eq!(refuse(&mut registry, (String::new(), b"{}".to_vec())), "not a message of this topic");
    let foreign = command(1, 4, &json!({"type": "withdraw", "application": Uuid::from_u128(1)}));
    apply(&mut registry, 1, &submit(0, 1, 1)).expect("decided");
    assert!(refuse(&mut registry, foreign).starts_with("field `application`"), "another organisation's");
    assert_eq!(registry.venues().count(), 1);
}

fn any_command() -> impl Strategy<Value = (String, Vec<u8>)> {
    let venue = |count: u32| FIRST_VENUE + 3 + 256 * count;
    prop_oneof![
        4 => (0usize..2, 0u8..30, 0u8..5).prop_map(|(o, n, place)| submit(o, n, place)),
        1 => (0usize..2, 30u8..60, 0u32..4)
            .prop_map(move |(o, n, count)| command(o, n, &json!({"type": "revoke", "venue": venue(count)}))),
        1 => (0usize..2, 30u8..60, 0u32..4)
            .prop_map(move |(o, n, count)| command(o, n, &json!({"type": "reissue", "venue": venue(count)}))),
        1 => (0usize..2).prop_map(|o| (ORGANISATIONS[o].to_owned(), b"nonsense".to_vec())),
    ]
}

proptest! {
    /// A new owner folds what another one has put out, and goes on: the same comes out as without a change of hands.
    #[test]
    fn the_fold_is_the_same_wherever_it_is_taken_over(
        log in proptest::collection::vec(any_command(), 0..50), cut in 0usize..50,
    ) {
        let fold = |from: usize| {
            let mut registry = registry();
            let outcomes: Vec<_> = log.iter().enumerate().map(|(at, record)| apply(&mut registry, at, record)).collect();
            (outcomes.into_iter().skip(from).collect::<Vec<_>>(), registry.venues().collect::<Vec<_>>())
        };
        let (whole, directory) = fold(0);
        let (tail, again) = fold(cut);
        prop_assert_eq!(&whole[cut.min(whole.len())..], &tail[..]);
        prop_assert_eq!(&directory, &again);

        // The newest message of each venue is what the registry says of it, and no number is given to two places.
        let mut newest = std::collections::BTreeMap::new();
        for message in whole.iter().flatten().flat_map(|outputs| &outputs.messages) {
            let event = VenueEvent::try_parse(&message.value).expect("a venue");
            let replaced: Option<VenueEvent> = newest.insert(event.venue, event.clone());
            prop_assert!(replaced.is_none_or(|old| event.replaces(old.revision) && old.address == event.address));
        }
        prop_assert_eq!(newest.into_values().collect::<Vec<_>>(), directory);
    }
}
