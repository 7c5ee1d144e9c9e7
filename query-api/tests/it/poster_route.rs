//! `GET /v1/venues/{id}/poster` over HTTP, out of the real directory.

use benches::printed::{Picture, text_of};
use reqwest::Method;
use schemas::{KeyRing, VenueCode};

use crate::city::{CODE_KEYS_FILE, City, env, problem};

impl City {
    /// Puts a venue in the directory as the processor does; without a serial, as an older processor did.
    async fn venue(&self, venue: u32, name: &str, active: bool, serial: Option<u8>) {
        let sql = "INSERT INTO venues (venue_id, name, category, district, address, door, organisation, active, serial, \
                   version) VALUES ({venue:UInt32}, {name:String}, 'catering', 310101, '', '东门', '', {active:Bool}, \
                   {serial:Nullable(UInt8)}, {version:UInt64})";
        let version = serial.map_or(0, u64::from);
        let query = self.client().query(sql).param("venue", venue).param("name", name).param("active", active);
        query.param("serial", serial).param("version", version).execute().await.expect("the venue is stored");
    }

    async fn poster_api(&self) -> crate::city::Api {
        self.api_with(&["--fonts", &env("VENUECODE_FONTS")]).await
    }
}

#[tokio::test]
async fn a_poster_carries_the_code_that_is_valid_now() {
    let city = City::new().await;
    city.venue(12, "蜀香园火锅", true, Some(0)).await;
    city.venue(12, "蜀香园/火锅", true, Some(3)).await;
    let api = city.poster_api().await;

    let answer = api.get("/v1/venues/12/poster?format=png&dpi=100").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "image/png");
    let file = answer.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
    let utf8 = "filename*=UTF-8''%E8%9C%80%E9%A6%99%E5%9B%AD_%E7%81%AB%E9%94%85-%E4%B8%9C%E9%97%A8-a4.png";
    assert_eq!(file, format!("attachment; filename=\"venue-12-a4.png\"; {utf8}"));
    let codes = Picture::of_png(&answer.bytes().await.expect("a body")).expect("a picture").qr_codes();
    let keys = KeyRing::try_parse(&std::fs::read_to_string(CODE_KEYS_FILE).expect("the keys")).expect("keys");
    let code = VenueCode { venue: 12, serial: 3 };
    assert_eq!(codes, [format!("HTTPS://CODE.EXAMPLE/V/{}", code.sign(&keys))]);

    let pdf = api.get("/v1/venues/12/poster").await;
    assert_eq!(pdf.headers()["content-type"], "application/pdf");
    let text = text_of(&pdf.bytes().await.expect("a body")).expect("a PDF");
    assert!(text.contains("蜀香园/火锅") && text.contains("东门") && text.contains("Issue 3"), "{text}");
    let svg = api.get("/v1/venues/12/poster?size=80x180&format=svg").await;
    assert_eq!(svg.headers()["content-type"], "image/svg+xml");
    assert!(svg.text().await.expect("a body").starts_with("<svg"));
    let metrics = api.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("query_api_poster_seconds_count{format=\"svg\"}"), "{metrics}");
}

#[tokio::test]
async fn a_poster_that_has_not_changed_is_not_sent_again() {
    let city = City::new().await;
    city.venue(12, "甲", true, Some(0)).await;
    let api = city.poster_api().await;
    let path = "/v1/venues/12/poster?format=svg";
    let first = api.get(path).await;
    assert_eq!(first.headers()["cache-control"], "private, no-cache");
    let tag = first.headers()["etag"].to_str().expect("ASCII").to_owned();
    let length = first.bytes().await.expect("a body").len();

    let head = api.send(Method::HEAD, path, None).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], length.to_string());
    assert_eq!(head.headers()["etag"], tag);
    let again = api.send(Method::GET, path, Some(("if-none-match", &tag))).await;
    assert_eq!((again.status().as_u16(), again.headers()["etag"].to_str().ok()), (304, Some(tag.as_str())));
    assert!(again.bytes().await.expect("no body").is_empty());

    city.venue(12, "甲", true, Some(1)).await;
    let reissued = api.send(Method::GET, path, Some(("if-none-match", &tag))).await;
    assert_eq!(reissued.status(), 200);
    assert_ne!(reissued.headers()["etag"], tag);
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let city = City::new().await;
    city.venue(1, "甲", true, Some(0)).await;
    city.venue(2, "甲", false, Some(1)).await;
    city.venue(3, "𠮷野家", true, Some(0)).await;
    city.venue(4, "甲", true, None).await;
    let api = city.poster_api().await;
    for (path, status, kind, field) in [
        ("9/poster", 404, "unknown-venue", "id"),
        ("2/poster", 410, "revoked-venue", "id"),
        ("x/poster", 422, "invalid-field", "id"),
        ("1/poster?size=a3", 422, "invalid-field", "size"),
        ("1/poster?format=jpeg", 422, "invalid-field", "format"),
        ("1/poster?format=png&dpi=49", 422, "invalid-field", "dpi"),
        ("1/poster?size=80x180&dpi=151", 422, "invalid-field", "dpi"),
        ("1/poster?colour=red", 422, "unknown-field", "colour"),
        ("3/poster", 422, "unprintable-character", "name"),
        ("4/poster", 503, "issue-unknown", ""),
    ] {
        let answer = api.get(&format!("/v1/venues/{path}")).await;
        assert_eq!(problem(answer, status).await, (kind.to_owned(), field.to_owned()), "{path}");
    }
    let answer = api.get("/v1/venues/3/poster").await.text().await.expect("a body");
    assert!(answer.contains("`𠮷` (U+20BB7)"), "{answer}");
}

#[tokio::test]
async fn without_fonts_posters_are_not_available_and_the_rest_is() {
    let city = City::new().await;
    city.venue(1, "甲", true, Some(0)).await;
    let api = city.api_with(&["--fonts", "/nowhere"]).await;
    let answer = api.get("/v1/venues/1/poster").await;
    assert_eq!(answer.headers()["retry-after"], "30");
    let text = answer.text().await.expect("a body");
    assert!(text.contains("deploy/fonts/fetch.sh"), "{text}");
    api.ok("/v1/stats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_posters_than_can_wait_are_refused_and_the_others_printed() {
    let city = City::new().await;
    city.venue(1, "甲", true, Some(0)).await;
    let api = city.api_with(&["--fonts", &env("VENUECODE_FONTS"), "--poster-workers", "1"]).await;
    api.get("/v1/venues/1/poster").await;
    let path = "/v1/venues/1/poster?size=80x180&format=png&dpi=60";
    let answers = futures::future::join_all((0..40).map(|_| api.get(path))).await;
    let printed = answers.iter().filter(|answer| answer.status() == 200).count();
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status() == 503).collect();
    // One is printed and four wait; who comes when the first is done finds a place as well.
    assert!((5..40).contains(&printed) && printed + refused.len() == 40, "{printed} were printed");
    for answer in refused {
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(problem(answer, 503).await.0, "overloaded");
    }
}
