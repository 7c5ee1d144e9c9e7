//! Who reads by which release: every route that reads movements, with everything that may be missing.

use reqwest::{Method, Response};
use schemas::{
    PersonKey,
    access::{
        Role::{self, Auditor, Epidemiologist, Supervisor},
        Scope,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::city::{Api, City, MIDNIGHT, at, person, problem, range, release, scan};

mod reach;

/// A release of the district in its identity.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0031_0101_0000_8000_8000_0000_0000_0000 | number << 8)
}

/// Who asks.
struct Who {
    role: Role,
    account: &'static str,
    scope: Scope,
}

const fn who(role: Role, account: &'static str) -> Who {
    Who { role, account, scope: Scope { organisation: None, district: None, venues: None, person: None } }
}

const LI: Who = who(Epidemiologist, "li");

fn in_district(role: Role, account: &'static str, district: u32) -> Who {
    Who { scope: Scope { district: Some(district), ..Scope::default() }, ..who(role, account) }
}

/// What reads movements.
#[derive(Debug, Clone, Copy)]
enum Route {
    Trace(u64),
    Visits(u64),
    Visitors(u32),
}

/// Reads the hour from a second after midnight on.
async fn read(api: &Api, who: &Who, route: Route, by: Option<Uuid>, from: i64) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(who.role, who.account, who.scope.clone(), now, 600).expect("a token");
    let named = by.map(|by| format!("&release={by}")).unwrap_or_default();
    let time = range(from, from + 3600);
    let request = match route {
        Route::Trace(number) => {
            let (from, to) = (at(MIDNIGHT + from), at(MIDNIGHT + from + 3600));
            let mut body = json!({"person": person(number), "from": from, "to": to});
            if let Some(by) = by {
                body["release"] = json!(by);
            }
            let request = api.bare_request(Method::POST, "/v1/traces").header("content-type", "application/json");
            request.body(body.to_string())
        }
        Route::Visits(number) => {
            api.bare_request(Method::GET, &format!("/v1/persons/{}/visits?{time}{named}", person(number)))
        }
        Route::Visitors(venue) => api.bare_request(Method::GET, &format!("/v1/venues/{venue}/visitors?{time}{named}")),
    };
    request.bearer_auth(token).send().await.expect("an answer")
}

fn refused(kind: &str, field: &str) -> (String, String) {
    (kind.to_owned(), field.to_owned())
}

/// Releases for person 1 and venue 1, in the hour from midnight on, and one hop, asked for by `li`; each with a change.
async fn store(city: &City, releases: &[(Uuid, Value)]) {
    for (id, changes) in releases {
        let mut row = release(*id);
        (row["asked_by"], row["district"]) = (json!("li"), json!(310_101));
        (row["persons"], row["venues"]) = (json!([person(1).to_u64()]), json!([1]));
        (row["from_s"], row["to_s"]) = (json!(MIDNIGHT), json!(MIDNIGHT + 3600));
        row.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        city.release(&row).await;
    }
}

async fn entries(city: &City) -> Vec<String> {
    city.lines("SELECT count() FROM audit_log").await
}

