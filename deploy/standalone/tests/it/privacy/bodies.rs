//! What every route takes, with what names a person wherever that belongs.

use schemas::access::Role;
use serde_json::{Value, json};

use super::secrets::{ADDRESS, ID_CARD, NAME, PASSPORT, PHONE, PLATE};

/// A credit code of nobody.
pub const ORGANISATION: &str = "91310000MA1FL0000N";
/// Who the tokens of citizens are for; see [`benches::doors::scope_of`].
pub const GUARDIAN: &str = "1123456789abcdef";
/// Its venue is loaded before anything else.
const VENUE: u32 = 7;
/// Where lorries are bound for; loaded next.
const FACTORY: u32 = 8;

/// A body that its route takes, with secrets wherever they belong.
pub struct Body {
    pub path: &'static str,
    /// How it is answered.
    pub status: u16,
    pub role: Role,
    /// Lines of NDJSON rather than one object.
    pub is_line: bool,
    /// Fields that hold public text: anything may stand in them.
    pub public: &'static [&'static str],
    /// Fields that hold text about no person, which is stored as it is: numbers are refused there, names cannot be told
    /// from other words.
    pub plain: &'static [&'static str],
    pub value: Value,
}

/// One for each route that takes a body, in an order in which they are taken.
pub fn bodies() -> Vec<Body> {
    let at = |minutes: i64| (chrono::Utc::now() + chrono::Duration::minutes(minutes)).to_rfc3339();
    let card = json!({"type": "id_card", "number": ID_CARD});
    let body = |path, status, role, value| Body { path, status, role, is_line: false, public: &[], plain: &[], value };
    let request = |number: u32| format!("018f0000-0000-7000-8000-{number:012}");
    let line = |path, role, value| Body { is_line: true, ..body(path, 200, role, value) };
    let scan = json!({"venue": VENUE, "document": card, "method": "manual", "direction": "entry", "scanned_at": at(-1),
        "event_id": "018f0000-0000-7000-8000-000000000001", "symptoms": true, "exemption": "none",
        "offline_reason": "elderly", "last_four": &ID_CARD[14..]});
    let lorry = json!({"venue": FACTORY, "document": card, "method": "manual", "offline_reason": "elderly",
        "scanned_at": at(-1), "plate": PLATE});
    let answers = json!({"name": NAME, "document": card, "address": ADDRESS, "severe_area": true, "contact": false,
        "temperature": true});
    let child = json!({"name": NAME, "document": {"type": "passport", "number": PASSPORT}, "address": ADDRESS,
        "severe_area": false, "contact": false, "temperature": false});
    let freight = json!({"name": NAME, "document": card, "plate": PLATE, "phone": PHONE, "origin": ADDRESS,
        "entry_point": ADDRESS, "expected_return": at(600), "expected_leave": at(900), "fever_cough": false,
        "risk_area": true});
    let application = json!({"request_id": request(2), "channel": "mobile",
        "applicant": {"kind": "manager", "document": card},
        "organisation": {"credit_code": ORGANISATION, "name": "茶业公司", "kind": "company"},
        "category": "restaurant", "name": "茶馆", "district": 410_202, "address": "福州路1号",
        "latitude": 34.8, "longitude": 114.3, "responsible": {"name": NAME, "phone": PHONE}});
    let by_organisation = json!({"request_id": request(3), "organisation": ORGANISATION});
    let red = json!({"document": card, "colour": "red", "since": at(-60), "issuer": "疾控", "evidence": "E1", "reason": "密接"});
    vec![
        Body {
            public: &["name", "address"],
            plain: &["door"],
            ..line(
                "/v1/venues:batch",
                Role::Admin,
                json!({"venue": VENUE, "name": "茶馆", "category": "restaurant", "district": 410_202, "address": "福州路1号",
                    "organisation": ORGANISATION}),
            )
        },
        Body { plain: &["issuer", "evidence", "reason"], ..line("/v1/health-codes:batch", Role::Feed, red.clone()) },
        Body {
            plain: &["issuer", "evidence", "reason"],
            status: 202,
            ..line("/v1/health-proposals/{id}/release", Role::Feed, red)
        },
        Body {
            plain: &["laboratory"],
            ..line(
                "/v1/tests:batch",
                Role::Feed,
                json!({"document": card, "sampled_at": at(-600), "resulted_at": at(-60), "result": "positive", "laboratory": "L1"}),
            )
        },
        Body {
            public: &["name", "address"],
            plain: &["door"],
            ..line(
                "/v1/venues:batch",
                Role::Admin,
                json!({"venue": FACTORY, "name": "面粉厂", "category": "freight_destination", "district": 410_202,
                    "address": "连霍高速"}),
            )
        },
        body("/v1/trips", 202, Role::Device, json!({"answers": freight, "destination": FACTORY})),
        body("/v1/trips/{id}/cancellation", 404, Role::Device, json!({"plate": PLATE})),
        body("/v1/scans", 200, Role::Device, lorry),
        body("/v1/people", 200, Role::Device, json!({"form": "freight", "answers": freight})),
        body("/v1/people", 200, Role::Device, json!({"form": "venue", "answers": answers})),
        body(
            "/v1/people/{person}/dependants",
            200,
            Role::Citizen,
            json!({"answers": child, "offline_reason": "child"}),
        ),
        body("/v1/scans", 200, Role::Device, scan.clone()),
        line("/v1/scans:batch", Role::Device, scan),
        Body {
            public: &["name", "address"],
            plain: &["organisation.name", "door"],
            ..body("/v1/applications", 202, Role::Operator, application)
        },
        Body {
            plain: &["note"],
            ..body(
                "/v1/applications/{id}/reviews",
                202,
                Role::Reviewer,
                json!({"organisation": ORGANISATION, "outcome": "reject", "reason": "other", "note": "几楼？"}),
            )
        },
        body("/v1/applications/{id}/withdrawal", 202, Role::Operator, by_organisation.clone()),
        // A venue that was loaded is none of the registry's.
        body("/v1/venues/{venue}/revocation", 404, Role::Operator, by_organisation.clone()),
        body("/v1/venues/{venue}/reissue", 404, Role::Operator, by_organisation),
        body("/v1/alerts/{id}/acknowledgement", 202, Role::District, json!({"request_id": request(4)})),
        body(
            "/v1/alerts/{id}/disposition",
            202,
            Role::District,
            json!({"request_id": request(5), "disposition": "transferred", "note": NAME}),
        ),
        Body {
            plain: &["case", "evidence"],
            ..body(
                "/v1/releases",
                202,
                Role::Epidemiologist,
                json!({"request_id": request(6), "district": 310_101, "case": "C-1", "case_kind": "confirmed",
                    "evidence": "E1", "purpose": "contact_tracing", "from": at(-600), "to": at(60), "hops": 1,
                    "note": NAME, "persons": [GUARDIAN]}),
            )
        },
        body(
            "/v1/releases/{id}/decision",
            202,
            Role::Supervisor,
            json!({"request_id": request(7), "outcome": "decline", "reason": "too_broad", "note": NAME}),
        ),
        body("/v1/releases/{id}/withdrawal", 202, Role::Supervisor, json!({"request_id": request(8)})),
        Body {
            plain: &["note"],
            ..body(
                "/v1/reminders",
                202,
                Role::Regulator,
                json!({"request_id": request(10), "matter": "no_code", "organisation": ORGANISATION, "district": 310_101,
                    "deadline": at(24 * 60)[..10], "note": "请尽快申领"}),
            )
        },
        Body {
            plain: &["note"],
            ..body(
                "/v1/reminders/{id}/settle",
                202,
                Role::Regulator,
                json!({"request_id": request(11), "outcome": "interviewed", "note": "已约谈"}),
            )
        },
        Body {
            plain: &["note"],
            ..body(
                "/v1/reminders/{id}/answer",
                202,
                Role::Operator,
                json!({"request_id": request(12), "reply": "objected", "note": "已停业"}),
            )
        },
        Body {
            plain: &["evidence"],
            ..body(
                "/v1/erasures",
                202,
                Role::Supervisor,
                json!({"request_id": request(13), "district": 310_101, "document": card, "basis": "ordered", "evidence": "R-1"}),
            )
        },
        body(
            "/v1/erasures/{id}/decision",
            202,
            Role::Supervisor,
            json!({"request_id": request(14), "outcome": "confirm", "document": card}),
        ),
        // Nobody has released it.
        body(
            "/v1/traces",
            403,
            Role::Epidemiologist,
            json!({"person": GUARDIAN, "from": at(-600), "to": at(60), "rule": "window", "window_minutes": 30, "limit": 10,
                "hops": 2, "halving_minutes": 15, "hop_percent": 50, "coverage": true, "release": request(9)}),
        ),
        body(
            "/v1/traces",
            403,
            Role::Epidemiologist,
            json!({"persons": [GUARDIAN], "venues": [{"venue": VENUE, "from": at(-600), "to": at(60)}], "from": at(-600),
                "to": at(60), "rule": "dwell", "format": "csv", "table": "visits", "release": request(9)}),
        ),
        body(
            "/v1/traces/jobs",
            403,
            Role::Epidemiologist,
            json!({"persons": [GUARDIAN], "venues": [{"venue": VENUE, "from": at(-600), "to": at(60)}], "from": at(-600),
                "to": at(60), "hops": 2, "coverage": true, "release": request(9)}),
        ),
    ]
}
