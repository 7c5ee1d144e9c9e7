//! Turns to trace, over HTTP.

use std::time::Duration;

use schemas::access::{Role, Scope};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    city::{Api, City, MIDNIGHT, RELEASE, at, person, release},
    readiness::{come_to, without_end},
};

/// Of another account.
const OTHERS: Uuid = Uuid::from_u128(0x0031_0101_0000_8000_8000_0000_0000_0002);

/// Asks for a trace that never ends; whoever aborts it hangs up.
fn trace(api: &Api, account: &str, release: Uuid) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let now = chrono::Utc::now().timestamp();
    let token = api.issuer.issue(Role::Epidemiologist, account, Scope::default(), now, 600).expect("a token");
    let body = json!({"person": person(1), "from": at(MIDNIGHT), "to": at(MIDNIGHT + 60), "release": release});
    tokio::spawn(api.bare_request(reqwest::Method::POST, "/v1/traces").bearer_auth(token).json(&body).send())
}

#[tokio::test]
async fn an_account_waits_for_its_own_turn_and_whoever_hangs_up_gives_it_back() {
    let city = City::new().await;
    let mut of_other = release(OTHERS);
    of_other["asked_by"] = json!("other");
    city.release(&of_other).await;
    without_end(&city).await;
    let api = city.api_with(&["--max-traces", "2", "--max-execution-time-s", "60"]).await;

    let first = trace(&api, "it", RELEASE);
    assert!(come_to(&city, 1).await, "the first one traces");
    let second = trace(&api, "it", RELEASE);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(come_to(&city, 1).await && !second.is_finished(), "half of the turns are for one account");
    let others = trace(&api, "other", OTHERS);
    assert!(come_to(&city, 2).await, "the other account does not wait behind it");

    first.abort();
    others.abort();
    // ClickHouse stops half a second after the connection has closed.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(come_to(&city, 1).await, "the second one has the turn of the first");
    second.abort();
    assert!(come_to(&city, 0).await);
}