#[tokio::test]
async fn every_route_takes_the_role_the_account_and_a_release_in_force_that_covers_what_is_read() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60), scan(2, 1, 90)]).await;
    city.name(1, "x", 1).await;
    let changed = [
        json!({}),
        json!({"state": "asked", "decided_by": ""}),
        json!({"state": "declined", "declined_for": "too_broad"}),
        json!({"state": "withdrawn", "withdrawn_by": "li"}),
        json!({"expires_at_ms": chrono::Utc::now().timestamp_millis() - 1}),
        json!({"asked_by": "zhao"}),
        json!({"persons": [person(9).to_u64()], "venues": [9]}),
        json!({"from_s": MIDNIGHT + 1}),
        json!({"to_s": MIDNIGHT + 3599}),
        json!({"hops": 0}),
        json!({"purpose": "curiosity"}),
        json!({"case_number": ""}),
        json!({"evidence": ""}),
    ];
    let releases: Vec<(Uuid, Value)> = (0..).zip(changed).map(|(number, change)| (id(number), change)).collect();
    store(&city, &releases).await;
    let api = city.api().await;
    for (route, own) in [(Route::Trace(1), "person"), (Route::Visits(1), "person"), (Route::Visitors(1), "id")] {
        for (by, kind, field) in [
            (None, "release-required", "release"),
            (Some(id(99)), "release-unknown", "release"),
            (Some(id(1)), "release-not-given", "release"),
            (Some(id(2)), "release-not-given", "release"),
            (Some(id(3)), "release-not-given", "release"),
            (Some(id(4)), "release-expired", "release"),
            (Some(id(5)), "release-of-another-account", "release"),
            (Some(id(6)), "release-does-not-cover", own),
            (Some(id(7)), "release-does-not-cover", "from"),
            (Some(id(8)), "release-does-not-cover", "to"),
            (Some(id(10)), "release-without-reason", "release"),
            (Some(id(11)), "release-without-reason", "release"),
            (Some(id(12)), "release-without-reason", "release"),
            // The best of releases: only the role is wrong.
            (Some(id(0)), "", ""),
        ] {
            for role in Role::ALL {
                let scope = benches::doors::scope_of(*role);
                let who = Who { role: *role, account: "li", scope };
                if *role != Epidemiologist {
                    let answer = problem(read(&api, &who, route, by, 0).await, 403).await;
                    assert_eq!(answer.0, "role-not-allowed", "{route:?} {role} {by:?}");
                } else if !kind.is_empty() {
                    let answer = problem(read(&api, &who, route, by, 0).await, 403).await;
                    assert_eq!(answer, refused(kind, field), "{route:?} {by:?}");
                }
            }
        }
        let another = who(Epidemiologist, "zhao");
        let answer = problem(read(&api, &another, route, Some(id(0)), 0).await, 403).await;
        assert_eq!(answer, refused("release-of-another-account", "release"), "{route:?}");
        // A token that is limited elsewhere, and one that the route cannot hold to.
        let elsewhere = in_district(Epidemiologist, "li", 310_104);
        assert_eq!(problem(read(&api, &elsewhere, route, Some(id(0)), 0).await, 403).await.0, "out-of-scope");
        // None of that is a read; this is one.
        let before = entries(&city).await;
        assert_eq!(read(&api, &LI, route, Some(id(0)), 0).await.status(), 200, "{route:?}");
        assert_ne!(entries(&city).await, before, "{route:?}");
    }
    assert_eq!(entries(&city).await, ["3"], "what was refused is not in the log");
    let hops = [(Route::Trace(1), 403), (Route::Visits(1), 200), (Route::Visitors(1), 403)];
    for (route, status) in hops {
        assert_eq!(read(&api, &LI, route, Some(id(9)), 0).await.status(), status, "no hop: {route:?}");
    }
}

/// Traces in the hour from midnight on, unless the fields say otherwise: `read`, or which field is not covered.
async fn traced(api: &Api, by: u128, fields: Value) -> String {
    let token =
        api.issuer.issue(LI.role, LI.account, LI.scope.clone(), chrono::Utc::now().timestamp(), 600).expect("a token");
    let mut body = json!({"from": at(MIDNIGHT), "to": at(MIDNIGHT + 3600), "release": id(by)});
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let request = api.bare_request(Method::POST, "/v1/traces").header("content-type", "application/json");
    let answer = request.body(body.to_string()).bearer_auth(token).send().await.expect("an answer");
    if answer.status() == 200 {
        return "read".to_owned();
    }
    let (kind, field) = problem(answer, 403).await;
    assert_eq!(kind, "release-does-not-cover", "{body}");
    field
}

#[tokio::test]
async fn a_release_must_cover_each_person_and_venue_of_a_trace_its_time_and_its_hops() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60), scan(2, 1, 90)]).await;
    store(&city, &[(id(1), json!({"hops": 2, "window_minutes": 1440, "district": 310_000}))]).await;
    let api = city.api().await;
    let venue = |number: u32| json!([{"venue": number}]);
    let (earlier, later) = (at(MIDNIGHT - 1), at(MIDNIGHT + 3601));
    for (fields, expected) in [
        (json!({"person": person(1)}), "read"),
        (json!({"persons": [person(1)]}), "read"),
        (json!({"venues": venue(1)}), "read"),
        (json!({"persons": [person(1)], "venues": venue(1), "rule": "dwell", "hops": 2}), "read"),
        (json!({"person": person(9)}), "person"),
        (json!({"persons": [person(1), person(9)]}), "persons"),
        (json!({"persons": [person(9), person(1)]}), "persons"),
        (json!({"venues": venue(9)}), "venues"),
        (json!({"person": person(1), "venues": [{"venue": 1}, {"venue": 9}]}), "venues"),
        (json!({"person": person(1), "hops": 3}), "person"),
        (json!({"venues": venue(1), "hops": 3}), "venues"),
        (json!({"persons": [person(1)], "venues": venue(1), "rule": "dwell", "hops": 3}), "persons"),
        (json!({"venues": venue(1), "from": earlier}), "from"),
        (json!({"venues": venue(1), "to": later}), "to"),
    ] {
        let before = entries(&city).await;
        assert_eq!(traced(&api, 1, fields.clone()).await, expected, "{fields}");
        assert_eq!(entries(&city).await != before, expected == "read", "{fields}");
    }
}

