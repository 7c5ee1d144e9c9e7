//! Access to a service: signed tokens, and a table that says which role may use which route.
//!
//! [`GuardedRouter`] puts a [`guard`] before every route, and a route that its table does not list is refused. What
//! goes past a router, because it is in a hurry, asks [`admit`] with the same table. A handler that needs to know who
//! asks takes a [`Caller`] as an argument, before the request:
//!
//! ```ignore
//! async fn post(State(gateway): State<Arc<Gateway>>, caller: Caller, request: Request) -> Result<…> {
//!     if let Some(limit) = caller.scope().leaves_out(venue, district, organisation) { /* 403, naming the limit */ }
//! ```
//!
//! What a role may do is in `schemas::access`; here are signatures, keys and HTTP.

mod cache;
mod caller;
mod document;
mod error;
mod failures;
mod guard;
mod issuer;
mod jws;
mod keys;
mod verifier;

use std::path::PathBuf;

use schemas::access::Expected;

pub use caller::{Caller, Subject};
pub use error::AccessError;
pub use guard::{GuardedRouter, admit};
pub use issuer::{Issuer, SigningKey};
pub use keys::{KeySet, PublicKey};
pub use verifier::Verifier;

/// Which tokens a service takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Access")]
pub struct AccessConfig {
    /// File with the public keys of those who issue tokens, a JWKS as `venuecode token keygen` writes it; it is read
    /// again when it changes
    #[arg(long, env = "VENUECODE_TOKEN_KEYS_FILE", value_name = "FILE")]
    pub token_keys_file: PathBuf,
    /// Who must have issued a token (`iss`)
    #[arg(long, env = "VENUECODE_TOKEN_ISSUER", default_value = "venuecode", value_name = "NAME")]
    pub token_issuer: String,
    /// Which installation a token must be for (`aud`); choose a name of its own for each
    #[arg(long, env = "VENUECODE_TOKEN_AUDIENCE", default_value = "venuecode", value_name = "NAME")]
    pub token_audience: String,
    /// How far the clock of the issuer may differ, in seconds
    #[arg(long, env = "VENUECODE_TOKEN_LEEWAY_S", default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=600))]
    pub token_leeway_s: u32,
    /// Longest lifetime of a token, in seconds; one that holds for longer is refused
    #[arg(long, env = "VENUECODE_TOKEN_MAX_LIFETIME_S", default_value_t = 31 * 24 * 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(60..))]
    pub token_max_lifetime_s: u32,
}

impl AccessConfig {
    /// What a token must say.
    pub fn expected(&self) -> Expected {
        Expected {
            issuer: self.token_issuer.clone(),
            audience: self.token_audience.clone(),
            leeway_s: self.token_leeway_s,
            max_lifetime_s: self.token_max_lifetime_s,
        }
    }
}
