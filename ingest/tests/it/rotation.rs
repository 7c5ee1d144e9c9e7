//! A second key in the ring of person keys: whoever is known keeps their key, and with it colour, test, registration and
//! trip; whoever comes new gets the new one.

use std::time::Duration;

use schemas::{
    Document, DocumentType, KeyRing, PersonKey, Plate, PlateKey,
    access::{Role, Scope},
};
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, ID_CARD, PERSON_KEY, ago, venue_line};

const NEW_KEY: &str = "2:dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc\n";
const PLATE: &str = "豫B12345";
const NEW_PLATE: &str = "豫BD12345";
/// Nobody's number, and nobody here knows it.
const STRANGER: &str = "110101199003070011";
const RESTAURANT: u32 = 7;
const CHECKPOINT: u32 = 8;
const DESTINATION: u32 = 9;

fn ring() -> KeyRing {
    KeyRing::try_parse(&format!("{PERSON_KEY}{NEW_KEY}")).expect("valid")
}

fn key(version: u8, number: &str) -> PersonKey {
    let document = Document::try_new(DocumentType::IdCard, number).expect("valid");
    PersonKey::derive_version(&ring(), version, &document).expect("in the ring")
}

fn card(number: &str) -> Value {
    json!({"type": "id_card", "number": number})
}

async fn as_citizen(gateway: &Gateway, person: PersonKey, path: &str, body: &Value) -> Answer {
    let scope = Scope { person: Some(person), ..Scope::default() };
    gateway.post_as((Role::Citizen, "citizen"), scope, path, body).await
}

/// The last scan that was kept of somebody, and what its lorry was told.
async fn scan(gateway: &Gateway, venue: u32, number: &str, plate: Option<&str>) -> Value {
    // Of scans of the same second the checkpoint counts first: these are in their order.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut body = json!({"venue": venue, "document": card(number), "scanned_at": ago(0)});
    if let Some(plate) = plate {
        body["plate"] = plate.into();
    }
    gateway.scan(&body).await.ok()
}

