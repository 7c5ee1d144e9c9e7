use serde_json::{Value, json};

use super::*;

fn submission() -> Value {
    json!({"v": 1, "command": "00000000-0000-8000-8000-000000000001", "organisation": "91310000MA1FL0000N",
        "at_ms": 1_653_000_000_123i64, "action": {"type": "submit", "channel": "mobile",
        "applicant": "1123456789abcdef", "applicant_kind": "agent", "organisation_name": "茶业公司",
        "organisation_kind": "company", "kind": "place", "category": "catering", "name": "茶馆",
        "district": 310_101, "address": "福州路1号", "sealed": "1.AAAA"}})
}

fn problem(path: &[&str], value: Value) -> String {
    let mut message = submission();
    *path.iter().fold(&mut message, |at, name| &mut at[*name]) = value;
    match ApplicationEvent::try_parse(message.to_string().as_bytes()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_command_that_cannot_be_says_which_field_is_wrong() {
    assert_eq!(problem(&["action", "name"], "馆".into()), "");
    assert!(problem(&["organisation"], "91310000MA1FL0000".into()).starts_with("field `organisation`"));
    assert!(problem(&["action", "district"], 31.into()).starts_with("field `district`"));
    assert!(problem(&["action", "starts_at"], 1_653_000_000.into()).starts_with("field `starts_at`"));
    assert!(problem(&["action", "kind"], "event".into()).starts_with("field `ends_at`"));
    assert!(problem(&["at_ms"], 5.into()).starts_with("field `at_ms`"));
    assert_eq!(problem(&["action", "type"], "conquer".into()), "not a message of this topic");
    assert_eq!(problem(&["v"], 2.into()), "message version 2 is not known here; versions 1 to 1 are");
}

#[test]
fn an_application_belongs_to_its_organisation() {
    let request = Uuid::from_u128(7);
    let id = |organisation| ApplicationEvent::application_id(organisation, request);
    assert_eq!(id("A"), id("A"));
    assert_ne!(id("A"), id("B"));
}

#[test]
fn what_a_token_is_limited_to_a_command_is() {
    let event = |action| ApplicationEvent {
        v: 1,
        command: Uuid::from_u128(1),
        organisation: "91310000MA1FL0000N".to_owned(),
        at_ms: 1_653_000_000_123,
        action,
    };
    let scope = |organisation: Option<&str>, district| Scope {
        organisation: organisation.map(str::to_owned),
        district,
        ..Scope::default()
    };
    let submitted = ApplicationEvent::try_parse(submission().to_string().as_bytes()).expect("valid");
    let limited = |event: &ApplicationEvent, scope: &Scope| event.clone().limited(scope).map(|event| event.action);
    assert_eq!(limited(&submitted, &scope(Some("91310000MA1FL0000N"), Some(31))), Ok(submitted.action.clone()));
    assert_eq!(limited(&submitted, &scope(Some("91310000MA1FL0001R"), None)), Err(Limit::Organisation));
    assert_eq!(limited(&submitted, &scope(None, Some(3201))), Err(Limit::District));
    let somebody = Scope { person: "1123456789abcdee".parse().ok(), ..Scope::default() };
    assert_eq!(limited(&submitted, &somebody), Err(Limit::Person));

    // Where the venue lies the registry knows; the command says how far its sender may go.
    let revoke = event(ApplicationAction::Revoke { venue: 7, within: None });
    let within = ApplicationAction::Revoke { venue: 7, within: Some(3101) };
    assert_eq!(limited(&revoke, &scope(None, Some(3101))), Ok(within));
    let withdraw = event(ApplicationAction::Withdraw { application: Uuid::from_u128(7) });
    assert_eq!(limited(&withdraw, &scope(None, Some(3101))), Err(Limit::District));
    let venues = Scope { venues: Some(vec![7]), ..Scope::default() };
    assert_eq!(limited(&revoke, &venues), Err(Limit::Venues));
}