#[tokio::test]
async fn a_trace_looks_no_further_around_a_visit_than_its_release() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 3000)]).await;
    store(&city, &[(id(1), json!({"window_minutes": 20}))]).await;
    let api = city.api().await;
    let trace = async |window: Option<u32>| {
        let now = chrono::Utc::now().timestamp();
        let token = api.issuer.issue(LI.role, LI.account, LI.scope.clone(), now, 600).expect("a token");
        let mut body = json!({"person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 3600), "release": id(1)});
        if let Some(minutes) = window {
            body["window_minutes"] = json!(minutes);
        }
        let request = api.bare_request(Method::POST, "/v1/traces").header("content-type", "application/json");
        request.bearer_auth(token).body(body.to_string()).send().await.expect("an answer")
    };
    for wider in [None, Some(21), Some(1440)] {
        let answer = problem(trace(wider).await, 403).await;
        assert_eq!(answer, refused("release-does-not-cover", "window_minutes"), "{wider:?}");
    }
    assert_eq!(trace(Some(20)).await.status(), 200);
    assert_eq!(city.lines("SELECT window_minutes FROM audit_log").await, ["20"]);
}

#[tokio::test]
async fn a_district_reads_by_its_own_releases_and_of_its_own_venues() {
    let city = City::new().await;
    city.store(&[scan(1, 1, 60)]).await;
    for (venue, district) in [(1, 310_104), (2, 310_101)] {
        let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, \
                   version) VALUES ({venue:UInt32}, 'x', 'retail', {district:UInt32}, '', '', '', true, 1)";
        let query = city.client().query(sql).param("venue", venue).param("district", district);
        query.execute().await.expect("the venue is stored");
    }
    let own = json!({"venues": [1, 2, 3]});
    let of_the_city = json!({"venues": [1, 2, 3], "district": 310_100});
    store(&city, &[(id(1), own), (id(2), of_the_city)]).await;
    let api = city.api().await;
    let of = async |who: &Who, route, by| {
        let answer = read(&api, who, route, Some(id(by)), 0).await;
        if answer.status() == 200 { refused("", "") } else { problem(answer, 403).await }
    };
    let district = |district| in_district(Epidemiologist, "li", district);
    let (fine, elsewhere) = (refused("", ""), refused("out-of-scope", "release"));
    for route in [Route::Trace(1), Route::Visits(1)] {
        for (who, by, expected) in [
            (district(310_101), 1, &fine),
            (district(3101), 1, &fine),
            (district(310_104), 1, &elsewhere),
            (district(310_101), 2, &elsewhere),
            (district(31), 2, &fine),
        ] {
            assert_eq!(of(&who, route, by).await, *expected, "{route:?} by {by} for {:?}", who.scope);
        }
    }
    let not = refused("release-does-not-cover", "id");
    for (venue, by, expected) in [(1, 1, &not), (2, 1, &fine), (3, 1, &not), (1, 2, &fine), (2, 2, &fine)] {
        assert_eq!(of(&LI, Route::Visitors(venue), by).await, *expected, "{venue} by {by}");
    }
}

#[tokio::test]
async fn whom_a_release_was_about_is_shown_for_as_long_as_scans_are_kept() {
    let city = City::new().await;
    let ended = |days: i64| json!({"expires_at_ms": chrono::Utc::now().timestamp_millis() - days * 24 * 3600 * 1000});
    store(&city, &[(id(1), ended(29)), (id(2), ended(31))]).await;
    let api = city.api().await;
    for (number, subjects) in [(1, 1), (2, 0)] {
        let answer: Value = get(&api, &LI, &format!("/v1/releases/{}", id(number))).await.json().await.expect("JSON");
        let count = |field: &str| answer[field].as_array().expect("a list").len();
        assert_eq!((count("persons"), count("venues")), (subjects, subjects), "{answer}");
        assert_eq!(answer["case"], "C-1");
    }
}

