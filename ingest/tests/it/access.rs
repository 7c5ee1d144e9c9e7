//! Who gets in, and how far.

use std::time::Duration;

use benches::doors::{Door, are_those_of, try_all};
use reqwest::Method;
use schemas::{
    KeyRing, PersonKey,
    access::{
        Role::{self, Admin, Citizen, Device, Epidemiologist, Feed, Operator, Regulator, Reviewer, Supervisor},
        Scope,
    },
    document::{Document, DocumentType},
};
use serde_json::{Value, json};
use service::access::{Issuer, KeySet, SigningKey};

use crate::gateway::{Answer, Gateway, ID_CARD, ORGANISATION, PERSON, PERSON_KEY, venue_line};

/// Who may use what, written down a second time.
const DOORS: &[Door] = &[
    ("POST", "/v1/scans", Some(&[Device, Citizen])),
    ("POST", "/v1/scans:batch", Some(&[Device])),
    ("POST", "/v1/health-codes:batch", Some(&[Feed])),
    ("POST", "/v1/health-proposals/{id}/release", Some(&[Feed])),
    ("POST", "/v1/tests:batch", Some(&[Feed])),
    ("POST", "/v1/venues:batch", Some(&[Admin])),
    ("GET", "/v1/codes/{code}", Some(&[Device, Citizen, Operator, Reviewer, Admin])),
    ("GET", "/v1/forms", Some(&[Device, Citizen])),
    ("POST", "/v1/people", Some(&[Device, Citizen])),
    ("POST", "/v1/people/{person}/dependants", Some(&[Citizen])),
    ("POST", "/v1/applications", Some(&[Operator])),
    ("POST", "/v1/applications/{id}/withdrawal", Some(&[Operator])),
    ("POST", "/v1/applications/{id}/reviews", Some(&[Reviewer])),
    ("POST", "/v1/venues/{venue}/revocation", Some(&[Operator, Reviewer, Admin])),
    ("POST", "/v1/venues/{venue}/reissue", Some(&[Operator, Reviewer, Admin])),
    ("POST", "/v1/trips", Some(&[Device, Citizen])),
    ("POST", "/v1/trips/{id}/cancellation", Some(&[Device, Citizen])),
    ("POST", "/v1/alerts/{id}/acknowledgement", Some(&[Role::District, Supervisor])),
    ("POST", "/v1/alerts/{id}/disposition", Some(&[Role::District, Supervisor])),
    ("POST", "/v1/releases", Some(&[Epidemiologist])),
    ("POST", "/v1/releases/{id}/decision", Some(&[Supervisor])),
    ("POST", "/v1/releases/{id}/withdrawal", Some(&[Epidemiologist, Supervisor])),
    ("POST", "/v1/reminders", Some(&[Regulator])),
    ("POST", "/v1/reminders/{id}/settle", Some(&[Regulator])),
    ("POST", "/v1/reminders/{id}/answer", Some(&[Operator])),
    ("POST", "/v1/erasures", Some(&[Role::District, Supervisor])),
    ("POST", "/v1/erasures/{id}/decision", Some(&[Supervisor])),
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", None),
    ("GET", "/openapi.json", None),
];

/// Posts a scan with a token.
async fn scan(gateway: &Gateway, token: &str, body: &Value) -> Answer {
    let request = gateway.bare_request(Method::POST, "/v1/scans").bearer_auth(token);
    Answer::to(request.header("content-type", "application/json").body(body.to_string())).await
}

fn refused(kind: &str, field: &str) -> (u16, String, Option<String>) {
    (403, kind.to_owned(), Some(field.to_owned()))
}

#[test]
fn every_rule_is_written_down_twice() {
    are_those_of(DOORS, ingest::TABLE).expect("the same rules");
}

#[tokio::test]
async fn every_route_takes_its_roles_and_no_other_and_no_bad_token() {
    let gateway = Gateway::start().await;
    try_all(gateway.base(), &gateway.issuer, DOORS).await.expect("every door is as it should be");
    gateway.stop().await;
}

