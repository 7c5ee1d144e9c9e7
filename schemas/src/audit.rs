//! The audit log: who read whose movements, health or identity, when and why, as chains in which each entry has the hash
//! of the one before, by a key that the query service alone appends with.
//!
//! Pure. Each instance that writes has a chain of its own, so that several need no lock; how far chains are is told to
//! Kafka ([`crate::events::AuditAnchor`]), so that a tail or a whole chain that is gone is noticed as well.

mod verification;

use std::sync::Arc;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{KeyRing, UnixSeconds, VenueId};

pub use verification::{Fault, Finding, UNANCHORED_AFTER_MS, Verification, Wrong};

/// What was read, by whom and why. Nothing of it names a person: people are person keys. For that reason it has no debug
/// output either.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRead {
    /// Account (`sub` of the token).
    pub account: String,
    /// Its role.
    pub role: String,
    /// District of the office that has the case; 0 when people look at what is kept of themselves, which takes no release:
    /// then what is said of release and case is empty, too.
    pub district: u32,
    /// Method and path of the route.
    pub route: String,
    /// The release by which it was allowed.
    pub release_id: Uuid,
    /// Number of the case.
    pub case_number: String,
    /// Kind of the case.
    pub case_kind: String,
    /// What shows that there is such a case.
    pub evidence: String,
    /// What it was read for.
    pub purpose: String,
    /// Whose movements were asked for.
    pub persons: Vec<u64>,
    /// Whose visitors were asked for.
    pub venues: Vec<VenueId>,
    /// How many hops these are away from whom the release names, at most.
    pub depth: u8,
    /// How many minutes around a visit contacts were looked for; 0 where none were.
    pub window_minutes: u16,
    /// First second of what was asked for.
    pub from_s: UnixSeconds,
    /// First second after it.
    pub to_s: UnixSeconds,
    /// Who else is in the answer: contacts, visitors.
    pub reached: Vec<u64>,
    /// How many hops each of them is away from whom the release names.
    pub reached_depths: Vec<u8>,
    /// Scans or changes in the answer.
    pub scans: u64,
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The chain that it is part of.
    pub chain: Uuid,
    /// Its number there, from 1.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was read.
    #[serde(flatten)]
    pub read: AuditRead,
    /// Hash of the entry before it; of the chain's identity for the first one.
    pub previous: String,
    /// Version of the key in [`AuditEntry::hash`].
    pub key_version: u8,
    /// [`AuditEntry::digest`].
    pub hash: String,
}

impl AuditEntry {
    /// HMAC-SHA-256 (RFC 2104) over its canonical form, as 64 hex digits: everything but the hash as JSON, fields in the
    /// order in which they are declared here, numbers whole, no spaces. None when the ring does not have its key.
    pub fn digest(&self, keys: &KeyRing) -> Option<String> {
        #[derive(Serialize)]
        struct Canonical<'a> {
            chain: Uuid,
            sequence: u64,
            at_ms: i64,
            key_version: u8,
            previous: &'a str,
            read: &'a AuditRead,
        }
        let Self { chain, sequence, at_ms, read, previous, key_version, .. } = self;
        let (chain, sequence, at_ms, key_version) = (*chain, *sequence, *at_ms, *key_version);
        let canonical = Canonical { chain, sequence, at_ms, key_version, previous, read };
        // A struct of strings and numbers always serialises.
        let text = serde_json::to_vec(&canonical).unwrap_or_default();
        // A key may have any length.
        let mac = Hmac::<Sha256>::new_from_slice(keys.key(key_version)?).ok()?;
        Some(hex::encode(mac.chain_update(text).finalize().into_bytes()))
    }
}

/// What the first entry of a chain follows on.
fn genesis(chain: Uuid) -> String {
    hex::encode(Sha256::digest(chain.as_bytes()))
}

/// The end of a chain that is being written.
#[derive(Debug, Clone)]
pub struct Chain {
    id: Uuid,
    entries: u64,
    head: String,
    keys: Arc<KeyRing>,
}

impl Chain {
    /// A chain without entries, of which each will have a hash by the active key.
    pub fn new(id: Uuid, keys: Arc<KeyRing>) -> Self {
        Self { id, entries: 0, head: genesis(id), keys }
    }

    /// Makes the next entry.
    pub fn append(&mut self, at_ms: i64, read: AuditRead) -> AuditEntry {
        let (sequence, previous) = (self.entries + 1, self.head.clone());
        let (chain, key_version, hash) = (self.id, self.keys.active_version(), String::new());
        let mut entry = AuditEntry { chain, sequence, at_ms, read, previous, key_version, hash };
        // The ring has its own active key.
        entry.hash = entry.digest(&self.keys).unwrap_or_default();
        (self.entries, self.head) = (sequence, entry.hash.clone());
        entry
    }
}

#[cfg(test)]
mod tests;
