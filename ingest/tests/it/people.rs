//! Registering people: before their first visit, at the door, by a guardian; and what later scans ask (S4).

use schemas::{
    Document, DocumentType, IdentityEvent, KeyRing, PersonKey,
    access::{Role, Scope},
    city::FormKind,
};
use serde_json::{Value, json};
use service::identity;

use crate::gateway::{Answer, Gateway, ID_CARD, IDENTITY_KEY, PERSON_KEY, ago, venue_line};

const LAST_FOUR: &str = "001x";
/// Where and when the person of [`ID_CARD`] was born, as the number says it: so long that no time and no letter has it by
/// chance.
const BORN: &str = "34052419800101";
/// Born in 2010; nobody's number.
const CHILD_CARD: &str = "340524201001010014";
const ADULT_CARD: &str = "110101199003070011";

fn key_of(number: &str) -> PersonKey {
    let keys = KeyRing::try_parse(PERSON_KEY).expect("valid");
    PersonKey::derive(&keys, &Document::try_new(DocumentType::IdCard, number).expect("valid"))
}

fn answers(number: &str) -> Value {
    json!({"name": "张三丰", "document": {"type": "id_card", "number": number}, "address": "开封市龙亭区1号",
        "severe_area": false, "contact": false, "temperature": true})
}

/// Kaifeng with a restaurant, a freight checkpoint, and people whose codes are green.
struct Kaifeng {
    gateway: Gateway,
    restaurant: String,
    checkpoint: String,
}

impl Kaifeng {
    async fn start() -> Self {
        let gateway = Gateway::start_with(|config| config.city.name = "kaifeng".to_owned()).await;
        let mut codes = Vec::new();
        for (venue, category) in [(7, "restaurant"), (8, "freight_checkpoint")] {
            let mut line = venue_line(venue);
            line["category"] = category.into();
            let answer = gateway.batch("/v1/venues:batch", &[line]).await.ok();
            codes.push(answer["lines"][0]["code"].as_str().expect("a code").to_owned());
        }
        for number in [ID_CARD, CHILD_CARD, ADULT_CARD] {
            gateway.load_healthy(&key_of(number).to_string()).await;
        }
        let checkpoint = codes.pop().expect("two");
        Self { gateway, restaurant: codes.pop().expect("two"), checkpoint }
    }

    /// Sends something as the citizen with this identity card.
    async fn as_citizen(&self, number: &str, path: &str, body: &Value) -> Answer {
        let scope = Scope { person: Some(key_of(number)), ..Scope::default() };
        self.gateway.post_as((Role::Citizen, "citizen"), scope, path, body).await
    }

    async fn as_staff(&self, path: &str, body: &Value) -> Answer {
        self.gateway.post_as((Role::Device, "door"), Scope::default(), path, body).await
    }

    async fn scan(&self, number: &str, last_four: Option<&str>) -> Answer {
        self.as_citizen(number, "/v1/scans", &json!({"code": self.restaurant, "last_four": last_four})).await
    }

    async fn stored(&self) -> Vec<(String, IdentityEvent)> {
        let read = |(key, value): (String, String)| {
            let event = IdentityEvent::try_parse(value.as_bytes()).expect("a record");
            assert_eq!(key, event.key());
            (value, event)
        };
        self.gateway.messages("identities").await.into_iter().map(read).collect()
    }
}

fn refusal(status: u16, kind: &str, field: Option<&str>) -> (u16, String, Option<String>) {
    (status, kind.to_owned(), field.map(str::to_owned))
}

