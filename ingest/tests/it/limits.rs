//! What one client may send.

use std::num::NonZeroU32;

use serde_json::json;

use crate::gateway::{Gateway, PERSON};

#[tokio::test]
async fn above_its_quota_a_client_is_told_when_to_come_back() {
    let gateway = Gateway::start_with(|config| {
        config.limits.limit_scans_per_second = NonZeroU32::new(1).expect("above zero");
        config.limits.limit_scans_burst = NonZeroU32::new(4).expect("above zero");
    })
    .await;
    gateway.load_venue(7).await;
    let scan = json!({"venue": 7, "person": PERSON});
    assert_eq!(gateway.batch("/v1/scans:batch", &[scan.clone(), scan.clone(), scan.clone()]).await.ok()["accepted"], 3);
    let refused = gateway.batch("/v1/scans:batch", &[scan.clone(), scan.clone(), scan.clone()]).await;
    assert_eq!(refused.refusal(), (429, "too-many-requests".to_owned(), None));
    let retry_after_s = refused.problem().retry_after_s.expect("a time");
    assert!((1..=3).contains(&retry_after_s), "{retry_after_s}");
    assert_eq!(refused.headers["ratelimit-policy"], "\"scans\";q=1;w=1;burst=4");
    let never = gateway.batch("/v1/scans:batch", &vec![scan.clone(); 5]).await;
    assert_eq!(never.refusal(), (413, "too-many-lines".to_owned(), None));
    assert_eq!(gateway.stored_scans().await.len(), 3);

    tokio::time::sleep(std::time::Duration::from_secs(retry_after_s)).await;
    assert_eq!(gateway.batch("/v1/scans:batch", &[scan.clone(), scan.clone(), scan]).await.ok()["accepted"], 3);
    let limit = gateway.get("/openapi.json").await.ok()["info"]["x-rate-limit"].clone();
    assert_eq!(limit, json!({"scans_per_second": 1, "burst": 4}));
    gateway.stop().await;
}