#[tokio::test]
async fn who_is_known_keeps_the_key_while_the_ring_rotates() {
    let gateway = Gateway::start_with(|config| config.city.name = "kaifeng".to_owned()).await;
    let kinds = [(RESTAURANT, "restaurant"), (CHECKPOINT, "freight_checkpoint"), (DESTINATION, "freight_destination")];
    let mut codes = Vec::new();
    for (venue, category) in kinds {
        let mut line = venue_line(venue);
        (line["category"], line["district"]) = (category.into(), 410_202.into());
        let loaded = gateway.batch("/v1/venues:batch", &[line]).await.ok();
        codes.push(loaded["lines"][0]["code"].clone());
    }
    let (old, stranger) = (key(1, ID_CARD), key(2, STRANGER));
    gateway.load_healthy(&old.to_string()).await;
    let answers = json!({"name": "张三丰", "document": card(ID_CARD), "address": "龙亭区1号", "severe_area": false,
        "contact": false, "temperature": true});
    as_citizen(&gateway, old, "/v1/people", &json!({"form": "venue", "answers": answers})).await.ok();
    let freight = json!({"name": "张三丰", "document": card(ID_CARD), "plate": PLATE, "phone": "13800000000",
        "origin": "山东菏泽", "entry_point": "兰考", "expected_return": ago(-3600), "expected_leave": ago(-7200),
        "fever_cough": false, "risk_area": true});
    let trip = json!({"answers": freight, "checkpoint": CHECKPOINT, "destination": DESTINATION});
    let declared = as_citizen(&gateway, old, "/v1/trips", &trip).await;
    assert_eq!(declared.status, 202, "{}", declared.text);

    std::fs::write(&gateway.config.city.person_keys_file, format!("{PERSON_KEY}{NEW_KEY}")).expect("written");
    let gateway = gateway.restart().await;
    // Whose lorry it is, is not known before all trips are read; until then it is said so.
    gateway
        .eventually("read", async |gateway: &Gateway| {
            let early = json!({"venue": CHECKPOINT, "document": card(STRANGER), "plate": NEW_PLATE});
            let answer = gateway.scan(&early).await;
            assert!([200, 503].contains(&answer.status.as_u16()), "{}", answer.text);
            answer.status == 200
        })
        .await;

    // Colour and test of the person, with document, last four characters, and the token of the key.
    let answer = scan(&gateway, RESTAURANT, ID_CARD, None).await;
    assert_eq!((&answer["verdict"], &answer["colour"]), (&json!("admit"), &json!("green")), "{answer}");
    let by_four = json!({"code": codes[0], "last_four": &ID_CARD[14..]});
    assert_eq!(as_citizen(&gateway, old, "/v1/scans", &by_four).await.ok()["verdict"], "admit");
    let own = json!({"code": codes[0], "document": card(ID_CARD)});
    assert_eq!(as_citizen(&gateway, old, "/v1/scans", &own).await.ok()["verdict"], "admit");

    // The lorry enters and its trip is closed.
    let entered = scan(&gateway, CHECKPOINT, ID_CARD, Some(PLATE)).await;
    assert_eq!(entered["trip"]["outcome"], "entered", "{entered}");
    let closed = scan(&gateway, DESTINATION, ID_CARD, Some(PLATE)).await;
    assert_eq!((&closed["trip"]["outcome"], &closed["trip"]["state"]), (&json!("closed"), &json!("closed")));

    // The feeds speak of the same person, and of new ones under the new key.
    for (path, line) in [
        (
            "/v1/health-codes:batch",
            json!({"colour": "red", "since": ago(0), "issuer": "CDC", "evidence": "E", "reason": "R"}),
        ),
        (
            "/v1/tests:batch",
            json!({"sampled_at": ago(60), "resulted_at": ago(0), "result": "negative", "laboratory": "L"}),
        ),
    ] {
        for (number, person) in [(ID_CARD, old), (STRANGER, stranger)] {
            let mut line = line.clone();
            line["document"] = card(number);
            let answer = gateway.batch(path, &[line]).await.ok();
            assert_eq!(answer["lines"][0]["person"], json!(person), "{path} {answer}");
        }
    }
    assert_eq!(scan(&gateway, RESTAURANT, ID_CARD, None).await["colour"], "red");
    assert_eq!(scan(&gateway, RESTAURANT, STRANGER, None).await["colour"], "red");

    let plate = |version: u8, plate: &str| {
        let keys = [PERSON_KEY, NEW_KEY][usize::from(version) - 1];
        PlateKey::derive(&KeyRing::try_parse(keys).expect("valid"), &Plate::try_new(plate).expect("valid"))
    };
    for scan in gateway.stored_scans().await {
        assert!([old, stranger].contains(&scan.person), "a third key");
        if let Some(freight) = scan.freight {
            let expected = if scan.person == old { plate(1, PLATE) } else { plate(2, NEW_PLATE) };
            assert_eq!(freight.vehicle, expected);
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_token_speaks_for_its_person_under_a_key_that_nothing_is_kept_of() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    std::fs::write(&gateway.config.city.person_keys_file, format!("{PERSON_KEY}{NEW_KEY}")).expect("written");
    let gateway = gateway.restart().await;
    let own = json!({"code": code, "document": card(ID_CARD)});
    as_citizen(&gateway, key(1, ID_CARD), "/v1/scans", &own).await.ok();
    let stored = gateway.stored_scans().await;
    assert_eq!(stored.iter().map(|scan| scan.person).collect::<Vec<_>>(), [key(1, ID_CARD)]);
    let others = as_citizen(&gateway, key(1, STRANGER), "/v1/scans", &own).await.refusal();
    assert_eq!(others, (403, "out-of-scope".to_owned(), Some("document".to_owned())));
    gateway.stop().await;
}
