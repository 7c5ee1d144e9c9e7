//! Says what a token says. The signature is neither checked nor shown: what is printed here may be shown around.

use std::io::Read;

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use clap::Args;
use schemas::access::Claims;
use serde_json::Value;
use service::secret::Secret;

/// Flags of `venuecode token show`; the token is none of them, since every user of the machine can read those.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[arg(env = "VENUECODE_TOKEN", hide = true)]
    token: Option<Secret>,
}

impl ShowArgs {
    /// Reads the token and describes it.
    pub(super) fn run(self, now: DateTime<Utc>) -> anyhow::Result<String> {
        match self.token {
            Some(token) => describe(token.reveal(), now),
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("no token on standard input")?;
                describe(&text, now)
            }
        }
    }
}

fn describe(token: &str, now: DateTime<Utc>) -> anyhow::Result<String> {
    let parts: Vec<&str> = token.trim().split('.').collect();
    ensure!(parts.len() == 3, "not a token: expected three parts with dots between");
    let json = |part: &str| -> anyhow::Result<Value> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok().context("not a token: a part is not base64url")?;
        serde_json::from_slice(&bytes).ok().context("not a token: a part is not JSON")
    };
    let (head, body) = (json(parts[0])?, json(parts[1])?);
    let claims: Claims =
        serde_json::from_value(body.clone()).ok().context("its claims are not those of a token here")?;
    let time = |at| DateTime::from_timestamp(at, 0).map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
    let left_s = claims.exp - now.timestamp();
    let state = match u64::try_from(left_s) {
        Ok(left_s) => format!("for {} more", humantime::format_duration(std::time::Duration::from_secs(left_s))),
        Err(_) => "over".to_owned(),
    };
    Ok(format!(
        "head    {head}\nclaims  {}\nissued  {}\nexpires {} ({state})\nsignature not checked",
        serde_json::to_string_pretty(&body)?,
        time(claims.iat),
        time(claims.exp),
    ))
}

#[cfg(test)]
mod tests {
    use schemas::access::{Role, Scope};
    use service::access::{Issuer, SigningKey};

    use super::*;

    #[test]
    fn it_says_everything_but_the_signature() -> anyhow::Result<()> {
        let issuer = Issuer::new(SigningKey::generate("k1")?);
        let now = DateTime::from_timestamp(1_653_235_200, 0).context("a time")?;
        let scope = Scope { district: Some(310_106), ..Scope::default() };
        let token = issuer.issue(Role::District, "jingan", scope, now.timestamp(), 3600)?;
        let shown = describe(&format!("{token}\n"), now)?;
        for part in
            ["\"kid\":\"k1\"", "\"role\": \"district\"", "310106", "jingan", "for 1h more", "2022-05-22T17:00:00"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let signature = token.rsplit('.').next().context("a signature")?;
        assert!(!shown.contains(signature));
        assert!(describe(&token, now + chrono::Duration::hours(2))?.contains("(over)"));
        assert!(describe("a.b", now).is_err() && describe("a.b.c", now).is_err());
        Ok(())
    }
}