#[tokio::test]
async fn the_first_scan_asks_for_the_form_and_later_ones_for_the_last_four_characters() {
    let city = Kaifeng::start().await;
    let asked = city.scan(ID_CARD, None).await;
    assert_eq!(asked.refusal(), refusal(409, "registration-required", None));
    let problem = asked.problem();
    assert_eq!(problem.more["form"], "venue");
    let ids: Vec<_> = problem.more["fields"].as_array().expect("fields").iter().map(|field| &field["id"]).collect();
    assert_eq!(ids, ["name", "document", "address", "severe_area", "contact", "temperature"]);
    assert_eq!(problem.more["fields"][0]["label"], json!({"zh": "姓名", "en": "Name"}));

    let registered = city.as_citizen(ID_CARD, "/v1/people", &json!({"answers": answers(ID_CARD)})).await.ok();
    assert_eq!(registered, json!({"person": key_of(ID_CARD).to_string(), "form": "venue", "declares": []}));

    assert_eq!(city.scan(ID_CARD, None).await.refusal(), refusal(422, "missing-field", Some("last_four")));
    assert_eq!(city.scan(ID_CARD, Some("1X")).await.problem().more["tries_left"], 4);
    assert_eq!(city.scan(ID_CARD, Some("0 0 1 - X")).await.refusal().0, 422);
    assert_eq!(city.scan(ID_CARD, Some(LAST_FOUR)).await.ok()["verdict"], "admit");
    // A checkpoint asks for a form of its own.
    let at_checkpoint = json!({"code": city.checkpoint, "last_four": LAST_FOUR});
    let asked = city.as_citizen(ID_CARD, "/v1/scans", &at_checkpoint).await;
    assert_eq!(asked.problem().more["form"], "freight");
    // What a device has read from the card itself is not asked again, nor what came too late.
    let card = json!({"type": "id_card", "number": ADULT_CARD});
    assert_eq!(city.as_staff("/v1/scans", &json!({"code": city.restaurant, "document": card})).await.status, 200);
    let late = json!({"code": city.restaurant, "person": key_of(ADULT_CARD), "scanned_at": ago(3600)});
    assert_eq!(city.as_staff("/v1/scans", &late).await.ok()["verdict"], "recorded");
    let in_time = json!({"code": city.restaurant, "person": key_of(ADULT_CARD)});
    assert_eq!(city.as_staff("/v1/scans", &in_time).await.refusal().1, "registration-required");
    let line = city.gateway.batch("/v1/scans:batch", &[in_time]).await.ok();
    assert_eq!(line["lines"][0]["problem"]["form"], "venue", "{line}");

    // A gateway that starts anew knows who is registered.
    let Kaifeng { gateway, restaurant, checkpoint } = city;
    let city = Kaifeng { gateway: gateway.restart().await, restaurant, checkpoint };
    assert_eq!(city.scan(ID_CARD, Some(LAST_FOUR)).await.ok()["verdict"], "admit");
    city.gateway.stop().await;
}

#[tokio::test]
async fn guessing_locks_the_person_and_nobody_else() {
    let city = Kaifeng::start().await;
    for number in [ID_CARD, ADULT_CARD] {
        city.as_citizen(number, "/v1/people", &json!({"answers": answers(number)})).await.ok();
    }
    for left in (1..5).rev() {
        let wrong = city.scan(ID_CARD, Some("0000")).await;
        assert_eq!(wrong.refusal(), refusal(422, "wrong-last-four", Some("last_four")));
        assert_eq!(wrong.problem().more["tries_left"], left);
    }
    for last_four in ["0000", LAST_FOUR] {
        let locked = city.scan(ID_CARD, Some(last_four)).await;
        assert_eq!(locked.refusal(), refusal(429, "last-four-locked", Some("last_four")));
        assert!((1790..=1800).contains(&locked.problem().retry_after_s.expect("says when")));
    }
    assert_eq!(city.scan(ADULT_CARD, Some("0011")).await.status, 200);
    // Staff who see the document are not asked.
    let by_hand =
        json!({"code": city.restaurant, "person": key_of(ID_CARD), "method": "manual", "offline_reason": "elderly"});
    assert_eq!(city.as_staff("/v1/scans", &by_hand).await.status, 200);
    let stored = city.gateway.stored_scans().await;
    assert_eq!(stored.len(), 2, "what was refused is not kept");
    city.gateway.stop().await;
}

