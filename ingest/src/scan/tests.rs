use std::num::NonZeroU32;

use schemas::{
    CityProfile, Exemption, KeyRing, Reason, TestResult, VenueEvent,
    access::{Role, Scope},
    admission::Policy,
    events::VenueStatus,
};
use service::code::CodeSigner;

use super::*;
use crate::{fields::read, person::Nobody, wording::Sentences};

/// 2022-06-01 12:00:00 in Shanghai.
const NOW: i64 = 1_654_056_000;
const ID_CARD: &str = "34052419800101001X";

fn city() -> City {
    let ring = |byte: &str| KeyRing::try_parse(&format!("1:{}", byte.repeat(32))).expect("valid");
    let profile = CityProfile::try_built_in("shanghai").expect("valid");
    City {
        policy: Policy::new(&profile),
        sentences: Sentences::new(&profile),
        profile,
        codes: CodeSigner { keys: ring("ab"), base_url: "HTTPS://CODE.EXAMPLE/V/".to_owned() },
        person_keys: ring("cd"),
        identity_keys: ring("ef"),
    }
}

fn limits() -> LimitConfig {
    LimitConfig {
        limit_scans_per_second: NonZeroU32::MIN,
        limit_scans_burst: NonZeroU32::MIN,
        limit_connections: 1,
        limit_client_connections: 1,
        limit_body_mib: 16,
        late_after_s: 600,
        max_scan_age_days: 366,
        max_ahead_s: 60,
    }
}

fn venue(serial: u8, status: VenueStatus) -> Venue {
    let event = VenueEvent {
        v: 1,
        venue: 7,
        serial,
        status,
        name: "茶馆".to_owned(),
        category: "catering".to_owned(),
        district: 310_101,
        address: "福州路1号".to_owned(),
        door: None,
        organisation: None,
        latitude: None,
        longitude: None,
        valid_from: None,
        valid_until: None,
        revision: None,
    };
    let message = serde_json::to_vec(&event).expect("serialises");
    Venue::try_from_message(&city().profile, &message).expect("reads").1
}

fn healthy() -> Health {
    Health {
        colour: Colour::Green,
        since: NOW - 86_400,
        expires_at: UnixSeconds::MAX,
        test_result: TestResult::Negative,
        test_sampled_at: NOW - 3600,
    }
}

fn check(json: &serde_json::Value) -> Result<Scan, IngestError> {
    let text = json.to_string();
    let sender = scope::tests::claims(Role::Device, Scope::default());
    read::<ScanRequest<'_>>(text.as_bytes())?.check(&sender, &city(), &limits(), &Nobody, NOW * 1000)
}

fn accept(json: &serde_json::Value, venue: Option<&Venue>) -> Result<Accepted, IngestError> {
    check(json)?.accept(venue, healthy(), &city(), &limits(), NOW * 1000)
}

#[test]
fn code_or_venue_and_person_or_document_but_not_both() {
    let person = "1123456789abcdef";
    let document = serde_json::json!({"type": "id_card", "number": ID_CARD});
    let code = VenueCode { venue: 7, serial: 1 }.sign(&city().codes.keys).to_string();
    let field = |json| check(&json).map(|_| ()).unwrap_err().problem().field.expect("names its field");
    assert_eq!(field(serde_json::json!({"person": person})), "code");
    assert_eq!(field(serde_json::json!({"person": person, "code": code, "venue": 7})), "venue");
    assert_eq!(field(serde_json::json!({"venue": 7})), "person");
    assert_eq!(field(serde_json::json!({"venue": 7, "person": person, "document": document})), "document");
    let scan = check(&serde_json::json!({"code": code, "document": document})).expect("in order");
    assert_eq!((scan.venue, scan.serial, scan.person.key_version()), (7, Some(1), 1));
}

#[test]
fn a_scan_without_an_identity_gets_the_same_one_each_time() {
    let json = serde_json::json!({"venue": 7, "person": "1123456789abcdef", "scanned_at": "2022-06-01T04:00:00Z"});
    let venue = venue(0, VenueStatus::Active);
    let first = accept(&json, Some(&venue)).expect("accepted").event;
    let again = check(&json).and_then(|s| s.accept(Some(&venue), Health::UNKNOWN, &city(), &limits(), NOW * 1000 + 5));
    assert_eq!(again.expect("accepted").event.event_id, first.event_id);
    assert_eq!((first.verdict, first.colour), (Verdict::Admit, Colour::Green));
}

