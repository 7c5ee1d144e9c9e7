//! `GET /v1/codes/{code}`

use serde_json::json;

use crate::gateway::{Gateway, venue_line};

#[tokio::test]
async fn a_code_is_looked_up_until_it_is_issued_anew() {
    let gateway = Gateway::start().await;
    let code = gateway.load_venue(7).await;
    let answer = gateway.get(&format!("/v1/codes/{code}")).await.ok();
    let url = format!("HTTPS://CODE.EXAMPLE/V/{code}");
    let venue = json!({"venue": 7, "name": "茶馆 7", "category": "catering", "district": 310_101, "address": "福州路1号", "door": null,
        "latitude": null, "longitude": null, "url": url});
    assert_eq!(answer, venue);
    assert_eq!(gateway.get(&format!("/v1/codes/{}", code.to_lowercase())).await.ok(), venue);

    let refusal = async |code: &str| gateway.get(&format!("/v1/codes/{code}")).await.refusal();
    let field = Some("code".to_owned());
    assert_eq!(refusal("nonsense").await, (422, "mistyped-code".to_owned(), field.clone()));
    assert_eq!(refusal(&gateway.code(8, 0)).await, (404, "unknown-venue".to_owned(), field.clone()));
    let mut anew = venue_line(7);
    anew["serial"] = 1.into();
    gateway.batch("/v1/venues:batch", &[anew]).await.ok();
    assert_eq!(refusal(&code).await, (409, "revoked-code".to_owned(), field));
    assert_eq!(gateway.get(&format!("/v1/codes/{}", gateway.code(7, 1))).await.ok()["venue"], 7);
    gateway.stop().await;
}
