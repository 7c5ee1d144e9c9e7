//! `GET /v1/stats`.

use serde_json::json;

use crate::city::{City, MIDNIGHT, at, scan};

#[tokio::test]
async fn totals_count_everything_that_is_stored() {
    let city = City::new().await;
    let api = city.api().await;
    let nothing = json!({"scans": 0, "persons": 0, "venues_scanned": 0, "venues": 0, "first_scan_at": null,
                         "last_scan_at": null});
    assert_eq!(api.ok("/v1/stats").await, nothing);

    city.store(&[scan(1, 7, 0), scan(1, 8, 60), scan(2, 7, 86_400 * 20)]).await;
    city.name(7, "a", 1).await;
    city.name(7, "b", 2).await;
    city.name(9, "c", 1).await;
    city.name(10, "d", 1).await;
    let expected = json!({"scans": 3, "persons": 2, "venues_scanned": 2, "venues": 3,
                          "first_scan_at": at(MIDNIGHT), "last_scan_at": at(MIDNIGHT + 86_400 * 20)});
    assert_eq!(api.ok("/v1/stats").await, expected);
}
