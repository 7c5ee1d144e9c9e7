//! What a district's office does about an alert: who may, what goes to Kafka, and what is sealed.

use schemas::{
    AlertEvent, KeyRing,
    access::Role,
    events::{AlertAction, AlertKind, Disposition},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Answer, Gateway, IDENTITY_KEY};

fn alert(district: u32) -> Uuid {
    AlertEvent::derive_id(district, Uuid::from_u128(7), AlertKind::AbnormalColour)
}

async fn post(gateway: &Gateway, role: Role, district: Option<u32>, path: &str, body: &Value) -> Answer {
    gateway.post_within((role, "office-7"), district, path, body).await
}

async fn commands(gateway: &Gateway) -> Vec<AlertAction> {
    let records = gateway.records("alerts", AlertEvent::try_parse, |record| record.district.to_string()).await;
    records.into_iter().map(|record| record.action).collect()
}

#[tokio::test]
async fn what_an_office_does_goes_to_the_book_of_its_district_with_its_account_and_a_sealed_note() {
    let gateway = Gateway::start().await;
    let (alert, first, second) = (alert(310_101), Uuid::from_u128(1), Uuid::from_u128(2));
    let path = |what: &str| format!("/v1/alerts/{alert}/{what}");
    let answer =
        post(&gateway, Role::District, Some(3101), &path("acknowledgement"), &json!({"request_id": first})).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let body: Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(body, json!({"command": first, "follow": format!("/v1/alerts/{alert}")}));
    let disposed = json!({"request_id": second, "disposition": "transferred", "note": "张三丰，由120转运"});
    let answer = post(&gateway, Role::Supervisor, None, &path("disposition"), &disposed).await;
    assert_eq!(answer.status, 202, "{}", answer.text);

    let mut commands = commands(&gateway).await;
    commands.sort_by_key(|command| command.as_str());
    let by = "office-7".to_owned();
    assert_eq!(commands[0], AlertAction::Acknowledge { alert, command: first, by: by.clone() });
    let AlertAction::Dispose { sealed_note: Some(sealed), .. } = commands[1].clone() else { panic!("no note") };
    let (disposition, sealed_note) = (Disposition::Transferred, Some(sealed.clone()));
    assert_eq!(commands[1], AlertAction::Dispose { alert, command: second, by, disposition, sealed_note });
    let keys = KeyRing::try_parse(IDENTITY_KEY).expect("valid");
    let place = service::sealing::Place { record: second, field: "note" };
    assert_eq!(service::sealing::open(&keys, place, &sealed).expect("opens"), "张三丰，由120转运".as_bytes());
    gateway.stop().await;
}

#[tokio::test]
async fn an_office_handles_the_alerts_of_its_own_district_and_no_others() {
    let gateway = Gateway::start().await;
    for (own, of, status) in [(310_101, 310_101, 202), (31, 310_101, 202), (310_101, 310_104, 403), (32, 310_101, 403)]
    {
        for (what, body) in [("acknowledgement", json!({})), ("disposition", json!({"disposition": "false_alarm"}))] {
            let path = format!("/v1/alerts/{}/{what}", alert(of));
            let answer = post(&gateway, Role::District, Some(own), &path, &body).await;
            assert_eq!(answer.status, status, "{own} {of} {what}: {}", answer.text);
            if status == 403 {
                let (_, kind, field) = answer.refusal();
                assert_eq!((kind.as_str(), field.as_deref()), ("out-of-scope", Some("id")));
            }
        }
    }
    assert_eq!(commands(&gateway).await.len(), 4, "what is refused goes nowhere");
    gateway.stop().await;
}

#[tokio::test]
async fn a_fault_names_its_field_and_goes_nowhere() {
    let gateway = Gateway::start().await;
    let path = |id: &str, what: &str| format!("/v1/alerts/{id}/{what}");
    let known = alert(310_101).to_string();
    for (path, body, field) in [
        (path("7", "acknowledgement"), json!({}), "id"),
        (path("99999999-0000-8000-8000-000000000001", "acknowledgement"), json!({}), "id"),
        (path(&known, "acknowledgement"), json!({"request_id": "7"}), "request_id"),
        (path(&known, "acknowledgement"), json!({"note": "x"}), "note"),
        (path(&known, "disposition"), json!({}), "disposition"),
        (path(&known, "disposition"), json!({"disposition": "eaten"}), "disposition"),
        (path(&known, "disposition"), json!({"disposition": "not_found", "note": " "}), "note"),
        (path(&known, "disposition"), json!({"disposition": "not_found", "note": "长".repeat(501)}), "note"),
    ] {
        let answer = post(&gateway, Role::Supervisor, None, &path, &body).await;
        assert_eq!(
            (answer.refusal().0, answer.refusal().2.as_deref()),
            (422, Some(field)),
            "{path} {body}: {}",
            answer.text
        );
    }
    assert!(commands(&gateway).await.is_empty());
    gateway.stop().await;
}
