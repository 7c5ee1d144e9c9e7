//! Verifies tokens: EdDSA over Ed25519 and nothing else, whatever a token's head asks for.

use std::{
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use axum::http::{HeaderMap, header};
use parking_lot::RwLock;
use schemas::{
    UnixSeconds,
    access::{Claims, Expected},
};
use tokio_util::sync::CancellationToken;

use super::{
    AccessConfig, cache,
    caller::{Caller, Subjects},
    error::{self, AccessError},
    failures::Failures,
    jws::Token,
    keys::{self, KeySet},
};

/// Whether the file of the token keys holds something that cannot be used, so that older keys are in use: 1 or 0.
const KEYS_STALE: &str = "service_token_keys_stale";
/// Longest token.
const MAX_TOKEN_BYTES: usize = 4096;
/// What stands before it.
const SCHEME: &str = "Bearer ";
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Numbers the key sets of the whole process, so that the threads' memories never mistake one for another.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// Verifies tokens with the keys of a file.
#[derive(Debug)]
pub struct Verifier {
    expected: Expected,
    file: PathBuf,
    /// What the file held at the start.
    text: String,
    keys: RwLock<Arc<KeySet>>,
    /// Number of the key set; changes after the set does.
    generation: AtomicU64,
    failures: Failures,
    subjects: Subjects,
    hasher: RandomState,
}

impl Verifier {
    /// Reads the keys.
    ///
    /// # Errors
    /// When the file cannot be read or used, or has no key.
    pub fn try_new(config: &AccessConfig) -> anyhow::Result<Arc<Self>> {
        let file = config.token_keys_file.clone();
        let (text, keys) = keys::read(&file).context("--token-keys-file")?;
        ensure!(!keys.is_empty(), "--token-keys-file: {} has no key, so that nobody could be let in", file.display());
        error::describe();
        metrics::describe_gauge!(
            KEYS_STALE,
            "Whether the file of the token keys cannot be used, so that older keys are in use"
        );
        metrics::gauge!(KEYS_STALE).set(0.0);
        Ok(Arc::new(Self {
            expected: config.expected(),
            file,
            text,
            keys: RwLock::new(Arc::new(keys)),
            generation: AtomicU64::new(GENERATIONS.fetch_add(1, Ordering::Relaxed)),
            failures: Failures::default(),
            subjects: Subjects::default(),
            hasher: RandomState::new(),
        }))
    }

    /// Who sent a request from an address.
    ///
    /// # Errors
    /// When there is no token, or it does not hold now.
    pub fn check(&self, headers: &HeaderMap, address: u64, now: UnixSeconds) -> Result<Caller, AccessError> {
        let token = token(headers)?;
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(caller) = cache::get(token, generation) {
            return if now < caller.verified().until { Ok(caller) } else { Err(AccessError::Claims(EXPIRED)) };
        }
        let caller = self.verify(token, generation, address, now)?;
        cache::put(token, caller.clone());
        Ok(caller)
    }

    fn verify(&self, token: &[u8], generation: u64, address: u64, now: UnixSeconds) -> Result<Caller, AccessError> {
        let token = Token::try_split(token)?;
        let keys = Arc::clone(&self.keys.read());
        let key = keys.get(&token.key_name()?).ok_or(AccessError::UnknownKey)?;
        let instant = Instant::now();
        let too_many = |retry_after| AccessError::TooManyFailures { retry_after };
        self.failures.check(address, instant).map_err(too_many)?;
        let claims = self.claims(&token, key, now).inspect_err(|_| self.failures.note(address, instant))?;
        let subject = self.subjects.get(self.hasher.hash_one(&claims.sub));
        let until = claims.exp.saturating_add(self.expected.leeway_s.into());
        Ok(Caller::new(claims, subject, generation, until))
    }

    fn claims(&self, token: &Token<'_>, key: &[u8], now: UnixSeconds) -> Result<Claims, AccessError> {
        let claims = token.verify(key)?;
        claims.check(&self.expected, now)?;
        Ok(claims)
    }

    /// Follows the file until `stop`: a new set of keys is in use within a second or two, and tokens of keys that are
    /// not in it any more are refused. A file that cannot be used changes nothing but the metric and the log.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = Some(self.text.clone());
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            let text = tokio::fs::read_to_string(&self.file).await.ok();
            if seen != text {
                self.take_over(text.as_deref());
                seen = text;
            }
        }
    }

    fn take_over(&self, text: Option<&str>) {
        let parsed = text.context("it cannot be read").and_then(KeySet::try_parse);
        metrics::gauge!(KEYS_STALE).set(if parsed.is_ok() { 0.0 } else { 1.0 });
        match parsed {
            Ok(keys) => {
                tracing::info!(?keys, "token keys are in use");
                *self.keys.write() = Arc::new(keys);
                self.generation.store(GENERATIONS.fetch_add(1, Ordering::Relaxed), Ordering::Release);
            }
            Err(error) => {
                let (file, error) = (self.file.display(), format!("{error:#}"));
                tracing::error!(%file, error, "the token keys cannot be used; the ones before stay in use");
            }
        }
    }
}

const EXPIRED: schemas::access::ClaimsError = schemas::access::ClaimsError::Expired;

/// The token that a request brings (RFC 6750).
fn token(headers: &HeaderMap) -> Result<&[u8], AccessError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(AccessError::Missing)?.as_bytes();
    if values.next().is_some() {
        return Err(AccessError::Malformed("there are several Authorization headers"));
    }
    let Some((scheme, token)) = value.split_at_checked(SCHEME.len()) else { return Err(AccessError::Missing) };
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
        return Err(AccessError::Missing);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(AccessError::Malformed("it is too long"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests;
