//! `GET /v1/venues/{id}/visitors`.

use schemas::{Direction, Verdict};
use serde_json::json;

use crate::city::{City, MIDNIGHT, at, person, range, scan};

#[tokio::test]
async fn visitors_come_oldest_first_up_to_the_limit() {
    let city = City::new().await;
    let mut refused = scan(2, 7, 60);
    refused.verdict = Verdict::Refuse;
    refused.direction = Direction::Exit;
    city.store(&[refused, scan(1, 7, 0), scan(1, 8, 30), scan(3, 7, 3_600)]).await;
    let api = city.api().await;
    let expected = json!({
        "venue": 7,
        "visitors": [
            {"person": person(1).to_string(), "scanned_at": at(MIDNIGHT), "method": "venue_code",
             "direction": "entry", "verdict": "admit", "colour": "green"},
            {"person": person(2).to_string(), "scanned_at": at(MIDNIGHT + 60), "method": "venue_code",
             "direction": "exit", "verdict": "refuse", "colour": "green"},
        ],
        "truncated": false,
    });
    assert_eq!(api.ok(&format!("/v1/venues/7/visitors?{}", range(0, 3_600))).await, expected);
    let cut = api.ok(&format!("/v1/venues/7/visitors?{}&limit=1", range(0, 3_600))).await;
    assert_eq!((&cut["visitors"][0], &cut["truncated"]), (&expected["visitors"][0], &json!(true)));
    let nobody = api.ok(&format!("/v1/venues/4294967295/visitors?{}", range(0, 3_600))).await;
    assert_eq!(nobody["visitors"], json!([]));
}