#[tokio::test]
async fn a_device_is_limited_to_its_venues() {
    let gateway = Gateway::start().await;
    let (mut own, other) = (venue_line(7), venue_line(8));
    own["organisation"] = ORGANISATION.into();
    own["district"] = 310_104.into();
    gateway.batch("/v1/venues:batch", &[own, other]).await.ok();
    for scope in [
        Scope { venues: Some(vec![7]), ..Scope::default() },
        Scope { district: Some(310_104), ..Scope::default() },
        Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() },
    ] {
        let token = gateway.limited_token(Device, "sentinel", scope.clone());
        let at = |venue| json!({"venue": venue, "person": PERSON});
        scan(&gateway, &token, &at(7)).await.ok();
        assert_eq!(scan(&gateway, &token, &at(8)).await.refusal(), refused("out-of-scope", "venue"), "{scope:?}");
        let by_code = json!({"code": gateway.code(8, 0), "person": PERSON});
        assert_eq!(scan(&gateway, &token, &by_code).await.refusal().0, 403, "{scope:?}");
        let lines = format!("{}\n{}\n", at(7), at(8));
        let batch = gateway.bare_request(Method::POST, "/v1/scans:batch").bearer_auth(&token);
        let answer = Answer::to(batch.header("content-type", "application/x-ndjson").body(lines)).await.ok();
        assert_eq!((&answer["accepted"], &answer["lines"][1]["problem"]["status"]), (&json!(1), &json!(403)));
    }
    assert!(gateway.stored_scans().await.iter().all(|scan| scan.venue == 7));
    gateway.stop().await;
}