#[test]
fn with_another_lorry_in_the_same_second_it_is_another_scan() {
    let mut scan = serde_json::json!({"venue": 7, "person": "1123456789abcdef", "scanned_at": "2022-06-01T04:00:00Z"});
    let ids = [None, Some("豫B12345"), Some("豫BD12345")].map(|plate| {
        scan["plate"] = plate.into();
        accept(&scan, Some(&venue(0, VenueStatus::Active))).expect("accepted").event.event_id
    });
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn a_reissued_code_and_a_closed_venue_are_revoked() {
    let code = VenueCode { venue: 7, serial: 1 }.sign(&city().codes.keys).to_string();
    let by_code = serde_json::json!({"code": code, "person": "1123456789abcdef"});
    let by_number = serde_json::json!({"venue": 7, "person": "1123456789abcdef"});
    assert!(accept(&by_code, Some(&venue(1, VenueStatus::Active))).is_ok());
    assert_eq!(accept(&by_code, Some(&venue(2, VenueStatus::Active))), Err(IngestError::RevokedCode { field: "code" }));
    assert!(accept(&by_number, Some(&venue(2, VenueStatus::Active))).is_ok());
    let closed = venue(1, VenueStatus::Revoked);
    assert_eq!(accept(&by_number, Some(&closed)), Err(IngestError::RevokedCode { field: "venue" }));
    assert_eq!(accept(&by_code, None), Err(IngestError::UnknownVenue { field: "code" }));
}

#[test]
fn a_scan_is_late_after_ten_minutes_and_refused_after_a_year_or_from_the_future() {
    let at = |time: &str| serde_json::json!({"venue": 7, "person": "1123456789abcdef", "scanned_at": time});
    let venue = venue(0, VenueStatus::Active);
    let verdict = |time| accept(&at(time), Some(&venue)).map(|a| a.event.verdict);
    assert_eq!(verdict("2022-06-01T11:50:00+08:00"), Ok(Verdict::Admit));
    assert_eq!(verdict("2022-06-01T11:49:59+08:00"), Ok(Verdict::Recorded));
    assert_eq!(verdict("2022-06-01T12:01:00+08:00"), Ok(Verdict::Admit));
    for bad in ["2022-06-01T12:01:01+08:00", "2021-05-31T11:59:59+08:00", "2022-06-01", "now"] {
        assert_eq!(verdict(bad).unwrap_err().problem().field.as_deref(), Some("scanned_at"), "{bad}");
    }
    let late = accept(&at("2022-06-01T11:00:00+08:00"), Some(&venue)).expect("accepted");
    assert_eq!((late.event.colour, late.health), (Colour::Unknown, Health::UNKNOWN));
}

#[test]
fn a_refusal_knows_the_hours_of_its_rule() {
    let json = serde_json::json!({"venue": 7, "person": "1123456789abcdef"});
    let old = Health { test_sampled_at: NOW - 49 * 3600, ..healthy() };
    let scan = check(&json).expect("in order");
    let accepted = scan.accept(Some(&venue(0, VenueStatus::Active)), old, &city(), &limits(), NOW * 1000);
    let accepted = accepted.expect("accepted");
    assert_eq!(accepted.event.reasons.iter().collect::<Vec<_>>(), [Reason::TestTooOld]);
    assert_eq!(accepted.test_within_hours, Some(48));
}

#[test]
fn an_exemption_is_one_of_the_city_and_stored_as_its_word() {
    let scan = |id: &str| serde_json::json!({"venue": 7, "person": "1123456789abcdef", "exemption": id});
    let venue = venue(0, VenueStatus::Active);
    let stored = |id| accept(&scan(id), Some(&venue)).map(|accepted| accepted.event.exemption);
    assert_eq!(stored("urgent_medical"), Ok(Exemption::UrgentMedical));
    assert_eq!(stored("none"), Ok(Exemption::None));
    let problem = stored("vip").unwrap_err().problem();
    assert_eq!((problem.status, problem.field.as_deref()), (422, Some("exemption")));
    assert_eq!(problem.detail.as_deref(), Some("expected one of none, urgent_medical, other"));
}

#[test]
fn an_age_in_the_document_speaks_for_a_reverse_scan() {
    let reverse = |person: serde_json::Value, reason: Option<&str>| {
        let mut scan = serde_json::json!({"venue": 7, "method": "reverse_scan"});
        scan.as_object_mut().expect("an object").extend(person.as_object().expect("an object").clone());
        if let Some(reason) = reason {
            scan["offline_reason"] = reason.into();
        }
        check(&scan).map(|_| ()).map_err(|error| error.problem().field.unwrap_or_default())
    };
    let card = |number: &str| serde_json::json!({"document": {"type": "id_card", "number": number}});
    // Born in 1980, 1950 and 2010.
    let (adult, senior, minor) = (card(ID_CARD), card("340524195001010016"), card("340524201001010014"));
    let key = serde_json::json!({"person": "1123456789abcdef"});
    let refused = Err("offline_reason".to_owned());
    assert_eq!([reverse(senior, None), reverse(minor, None)], [Ok(()), Ok(())]);
    assert_eq!(reverse(adult.clone(), None), refused);
    assert_eq!(reverse(adult.clone(), Some("senior")), refused);
    assert_eq!(reverse(adult, Some("disabled")), Ok(()));
    assert_eq!(reverse(key.clone(), None), refused);
    assert_eq!(reverse(key, Some("minor")), Ok(()));
}

#[test]
fn debug_output_has_no_document_number() {
    let document = serde_json::json!({"type": "id_card", "number": ID_CARD});
    let text = serde_json::json!({"venue": 7, "document": document, "last_four": "001X"}).to_string();
    let request: ScanRequest<'_> = read(text.as_bytes()).expect("reads");
    let shown = format!("{request:?}");
    assert!(!shown.contains("340524") && !shown.contains("001X"), "{shown}");
}
