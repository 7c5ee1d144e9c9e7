//! `GET /V/{page}`: what the printed URL of a code opens.

use reqwest::Method;
use schemas::{KeyRing, VenueCode};

use crate::city::{Api, CODE_KEYS_FILE, City, problem};

async fn get(api: &Api, path: &str) -> reqwest::Response {
    api.bare_request(Method::GET, path).send().await.expect("an answer")
}

#[tokio::test]
async fn the_printed_url_opens_a_page_without_a_token_and_without_clickhouse() {
    let city = City::without_tables().await;
    let api = city.starting_api(&["--gateway-origin", "https://gate.example"]).await;
    assert_eq!(api.get("/readyz").await.status(), 503, "there are no tables");
    let keys = KeyRing::try_parse(&std::fs::read_to_string(CODE_KEYS_FILE).expect("the keys")).expect("keys");
    let code = VenueCode { venue: 7, serial: 1 }.sign(&keys).to_string();
    let page = get(&api, &format!("/V/{code}")).await;
    assert_eq!(page.status(), 200);
    let header = |page: &reqwest::Response, name: &str| page.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(
        (header(&page, "referrer-policy"), header(&page, "x-content-type-options")),
        ("no-referrer".into(), "nosniff".into())
    );
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("connect-src 'self' https://gate.example;") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.expect("text");
    assert!(html.contains("场所码") && html.contains("Venue code"), "{html}");
    assert!(html.contains("content=\"https://gate.example\"") && !html.contains("{gateway}"), "{html}");
    // The same for every code: a phone that keeps one has them all.
    let other = VenueCode { venue: 8, serial: 0 }.sign(&keys).to_string();
    assert_eq!(get(&api, &format!("/V/{other}")).await.text().await.expect("text"), html);
    for (part, media_type) in [
        ("page.html", "text/html; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("worker.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
    ] {
        let answer = get(&api, &format!("/V/{part}")).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type").as_str()), (200, media_type), "{part}");
        assert_eq!(header(&answer, "content-security-policy"), policy, "{part}");
        if part.starts_with("page.") && part != "page.html" {
            assert!(html.contains(part), "the page has {part}");
        }
    }
    for other in ["/V/page.rs", "/V/short", "/V/%E5%9C%BA%E6%89%80%E7%A0%81"] {
        assert_eq!(
            problem(get(&api, other).await, 422).await,
            ("invalid-field".to_owned(), "page".to_owned()),
            "{other}"
        );
    }
}
