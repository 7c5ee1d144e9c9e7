//! Who gets in, and how far.

use benches::doors::{Door, are_those_of, try_all};
use reqwest::{Method, Response};
use schemas::access::{
    Role::{
        self, Admin, Auditor, Citizen, Dashboard, District, Epidemiologist, Feed, Operator, Regulator, Reviewer,
        Supervisor,
    },
    Scope,
};

use serde_json::json;
use uuid::Uuid;

use crate::city::{Api, City, ORGANISATION, RELEASE, problem, range, release, scan};

/// Who may use what, written down a second time.
const DOORS: &[Door] = &[
    ("POST", "/v1/traces", Some(&[Epidemiologist])),
    ("POST", "/v1/traces/jobs", Some(&[Epidemiologist])),
    ("GET", "/v1/traces/jobs/{id}", Some(&[Epidemiologist])),
    ("DELETE", "/v1/traces/jobs/{id}", Some(&[Epidemiologist])),
    ("GET", "/v1/traces/jobs/{id}/result", Some(&[Epidemiologist])),
    ("GET", "/v1/persons/{person}/visits", Some(&[Epidemiologist])),
    ("GET", "/v1/venues/{id}/visitors", Some(&[Epidemiologist])),
    ("GET", "/v1/footfall", Some(&[Operator, District, Epidemiologist, Supervisor, Dashboard, Regulator])),
    ("GET", "/v1/footfall/top", Some(&[Operator, District, Epidemiologist, Supervisor, Dashboard, Regulator])),
    ("GET", "/v1/footfall/live", Some(&[Operator, District, Epidemiologist, Supervisor, Dashboard, Regulator])),
    ("GET", "/v1/occupancy", Some(&[Operator, District, Epidemiologist, Supervisor, Dashboard, Regulator])),
    ("GET", "/v1/scans", Some(&[Operator, District])),
    ("GET", "/v1/codes/unused", Some(&[Regulator, District])),
    ("GET", "/v1/codes/missing", Some(&[Regulator, District])),
    ("GET", "/v1/city/days", Some(&[Dashboard, Regulator, Admin])),
    ("GET", "/v1/stats", Some(&[Regulator, Admin])),
    ("GET", "/v1/applications", Some(&[Operator, Reviewer, District, Regulator, Admin])),
    ("GET", "/v1/applications/{id}", Some(&[Operator, Reviewer, District, Regulator, Admin])),
    ("GET", "/v1/venues/{id}/poster", Some(&[Operator, Reviewer, District, Admin])),
    ("GET", "/v1/alerts", Some(&[District, Supervisor])),
    ("GET", "/v1/alerts/{id}", Some(&[District, Supervisor])),
    ("GET", "/v1/trips", Some(&[Citizen, District, Supervisor])),
    ("GET", "/v1/trips/{id}", Some(&[Citizen, District, Supervisor])),
    ("GET", "/v1/checkpoints", Some(Role::ALL)),
    ("GET", "/v1/health-proposals", Some(&[Feed, Supervisor, Auditor])),
    ("GET", "/v1/health-proposals/{id}", Some(&[Feed, Supervisor, Auditor])),
    ("GET", "/v1/releases", Some(&[Epidemiologist, Supervisor, Auditor])),
    ("GET", "/v1/releases/{id}", Some(&[Epidemiologist, Supervisor, Auditor])),
    ("GET", "/v1/reminders", Some(&[Regulator, District, Operator])),
    ("GET", "/v1/reminders/{id}", Some(&[Regulator, District, Operator])),
    ("GET", "/v1/erasures", Some(&[District, Supervisor, Auditor])),
    ("GET", "/v1/erasures/{id}", Some(&[District, Supervisor, Auditor])),
    ("GET", "/v1/erasures/{id}/report", Some(&[District, Supervisor, Auditor])),
    ("GET", "/v1/reports/keys", None),
    ("GET", "/v1/persons/{person}/identity", Some(&[Epidemiologist])),
    ("GET", "/v1/persons/{person}/reads", Some(&[Citizen])),
    ("GET", "/v1/persons/{person}/health-changes", Some(&[Citizen])),
    ("GET", "/V/{page}", None),
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", None),
    ("GET", "/openapi.json", None),
];

#[test]
fn every_rule_is_written_down_twice() {
    are_those_of(DOORS, query_api::routes::TABLE).expect("the same rules");
}

#[tokio::test]
async fn every_route_takes_its_roles_and_no_other_and_no_bad_token() {
    let city = City::new().await;
    let api = city.api().await;
    try_all(&api.base, &api.issuer, DOORS).await.expect("every door is as it should be");
}

/// Two venues: one of the organisation in 310101, one of nobody in 310104.
async fn two_venues(city: &City) {
    for (venue, district, organisation) in [(1, 310_101, ORGANISATION), (2, 310_104, "")] {
        let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, version) \
                   VALUES ({venue:UInt32}, 'x', 'retail', {district:UInt32}, '', '', {organisation:String}, true, 1)";
        let query = city.client().query(sql).param("venue", venue).param("district", district);
        query.param("organisation", organisation).execute().await.expect("the venue is stored");
    }
    city.store(&[scan(1, 1, 60), scan(2, 2, 60)]).await;
}

async fn get(api: &Api, role: Role, scope: &Scope, path: &str) -> Response {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(role, "it", scope.clone(), now, 600).expect("a token");
    api.bare_request(Method::GET, path).bearer_auth(token).send().await.expect("an answer")
}

