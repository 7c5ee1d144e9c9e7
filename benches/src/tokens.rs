//! The tokens that requests bring: issued here with the installation's own key, or one that somebody else issued.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::Utc;
use parking_lot::Mutex;
use reqwest::header::HeaderValue;
use schemas::UnixSeconds;
use schemas::access::{Role, Scope};
use service::access::{Issuer, SigningKey};
use service::secret::Secret;

const LIFETIME_S: u32 = 3600;
/// A token is renewed so long before it ends.
const RENEW_S: i64 = 600;

/// How requests are let in.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Access")]
pub struct TokenConfig {
    /// File with the private key that tokens are signed with, `secrets/token.key` in the data directory of `venuecode
    /// up`: each request then gets a token of the role that it takes
    #[arg(long, env = "VENUECODE_TOKEN_KEY_FILE", value_name = "FILE")]
    pub token_key_file: Option<PathBuf>,
    /// A token for all requests, for whoever has no such key; keep it in the environment, where others do not see it
    #[arg(long, env = "VENUECODE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<Secret>,
}

/// Gives out tokens. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    issuer: Option<Issuer>,
    given: Option<HeaderValue>,
    issued: Mutex<HashMap<(Role, String), (HeaderValue, UnixSeconds)>>,
}

impl Tokens {
    /// Reads the key.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn try_new(config: &TokenConfig) -> anyhow::Result<Self> {
        let given = config.token.as_ref().map(|token| bearer(token.reveal())).transpose()?;
        let key = config.token_key_file.as_deref().map(SigningKey::read).transpose()?;
        Ok(Self(Arc::new(Inner { issuer: key.map(Issuer::new), given, issued: Mutex::default() })))
    }

    /// The value of the header `Authorization` for a request that takes a role.
    ///
    /// # Errors
    /// When there is neither a token nor a key.
    pub fn of(&self, role: Role) -> anyhow::Result<HeaderValue> {
        self.of_holder(role, "venuecode-cli")
    }

    /// The same for one of several holders; a token that was given has one holder only.
    ///
    /// # Errors
    /// When there is neither a token nor a key.
    pub fn of_holder(&self, role: Role, sub: &str) -> anyhow::Result<HeaderValue> {
        self.of_limited(role, sub, &Scope::default())
    }

    /// The same for a holder who is limited, each always in the same way.
    ///
    /// # Errors
    /// When there is neither a token nor a key.
    pub fn of_limited(&self, role: Role, sub: &str, scope: &Scope) -> anyhow::Result<HeaderValue> {
        if let Some(given) = &self.0.given {
            return Ok(given.clone());
        }
        let Some(issuer) = &self.0.issuer else {
            bail!(
                "no token: give --token-key-file (secrets/token.key in the data directory of `venuecode up`), or set \
                 VENUECODE_TOKEN to what `venuecode token issue --role {role}` prints"
            );
        };
        let now = Utc::now().timestamp();
        let mut issued = self.0.issued.lock();
        if let Some((value, until)) = issued.get(&(role, sub.to_owned()))
            && now + RENEW_S < *until
        {
            return Ok(value.clone());
        }
        let value = bearer(&issuer.issue(role, sub, scope.clone(), now, LIFETIME_S)?)?;
        issued.insert((role, sub.to_owned()), (value.clone(), now + i64::from(LIFETIME_S)));
        Ok(value)
    }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok().context("the token has odd characters")?;
    // Debug output of a request does not show it.
    value.set_sensitive(true);
    Ok(value)
}
