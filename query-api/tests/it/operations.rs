//! `GET /v1/scans`, `/v1/codes/unused`, `/v1/codes/missing` and `/v1/city/days`.

use chrono::Utc;
use schemas::{
    Colour, Method, Reason, Reasons, ScanRow, Verdict,
    access::{Role, Scope},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, ORGANISATION, at, json as body, person, range, scan};

const OTHER: &str = "91310000MA1FL0001R";

async fn by_operator(api: &Api, path: &str) -> Value {
    let scope = Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
    let token = api.issuer.issue(Role::Operator, "it", scope, Utc::now().timestamp(), 600).expect("a token");
    let request = api.bare_request(reqwest::Method::GET, path).bearer_auth(token);
    body(request.send().await.expect("an answer"), 200).await
}

#[tokio::test]
async fn an_operator_sees_who_came_masked_and_newest_first() {
    let city = City::new().await;
    city.own(7, "茶馆", ORGANISATION, 1).await;
    city.own(8, "书店", ORGANISATION, 1).await;
    city.own(9, "别家", OTHER, 1).await;
    let refused = ScanRow {
        verdict: Verdict::Refuse,
        reasons: Reasons::from_iter([Reason::ColourRed, Reason::Symptoms]),
        colour: Colour::Red,
        method: Method::ReverseScan,
        ..scan(0xabc, 8, 100)
    };
    city.store(&[scan(1, 7, 50), refused, scan(1, 9, 70), scan(1, 7, 86_400)]).await;
    let api = city.api().await;
    let day = range(0, 86_400);
    let mut answer = by_operator(&api, &format!("/v1/scans?scope=organisation&id={ORGANISATION}&{day}")).await;
    assert!(!answer.to_string().contains(&person(1).to_string()[12..]));
    answer["scans"].as_array_mut().expect("a list").iter_mut().for_each(|scan| scan["person"] = masked(scan).into());
    let expected = json!({"truncated": false, "scans": [
        {"venue": 8, "venue_name": "书店", "person": true, "scanned_at": at(MIDNIGHT + 100),
         "method": "reverse_scan", "direction": "entry", "verdict": "refuse", "reasons": ["colour_red", "symptoms"],
         "colour": "red"},
        {"venue": 7, "venue_name": "茶馆", "person": true, "scanned_at": at(MIDNIGHT + 50),
         "method": "venue_code", "direction": "entry", "verdict": "admit", "reasons": [], "colour": "green"},
    ]});
    assert_eq!(answer, expected);
    let one = by_operator(&api, &format!("/v1/scans?scope=venue&id=7&limit=1&{}", range(0, 2 * 86_400))).await;
    assert_eq!((&one["truncated"], &one["scans"][0]["scanned_at"]), (&json!(true), &json!(at(MIDNIGHT + 86_400))));
}

