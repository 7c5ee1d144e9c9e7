//! Opens what people have answered when they registered. Whoever asks for it here has a permit ([`crate::permit`]); the key
//! ring is this service's and the gateways', and one without it opens nothing.

use std::path::PathBuf;

use anyhow::Context;
use schemas::{KeyRing, PersonKey, city::FormKind};
use serde_json::{Map, Value};
use service::{
    identity::{self, Whose},
    secret::read_key_ring,
};

use crate::{QueryError, metrics, store::IdentityRow};

/// With what identities are opened.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Identities")]
pub struct IdentityConfig {
    /// File with the keys that encrypt what names a person, old and new, as lines of VERSION:HEX, the same as the gateways';
    /// without it this instance opens nobody's identity
    #[arg(long, env = "VENUECODE_IDENTITY_KEYS_FILE", value_name = "FILE")]
    pub identity_keys_file: Option<PathBuf>,
}

/// The keys, if this instance has them.
pub struct Identities(Option<KeyRing>);

impl Identities {
    /// Reads the keys.
    ///
    /// # Errors
    /// When there is a file, and it has no keys.
    pub fn try_new(config: &IdentityConfig) -> anyhow::Result<Self> {
        Ok(Self(config.identity_keys_file.as_deref().map(read_key_ring).transpose()?))
    }

    /// The keys.
    ///
    /// # Errors
    /// [`QueryError::IdentitiesClosed`] without any.
    pub fn keys(&self) -> Result<&KeyRing, QueryError> {
        self.0.as_ref().ok_or(QueryError::IdentitiesClosed)
    }
}

/// Opens what a person has answered; nothing when the key is not in the ring, or it was changed, which is counted and logged.
pub fn open(keys: &KeyRing, person: PersonKey, row: &IdentityRow) -> Option<Map<String, Value>> {
    let form = FormKind::from_word(&row.form).context("a form that is not known here");
    let opened = form.and_then(|form| identity::open(keys, Whose { person, form, v: row.v }, &row.sealed));
    opened
        .inspect_err(|error| {
            metrics::problem(metrics::UNOPENED);
            tracing::error!(error = format!("{error:#}"), "the answers of a registration do not open");
        })
        .ok()
}