fn footfall(scope: &str, id: &str) -> String {
    let id = if id.is_empty() { String::new() } else { format!("&id={id}") };
    format!("/v1/footfall?scope={scope}{id}&step=hour&{}", range(0, 3600))
}

#[tokio::test]
async fn footfall_is_counted_within_the_limits_of_the_token_only() {
    let city = City::new().await;
    two_venues(&city).await;
    let api = city.api().await;
    let district = |district| Scope { district: Some(district), ..Scope::default() };
    let organisation = || Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
    let venues = || Scope { venues: Some(vec![1]), ..Scope::default() };
    for (role, scope, path, refused) in [
        (District, district(310_101), footfall("district", "310101"), None),
        (District, district(310_101), footfall("district", "310104"), Some("id")),
        (District, district(3101), footfall("district", "310104"), None),
        (District, district(310_101), footfall("venue", "1"), None),
        (District, district(310_101), footfall("venue", "2"), Some("id")),
        (District, district(310_101), footfall("venue", "3"), Some("id")),
        (District, district(310_101), footfall("city", ""), Some("scope")),
        (District, district(310_101), footfall("category", "retail"), Some("scope")),
        (District, district(310_101), footfall("organisation", ORGANISATION), Some("scope")),
        (Operator, organisation(), footfall("organisation", ORGANISATION), None),
        (Operator, organisation(), footfall("organisation", "91310000MA1FL0001R"), Some("id")),
        (Dashboard, venues(), footfall("organisation", ORGANISATION), Some("scope")),
        (Regulator, Scope::default(), footfall("organisation", ORGANISATION), None),
        (Operator, organisation(), footfall("venue", "1"), None),
        (Operator, organisation(), footfall("venue", "2"), Some("id")),
        (Operator, organisation(), footfall("district", "310101"), Some("scope")),
        (Operator, organisation(), footfall("city", ""), Some("scope")),
        (Dashboard, venues(), footfall("venue", "1"), None),
        (Dashboard, venues(), footfall("venue", "2"), Some("id")),
        (Dashboard, Scope::default(), footfall("city", ""), None),
        (Regulator, Scope::default(), footfall("district", "310104"), None),
    ] {
        let answer = get(&api, role, &scope, &path).await;
        match refused {
            None => assert_eq!(answer.status(), 200, "{role} {scope:?} {path}"),
            Some(field) => {
                assert_eq!(
                    problem(answer, 403).await,
                    ("out-of-scope".to_owned(), field.to_owned()),
                    "{scope:?} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn whoever_may_not_count_sees_no_top_no_stream_no_crowd_and_no_scan_either() {
    let city = City::new().await;
    two_venues(&city).await;
    let api = city.api().await;
    let own = Scope { organisation: Some(ORGANISATION.to_owned()), ..Scope::default() };
    let time = range(0, 3600);
    for (scope, id, refused) in [
        ("organisation", ORGANISATION, None),
        ("venue", "1", None),
        ("venue", "2", Some("id")),
        ("organisation", "91310000MA1FL0001R", Some("id")),
    ] {
        for path in [
            format!("/v1/footfall/top?scope={scope}&id={id}&{time}"),
            format!("/v1/footfall/live?scope={scope}&id={id}&events=1"),
            format!("/v1/occupancy?scope={scope}&id={id}"),
            format!("/v1/scans?scope={scope}&id={id}&{time}"),
        ] {
            let answer = get(&api, Operator, &own, &path).await;
            match refused {
                None => assert_eq!(answer.status(), 200, "{path}"),
                Some(field) => {
                    assert_eq!(problem(answer, 403).await, ("out-of-scope".to_owned(), field.to_owned()), "{path}");
                }
            }
        }
    }
    let own = Scope { district: Some(310_101), ..Scope::default() };
    for path in ["/v1/codes/unused", "/v1/codes/missing"] {
        assert_eq!(get(&api, District, &own, path).await.status(), 200, "{path}");
        let elsewhere = get(&api, District, &own, &format!("{path}?district=310104")).await;
        assert_eq!(problem(elsewhere, 403).await, ("out-of-scope".to_owned(), "district".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn visitors_are_shown_of_the_venues_of_the_token_only() {
    let city = City::new().await;
    two_venues(&city).await;
    let api = city.api().await;
    let id = Uuid::from_u128(RELEASE.as_u128() + 1);
    let mut of_the_district = release(id);
    of_the_district["district"] = json!(310_101);
    city.release(&of_the_district).await;
    let path = |venue| format!("/v1/venues/{venue}/visitors?{}&release={id}", range(0, 3600));
    let own = Scope { district: Some(310_101), ..Scope::default() };
    assert_eq!(get(&api, Epidemiologist, &own, &path(1)).await.status(), 200);
    let answer = get(&api, Epidemiologist, &own, &path(2)).await;
    assert_eq!(problem(answer, 403).await, ("out-of-scope".to_owned(), "id".to_owned()));
}

#[tokio::test]
async fn a_limit_that_a_route_cannot_hold_to_is_no_licence() {
    let city = City::new().await;
    let api = city.api().await;
    let limited = Scope { venues: Some(vec![1]), district: Some(31), ..Scope::default() };
    let visits = format!("/v1/persons/1123456789abcdef/visits?{}&release={RELEASE}", range(0, 60));
    for (role, path) in [(Epidemiologist, visits.as_str()), (Regulator, "/v1/stats")] {
        assert_eq!(get(&api, role, &Scope::default(), path).await.status(), 200, "{path}");
        let answer = get(&api, role, &limited, path).await;
        assert_eq!(problem(answer, 403).await.0, "out-of-scope", "{path}");
    }
}