/// Whether all but the last eight digits of a scan's person are masked.
fn masked(scan: &Value) -> bool {
    let digits = scan["person"].as_str().and_then(|person| person.strip_prefix("********"));
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[tokio::test]
async fn a_masked_person_is_the_same_at_one_venue_on_one_day_only() {
    let city = City::new().await;
    city.own(7, "茶馆", ORGANISATION, 1).await;
    city.own(8, "书店", ORGANISATION, 1).await;
    city.store(&[scan(1, 7, 0), scan(1, 7, 86_399), scan(2, 7, 5), scan(1, 8, 10), scan(1, 7, 86_400)]).await;
    let api = city.api().await;
    let time = range(0, 2 * 86_400);
    let answer = by_operator(&api, &format!("/v1/scans?scope=organisation&id={ORGANISATION}&{time}")).await;
    let people: Vec<&Value> = answer["scans"].as_array().expect("a list").iter().map(|scan| &scan["person"]).collect();
    let [next_day, evening, elsewhere, other, morning] = people[..] else { panic!("five scans: {people:?}") };
    assert_eq!(morning, evening);
    for (another, why) in [(next_day, "next day"), (elsewhere, "at the other venue"), (other, "somebody else")] {
        assert_ne!(morning, another, "{why}");
    }
}

#[tokio::test]
async fn codes_that_nobody_scans_are_listed() {
    let city = City::new().await;
    for (venue, version) in [(1, 1), (2, 1), (3, 1), (4, 1)] {
        city.name(venue, &format!("场所 {venue}"), version).await;
    }
    let closed = "INSERT INTO venues (venue_id, name, category, district, active, version) VALUES (4, 'x', 'retail', 310101, false, 2)";
    city.run(closed).await;
    let days_ago = |venue: u64, days: i64| {
        let at = Utc::now().timestamp() - days * 86_400;
        ScanRow { scanned_at: at, ..scan(venue, venue as u32, 0) }
    };
    let (today, long_ago) = (days_ago(1, 0), days_ago(2, 9));
    city.store(&[today, long_ago.clone(), days_ago(2, 12)]).await;
    let api = city.api().await;
    let listed = |answer: &Value| -> Vec<Value> {
        answer["venues"].as_array().expect("a list").iter().map(|venue| venue["venue"].clone()).collect()
    };
    let answer = api.ok("/v1/codes/unused").await;
    assert_eq!(listed(&answer), [2, 3]);
    assert_eq!(answer["venues"][0]["last_scan_at"], at(long_ago.scanned_at));
    assert_eq!(
        (&answer["venues"][1]["last_scan_at"], &answer["venues"][1]["venue_name"]),
        (&Value::Null, &json!("场所 3"))
    );
    for (question, expected) in
        [("days=9", vec![2, 3]), ("days=10", vec![3]), ("district=3102", vec![]), ("district=31&limit=1", vec![2])]
    {
        let answer = api.ok(&format!("/v1/codes/unused?{question}")).await;
        assert_eq!(listed(&answer), expected, "{question}");
        assert_eq!(answer["truncated"], question.contains("limit"), "{question}");
    }
}

/// The row of an application's state as the registry writes it, so many hours after midnight.
fn state(application: u128, hour: i64, organisation: &str, action: &str, state: &str) -> Value {
    json!({"application_id": Uuid::from_u128(application), "revision": hour, "command_id": Uuid::from_u128(application),
        "action": action, "at_ms": (MIDNIGHT + hour * 3_600) * 1_000, "state": state, "refused": "", "reason": "", "note": "",
        "duplicate_of": null, "venue_id": 0, "serial": 0, "organisation": organisation, "organisation_name": "茶业公司",
        "organisation_kind": "company", "applicant": 1, "applicant_kind": "agent", "channel": "mobile", "kind": "place",
        "category": "catering", "name": "茶馆", "district": 310_101, "address": "福州路1号", "door": ""})
}

async fn decide(city: &City, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    city.run(&format!("INSERT INTO application_states FORMAT JSONEachRow {}", lines.join("\n"))).await;
}

#[tokio::test]
async fn organisations_that_applied_and_have_no_code_are_listed() {
    let city = City::new().await;
    let third = "91310000MA1FL0002W";
    decide(
        &city,
        &[
            state(1, 1, ORGANISATION, "submit", "submitted"),
            state(1, 2, ORGANISATION, "review", "rejected"),
            state(2, 3, ORGANISATION, "submit", "submitted"),
            state(3, 1, OTHER, "submit", "submitted"),
            state(3, 2, OTHER, "review", "approved"),
            state(4, 1, third, "submit", "submitted"),
        ],
    )
    .await;
    // One that has a code from before there were applications.
    city.own(7, "老店", third, 1).await;
    let api = city.api().await;
    let answer = api.ok("/v1/codes/missing?district=3101").await;
    let expected = json!({"truncated": false, "organisations": [
        {"organisation": ORGANISATION, "organisation_name": "茶业公司", "applications": 2, "waiting": 1, "rejected": 1,
         "revoked": 0, "since": at(MIDNIGHT + 3_600), "changed_at": at(MIDNIGHT + 3 * 3_600)},
    ]});
    assert_eq!(answer, expected);
    assert_eq!(api.ok("/v1/codes/missing?district=3102").await["organisations"], json!([]));
    // What it applied for elsewhere is no business of this district's.
    let mut elsewhere = state(5, 5, ORGANISATION, "submit", "submitted");
    (elsewhere["district"], elsewhere["organisation_name"]) = (json!(310_104), json!("茶业二公司"));
    let mut earlier = elsewhere.clone();
    (earlier["application_id"], earlier["at_ms"]) = (json!(Uuid::from_u128(6)), json!(MIDNIGHT * 1_000));
    decide(&city, &[elsewhere, earlier]).await;
    assert_eq!(api.ok("/v1/codes/missing?district=3101").await["organisations"][0]["applications"], 4);
    assert_eq!(api.ok("/v1/codes/missing?district=310101").await, expected);
    let there = api.ok("/v1/codes/missing?district=310104").await;
    assert_eq!(
        (&there["organisations"][0]["applications"], &there["organisations"][0]["rejected"]),
        (&json!(2), &json!(0))
    );
    // Its only code is taken from it again.
    decide(&city, &[state(3, 9, OTHER, "revoke", "revoked")]).await;
    let both = api.ok("/v1/codes/missing").await;
    assert_eq!(both["organisations"][1]["revoked"], 1, "{both}");
}

#[tokio::test]
async fn headlines_are_told_by_day() {
    let city = City::new().await;
    city.own(1, "老店", ORGANISATION, 1).await;
    city.own(2, "茶馆", OTHER, 1).await;
    city.own(3, "书店", OTHER, 1).await;
    let mut refused = state(3, 30, OTHER, "review", "approved");
    refused["refused"] = json!("already_reviewed");
    let decided = [
        state(2, 1, OTHER, "submit", "submitted"),
        state(2, 2, OTHER, "review", "approved"),
        state(3, 28, OTHER, "review", "approved"),
        refused,
        state(4, 29, OTHER, "review", "approved"),
        state(4, 50, OTHER, "revoke", "revoked"),
    ];
    decide(&city, &decided).await;
    // Written again after a crash.
    decide(&city, &decided).await;
    city.store(&[scan(1, 1, -5), scan(1, 1, 0), scan(2, 1, 86_399), scan(1, 1, 2 * 86_400)]).await;
    let api = city.api().await;
    let answer = api.ok(&format!("/v1/city/days?{}", range(40, 2 * 86_400 + 1))).await;
    let day = |day: i64, scans: u64, kept: u64, new: u64, revoked: u64, codes: u64| {
        json!({"start": at(MIDNIGHT + day * 86_400), "scans": scans, "scans_kept": kept, "new_codes": new,
               "revoked_codes": revoked, "codes": codes})
    };
    let expected = json!({"city": "shanghai", "organisations": 2, "codes": 3, "days": [
        day(0, 2, 3, 1, 0, 2),
        day(1, 0, 3, 2, 0, 4),
        day(2, 1, 4, 0, 1, 3),
    ]});
    assert_eq!(answer, expected);
}