#[tokio::test]
async fn a_record_is_sealed_and_opens_with_the_key_only() {
    let city = Kaifeng::start().await;
    let mut fever = answers(ID_CARD);
    fever["temperature"] = false.into();
    let answer = city.as_staff("/v1/people", &json!({"answers": fever})).await;
    assert_eq!(answer.ok()["declares"], json!(["symptoms"]));
    assert!(!answer.text.contains("张三丰") && !answer.text.contains(BORN), "{}", answer.text);
    let freight = json!({"name": "张三丰", "document": {"type": "id_card", "number": ID_CARD}, "plate": "豫B12345",
        "phone": "13800000000", "origin": "菏泽", "entry_point": "兰考", "expected_return": ago(-3600),
        "expected_leave": ago(-7200), "fever_cough": false, "risk_area": true});
    let registered = city.as_staff("/v1/people", &json!({"form": "freight", "answers": freight})).await.ok();
    assert_eq!(registered["declares"], json!(["risk"]));

    let keys = KeyRing::try_parse(IDENTITY_KEY).expect("valid");
    let stored = city.stored().await;
    let last_four = format!("\"{LAST_FOUR}\"");
    for (text, event) in &stored {
        for secret in ["张三丰", "龙亭", BORN, &last_four, "13800000000", "豫B"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(event.person, key_of(ID_CARD));
        let opened = identity::open(&keys, event.into(), &event.sealed).expect("opens");
        assert_eq!((&opened["name"], &opened["document"]["number"]), (&json!("张三丰"), &json!(ID_CARD)));
    }
    let mut forms: Vec<_> = stored.iter().map(|(_, event)| event.form).collect();
    forms.sort_unstable();
    assert_eq!(forms, [FormKind::Venue, FormKind::Freight], "one form does not replace the other");
    city.gateway.stop().await;
}

#[tokio::test]
async fn who_registers_whom() {
    let city = Kaifeng::start().await;
    let other = city.as_citizen(ADULT_CARD, "/v1/people", &json!({"answers": answers(ID_CARD)})).await;
    assert_eq!(other.refusal(), refusal(403, "out-of-scope", Some("answers")));
    for (form, wrong, field) in [
        (json!("bus"), answers(ID_CARD), "form"),
        (json!("freight"), answers(ID_CARD), "answers.address"),
        (json!("venue"), json!({}), "answers.name"),
    ] {
        let refused = city.as_staff("/v1/people", &json!({"form": form, "answers": wrong})).await;
        assert_eq!((refused.status.as_u16(), refused.refusal().2.as_deref()), (422, Some(field)), "{}", refused.text);
    }
    let mut forged = answers(ID_CARD);
    forged["document"]["number"] = "340524198001010016".into();
    let refused = city.as_staff("/v1/people", &json!({"answers": forged})).await;
    assert_eq!(refused.refusal(), refusal(422, "invalid-field", Some("answers.document.number")));
    assert!(!refused.text.contains("340524"), "{}", refused.text);
    assert!(city.stored().await.is_empty());
    let forms = city.gateway.get("/v1/forms").await.ok();
    assert_eq!((&forms["is_asked"], &forms["freight"]["fields"][2]["id"]), (&json!(true), &json!("plate")));
    city.gateway.stop().await;
}

#[tokio::test]
async fn a_guardian_registers_a_child_and_scans_for_it() {
    let city = Kaifeng::start().await;
    let (guardian, child) = (key_of(ADULT_CARD), key_of(CHILD_CARD));
    let path = format!("/v1/people/{guardian}/dependants");
    let body = json!({"answers": answers(CHILD_CARD), "offline_reason": "child"});
    let scan = json!({"code": city.restaurant, "person": child, "method": "manual", "offline_reason": "child"});
    assert_eq!(city.as_citizen(ADULT_CARD, "/v1/scans", &scan).await.refusal().1, "out-of-scope", "not yet");

    let foreign = city.as_citizen(ID_CARD, &path, &body).await;
    assert_eq!(foreign.refusal(), refusal(403, "out-of-scope", Some("person")));
    let no_reason = city.as_citizen(ADULT_CARD, &path, &json!({"answers": answers(CHILD_CARD)})).await;
    assert_eq!(no_reason.refusal(), refusal(422, "not-eligible", Some("offline_reason")));
    let oneself = json!({"answers": answers(ADULT_CARD), "offline_reason": "child"});
    assert_eq!(city.as_citizen(ADULT_CARD, &path, &oneself).await.refusal().2.as_deref(), Some("answers"));

    let registered = city.as_citizen(ADULT_CARD, &path, &body).await.ok();
    assert_eq!(registered["person"], child.to_string());
    assert_eq!(city.as_citizen(ADULT_CARD, "/v1/scans", &scan).await.ok()["verdict"], "admit");
    let mut by_code = scan.clone();
    by_code["method"] = "venue_code".into();
    by_code.as_object_mut().expect("an object").remove("offline_reason");
    let refused = city.as_citizen(ADULT_CARD, "/v1/scans", &by_code).await;
    assert_eq!(refused.refusal().1, "out-of-scope", "only by hand");
    assert_eq!(city.as_citizen(ID_CARD, "/v1/scans", &scan).await.refusal().1, "out-of-scope", "nobody else");

    // Who is registered is nobody else's dependant; staff leave the guardian, the person's own registration does not.
    let taken = city.as_citizen(ID_CARD, &format!("/v1/people/{}/dependants", key_of(ID_CARD)), &body).await;
    assert_eq!(taken.refusal(), refusal(409, "already-registered", None));
    city.as_staff("/v1/people", &json!({"answers": answers(CHILD_CARD)})).await.ok();
    assert_eq!(city.as_citizen(ADULT_CARD, "/v1/scans", &scan).await.status, 200);
    city.as_citizen(CHILD_CARD, "/v1/people", &json!({"answers": answers(CHILD_CARD)})).await.ok();
    assert_eq!(city.as_citizen(ADULT_CARD, "/v1/scans", &scan).await.refusal().1, "out-of-scope", "grown up");
    assert_eq!(city.as_citizen(ADULT_CARD, &path, &body).await.refusal().1, "already-registered");
    city.gateway.stop().await;
}

#[tokio::test]
async fn a_city_that_does_not_ask_takes_scans_of_anybody() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let scan = gateway.scan(&json!({"venue": 7, "person": key_of(ID_CARD), "last_four": "0000"})).await;
    assert_eq!(scan.status, 200, "{}", scan.text);
    let refused = gateway.scan(&json!({"venue": 7, "person": key_of(ID_CARD), "last_four": 7})).await;
    assert_eq!(refused.refusal(), refusal(422, "invalid-field", Some("last_four")));
    gateway.stop().await;
}
