//! A venue's poster, from the gateway that registers it to what a phone reads off it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use benches::printed::Picture;
use schemas::access::{Role, Scope};
use serde_json::{Value, json};

use service::access::{Issuer, SigningKey};

use crate::stack::Stack;

fn token(stack: &Stack, role: Role) -> anyhow::Result<String> {
    let issuer = Issuer::new(SigningKey::read(&stack.token_key())?);
    issuer.issue(role, "it", Scope::default(), chrono::Utc::now().timestamp(), 600)
}

async fn register(stack: &Stack, serial: u8) -> anyhow::Result<String> {
    let venue = json!({"venue": 77, "serial": serial, "name": "蜀香园火锅", "category": "catering", "district": 310_101,
        "address": "南京东路1号", "door": "东门"});
    let request = reqwest::Client::new().post(format!("{}/v1/venues:batch", stack.gateway()));
    let request = request.bearer_auth(token(stack, Role::Admin)?);
    let answer = request.header("content-type", "application/x-ndjson").body(venue.to_string()).send().await?;
    let text = answer.text().await?;
    let receipts: Value = serde_json::from_str(&text)?;
    Ok(receipts["lines"][0]["url"].as_str().with_context(|| format!("no url in {text}"))?.to_owned())
}

/// Waits until the poster carries this URL.
async fn printed(stack: &Stack, url: &str) -> anyhow::Result<()> {
    let poster = format!("http://{}/v1/venues/77/poster?format=png&dpi=100", stack.ports.address(2));
    let (client, token) = (reqwest::Client::new(), token(stack, Role::Reviewer)?);
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < Duration::from_secs(30) {
        let answer = client.get(&poster).bearer_auth(&token).send().await?;
        if answer.status() == 200 {
            last = Picture::of_png(&answer.bytes().await?)?.qr_codes().pop().context("no QR code")?;
            if last == url {
                return Ok(());
            }
        } else {
            last = answer.text().await?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("waited 30 s for {url}, the last answer was {last}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poster_has_the_code_that_the_gateway_issued_last() -> anyhow::Result<()> {
    let stack = Stack::start()?;
    let first = register(&stack, 0).await?;
    printed(&stack, &first).await?;
    let second = register(&stack, 1).await?;
    ensure!(first != second, "a reissued code is another code");
    printed(&stack, &second).await
}
