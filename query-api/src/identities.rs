//! Opens what people have answered when they registered. Whoever asks for it here has a permit ([`crate::permit`]); the key
//! ring is this service's and the gateways', and one without it opens nothing.

use std::path::PathBuf;

use schemas::{KeyRing, PersonKey, city::FormKind};
use serde_json::{Map, Value};
use service::{
    identity::{self, Whose},
    secret::read_key_ring,
};

use crate::{QueryError, store::IdentityRow};

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

/// Sealed answers do not open.
#[derive(Debug, thiserror::Error)]
#[error("sealed answers do not open")]
pub struct Unopened(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Unopened {
    /// For this reason, which has no word of what was sealed.
    pub fn because(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

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

/// Opens a registration of a person.
///
/// # Errors
/// [`QueryError::Unopened`] when its key is not in the ring, or it was changed.
pub fn open(
    keys: &KeyRing,
    person: PersonKey,
    row: &IdentityRow,
) -> Result<(FormKind, Map<String, Value>), QueryError> {
    let form = FormKind::from_word(&row.form).ok_or_else(|| Unopened::because("a form that is not known here"));
    let form = form.map_err(QueryError::Unopened)?;
    let answers = identity::open(keys, Whose { person, form, v: row.v }, &row.sealed);
    Ok((form, answers.map_err(|error| QueryError::Unopened(Unopened::because(error)))?))
}