#[tokio::test]
async fn an_operator_looks_up_the_codes_of_its_organisation() {
    let gateway = Gateway::start().await;
    let mut own = venue_line(7);
    own["organisation"] = ORGANISATION.into();
    gateway.batch("/v1/venues:batch", &[own, venue_line(8)]).await.ok();
    let scope = Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
    let token = gateway.limited_token(Operator, "console", scope);
    let look_up = async |venue| {
        let path = format!("/v1/codes/{}", gateway.code(venue, 0));
        Answer::to(gateway.bare_request(Method::GET, &path).bearer_auth(&token)).await
    };
    assert_eq!(look_up(7).await.ok()["venue"], 7);
    assert_eq!(look_up(8).await.refusal(), refused("out-of-scope", "code"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_citizen_scans_codes_for_themselves_only() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    let keys = KeyRing::try_parse(PERSON_KEY).expect("valid");
    let document = Document::try_new(DocumentType::IdCard, ID_CARD).expect("valid");
    let own = PersonKey::derive(&keys, &document);
    let scope = Scope { person: Some(own), ..Scope::default() };
    let token = gateway.limited_token(Citizen, "app", scope);
    for body in [
        json!({"code": code}),
        json!({"code": code, "person": own.to_string()}),
        json!({"code": code, "document": {"type": "id_card", "number": ID_CARD}, "method": "manual",
            "offline_reason": "no_smartphone"}),
    ] {
        scan(&gateway, &token, &body).await.ok();
    }
    for (body, kind, field) in [
        (json!({"code": code, "person": PERSON}), "out-of-scope", "person"),
        (json!({"code": code, "document": {"type": "passport", "number": "E12345678"}}), "out-of-scope", "document"),
        (json!({"code": code, "method": "sentinel_id_card"}), "role-not-allowed", "method"),
        (json!({"code": code, "method": "reverse_scan"}), "role-not-allowed", "method"),
        (json!({"venue": 7}), "role-not-allowed", "venue"),
    ] {
        assert_eq!(scan(&gateway, &token, &body).await.refusal(), refused(kind, field), "{body}");
    }
    assert!(gateway.stored_scans().await.iter().all(|scan| scan.person == own));
    gateway.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_while_it_runs() {
    let gateway = Gateway::start().await;
    gateway.load_venue(7).await;
    let file = &gateway.config.access.token_keys_file;
    let rotate = |add: Option<&Issuer>, retire: &[String]| {
        let text = std::fs::read_to_string(file).expect("the file");
        let text = KeySet::rotate(Some(&text), add.map(|issuer| issuer.key.public()), retire).expect("a key set");
        std::fs::write(file, text).expect("written");
    };
    let now = chrono::Utc::now().timestamp();
    let next = Issuer::new(SigningKey::generate("next").expect("a key"));
    let old = gateway.token(Role::Device, "sentinel");
    let new = next.issue(Role::Device, "sentinel", Scope::default(), now, 600).expect("a token");
    let body = json!({"venue": 7, "person": PERSON});
    let answers = async |token: &str, status: u16| scan(&gateway, token, &body).await.status == status;
    assert!(answers(&old, 200).await && answers(&new, 401).await);

    rotate(Some(&next), &[]);
    gateway.eventually("new key known", async |_| answers(&new, 200).await).await;
    assert!(answers(&old, 200).await, "it is not retired");
    rotate(None, &[gateway.issuer.key.kid().to_owned()]);
    gateway.eventually("old key retired", async |_| answers(&old, 401).await).await;
    assert_eq!(scan(&gateway, &old, &body).await.refusal().1, "token-unknown-key");
    assert!(answers(&new, 200).await);

    // A file that cannot be used changes nothing.
    std::fs::write(file, "{").expect("written");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(answers(&new, 200).await && answers(&old, 401).await);
    assert!(gateway.get("/metrics").await.text.contains("service_token_keys_stale"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_holder_has_one_quota_with_all_of_its_tokens() {
    let gateway = Gateway::start_with(|config| {
        config.limits.limit_scans_per_second = std::num::NonZeroU32::MIN;
        config.limits.limit_scans_burst = std::num::NonZeroU32::MIN.saturating_add(1);
    })
    .await;
    gateway.load_venue(7).await;
    let body = json!({"venue": 7, "person": PERSON});
    let status = async |sub: &str| scan(&gateway, &gateway.token(Device, sub), &body).await.status.as_u16();
    assert_eq!([status("a").await, status("a").await, status("a").await], [200, 200, 429]);
    assert_eq!(status("b").await, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn the_page_behind_codes_may_ask_and_no_other_page_may() {
    const PAGE: &str = "https://code.example";
    let gateway = Gateway::start_with(|config| config.page.page_origin = PAGE.parse().ok()).await;
    let asked = async |method: Method, origin: &str, headers: &str| {
        let request = gateway.bare_request(method, "/v1/scans").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let answer = Answer::to(request.header("access-control-request-headers", headers)).await;
        let allowed = |name: &str| answer.headers.get(name).map(|v| v.to_str().expect("text").to_owned());
        (
            allowed("access-control-allow-origin"),
            allowed("access-control-allow-headers"),
            allowed("access-control-allow-credentials"),
        )
    };
    let (origin, headers, credentials) = asked(Method::OPTIONS, PAGE, "authorization,content-type").await;
    assert_eq!(origin.as_deref(), Some(PAGE));
    assert_eq!(headers.as_deref(), Some("authorization,content-type"));
    assert_eq!(credentials, None, "no cookie counts");
    // A browser compares the origin that is allowed with its own.
    assert_ne!(
        asked(Method::OPTIONS, "https://evil.example", "authorization").await.0.as_deref(),
        Some("https://evil.example")
    );
    // A refusal can be read as well, so that the page can say why.
    assert_eq!(asked(Method::POST, PAGE, "").await.0.as_deref(), Some(PAGE));
    gateway.stop().await;

    let gateway = Gateway::start().await;
    let request = gateway.bare_request(Method::OPTIONS, "/v1/scans").header("origin", PAGE);
    let answer = Answer::to(request.header("access-control-request-method", "POST")).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "without the setting there is no other page");
    gateway.stop().await;
}