#[tokio::test]
async fn a_long_history_is_cut_and_its_last_state_holds() {
    let city = City::new().await;
    store(&city, &[(id(1), json!({"revision": 1}))]).await;
    let many = "INSERT INTO releases SELECT * REPLACE (arrayJoin(range(2, 302)) AS revision, 'third' AS sender) \
                FROM releases WHERE asked_by = 'li'";
    city.run(many).await;
    store(&city, &[(id(1), json!({"revision": 500, "state": "withdrawn", "withdrawn_by": "li"}))]).await;
    let api = city.api().await;
    let answer: Value = get(&api, &LI, &format!("/v1/releases/{}", id(1))).await.json().await.expect("JSON");
    let history = answer["history"].as_array().expect("a list");
    assert_eq!((history.len(), &answer["truncated"]), (200, &json!(true)), "{answer}");
    assert_eq!((&answer["state"], &history[199]["state"]), (&json!("withdrawn"), &json!("withdrawn")));
    let answer = problem(read(&api, &LI, Route::Visits(1), Some(id(1)), 0).await, 403).await;
    assert_eq!(answer, refused("release-not-given", "release"));
}

async fn get(api: &Api, who: &Who, path: &str) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(who.role, who.account, who.scope.clone(), now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

#[tokio::test]
async fn a_release_says_who_asked_for_what_and_who_released_it() {
    let city = City::new().await;
    let asked = json!({"revision": 1, "action": "ask", "command_id": null, "sender": "li", "state": "asked",
        "decided_at_ms": null, "decided_by": ""});
    let own = json!({"revision": 2, "sender": "li", "refused": "own_request", "state": "asked", "decided_at_ms": null,
        "decided_by": ""});
    store(&city, &[(id(1), asked), (id(1), own), (id(1), json!({})), (id(1), json!({}))]).await;
    let other = json!({"asked_by": "zhao", "state": "asked", "district": 310_104});
    store(&city, &[(Uuid::from_u128(0x0031_0104_0000_8000_8000_0000_0000_0001), other)]).await;
    let api = city.api().await;
    let path = format!("/v1/releases/{}", id(1));
    let answer: Value = get(&api, &LI, &path).await.json().await.expect("JSON");
    assert_eq!((&answer["state"], &answer["in_force"]), (&json!("released"), &json!(true)), "{answer}");
    assert_eq!((&answer["asked_by"], &answer["decided_by"]), (&json!("li"), &json!("wu")));
    assert_eq!(answer["persons"], json!([PersonKey::to_string(&person(1))]));
    assert_eq!(answer["purpose_name"]["zh"], "密切接触者追踪");
    let history: Vec<_> =
        answer["history"].as_array().expect("a list").iter().map(|e| (&e["by"], &e["refused"])).collect();
    let (li, wu) = (json!("li"), json!("wu"));
    assert_eq!(history, [(&li, &Value::Null), (&li, &json!("own_request")), (&wu, &Value::Null)]);

    let listed = async |who: &Who, question: &str| {
        let answer: Value = get(&api, who, &format!("/v1/releases?{question}")).await.json().await.expect("JSON");
        answer["releases"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
    };
    // One more is there for other tests, asked for by `it`.
    assert_eq!(listed(&LI, "").await, 1, "one's own");
    assert_eq!(listed(&who(Supervisor, "wu"), "").await, 3);
    assert_eq!(listed(&who(Auditor, "an"), "state=asked").await, 1);
    assert_eq!(listed(&who(Supervisor, "wu"), "district=310104").await, 1);
    assert_eq!(listed(&in_district(Supervisor, "wu", 310_101), "").await, 1);
    assert_eq!(listed(&who(Supervisor, "wu"), &format!("since={}", at(MIDNIGHT * 2))).await, 0);
    for (who, path, status, kind, field) in [
        (who(Epidemiologist, "zhao"), path.as_str(), 403, "release-of-another-account", "release"),
        (in_district(Supervisor, "wu", 310_104), path.as_str(), 403, "out-of-scope", "id"),
        (who(Supervisor, "wu"), &format!("/v1/releases/{}", id(77)), 404, "unknown-release", "id"),
        (who(Supervisor, "wu"), "/v1/releases/7", 422, "invalid-field", "id"),
        (who(Supervisor, "wu"), "/v1/releases?state=lost", 422, "invalid-field", "state"),
    ] {
        assert_eq!(problem(get(&api, &who, path).await, status).await, refused(kind, field), "{path}");
    }
}
