//! The audit log: who read whose movements or health, when and why, as chains in which each entry has the hash of the one
//! before.
//!
//! Pure. Each instance that writes has a chain of its own, so that several need no lock; how far chains are is told to
//! Kafka ([`AuditAnchor`]), so that a tail or a whole chain that is gone is noticed as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{UnixSeconds, VenueId, events::AuditAnchor};

/// What was read, by whom and why. Nothing of it names a person: people are person keys. For that reason it has no debug
/// output either.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// [`AuditEntry::digest`].
    pub hash: String,
}

impl AuditEntry {
    /// SHA-256 over its canonical form, as 64 hex digits: everything but the hash as JSON, fields in the order in which
    /// they are declared here, numbers whole, no spaces.
    pub fn digest(&self) -> String {
        #[derive(Serialize)]
        struct Canonical<'a> {
            chain: Uuid,
            sequence: u64,
            at_ms: i64,
            previous: &'a str,
            read: &'a AuditRead,
        }
        let Self { chain, sequence, at_ms, read, previous, .. } = self;
        let canonical = Canonical { chain: *chain, sequence: *sequence, at_ms: *at_ms, previous, read };
        // A struct of strings and numbers always serialises.
        sha256(&serde_json::to_vec(&canonical).unwrap_or_default())
    }
}

/// What the first entry of a chain follows on.
fn genesis(chain: Uuid) -> String {
    sha256(chain.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The end of a chain that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    id: Uuid,
    entries: u64,
    head: String,
}

impl Chain {
    /// A chain without entries.
    pub fn new(id: Uuid) -> Self {
        Self { id, entries: 0, head: genesis(id) }
    }

    /// Makes the next entry.
    pub fn append(&mut self, at_ms: i64, read: AuditRead) -> AuditEntry {
        let (sequence, previous) = (self.entries + 1, self.head.clone());
        let mut entry = AuditEntry { chain: self.id, sequence, at_ms, read, previous, hash: String::new() };
        entry.hash = entry.digest();
        (self.entries, self.head) = (sequence, entry.hash.clone());
        entry
    }
}

/// What is wrong with the log, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chain {chain}, entry {sequence}: {what}")]
pub struct Fault {
    /// The chain.
    pub chain: Uuid,
    /// The entry.
    pub sequence: u64,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What may be wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Its hash is not that of what it holds.
    #[error("it was changed")]
    Changed,
    /// There is none of this number, but one with a higher one.
    #[error("it was removed")]
    Removed,
    /// There are two of this number.
    #[error("it is there twice")]
    Doubled,
    /// It is whole, but follows on another one than the one before it.
    #[error("it does not follow on the one before it, which was changed, exchanged or put in")]
    Unlinked,
    /// An anchor knows the chain to have come that far, and it ends before.
    #[error("it was removed, and all that came after it")]
    CutOff,
    /// An anchor knows the chain, and there is nothing of it.
    #[error("the whole chain was removed")]
    Gone,
    /// An anchor knows it with another hash.
    #[error("it was changed since it was anchored")]
    NotAsAnchored,
}

/// Holds entries, chain by chain and in the order of their numbers, against each other and against anchors.
#[derive(Debug, Default)]
pub struct Verification {
    anchors: BTreeMap<(Uuid, u64), String>,
    chain: Option<Chain>,
    /// Chains so far.
    pub chains: u64,
    /// Entries so far.
    pub entries: u64,
}

impl Verification {
    /// Nothing seen yet, with what is known from anchors; an anchor may be there more than once.
    ///
    /// # Errors
    /// When two anchors of one entry differ.
    pub fn new(anchors: impl IntoIterator<Item = AuditAnchor>) -> Result<Self, Fault> {
        let mut known = BTreeMap::new();
        for AuditAnchor { chain, sequence, hash, .. } in anchors {
            if known.insert((chain, sequence), hash.clone()).is_some_and(|other| other != hash) {
                return Err(Fault { chain, sequence, what: Wrong::NotAsAnchored });
            }
        }
        Ok(Self { anchors: known, ..Self::default() })
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// What is wrong with it, or between it and the one before.
    pub fn see(&mut self, entry: &AuditEntry) -> Result<(), Fault> {
        let mut chain = match self.chain.take() {
            Some(chain) if chain.id == entry.chain => chain,
            before => {
                self.end(before.as_ref())?;
                self.chains += 1;
                Chain::new(entry.chain)
            }
        };
        let fault = |sequence, what| Err(Fault { chain: entry.chain, sequence, what });
        let expected = chain.entries + 1;
        if entry.sequence < expected {
            return fault(entry.sequence, Wrong::Doubled);
        }
        if entry.sequence > expected {
            return fault(expected, Wrong::Removed);
        }
        if entry.digest() != entry.hash {
            return fault(expected, Wrong::Changed);
        }
        if entry.previous != chain.head {
            return fault(expected, Wrong::Unlinked);
        }
        if self.anchors.remove(&(entry.chain, expected)).is_some_and(|hash| hash != entry.hash) {
            return fault(expected, Wrong::NotAsAnchored);
        }
        (chain.entries, chain.head) = (expected, entry.hash.clone());
        self.chain = Some(chain);
        self.entries += 1;
        Ok(())
    }

    /// Takes the end of the log.
    ///
    /// # Errors
    /// When an anchor knows more than there is.
    pub fn finish(mut self) -> Result<Self, Fault> {
        let last = self.chain.take();
        self.end(last.as_ref())?;
        match self.anchors.first_key_value() {
            None => Ok(self),
            Some(((chain, _), _)) => Err(Fault { chain: *chain, sequence: 1, what: Wrong::Gone }),
        }
    }

    /// Nothing more of a chain comes: no anchor may know more of it.
    fn end(&self, chain: Option<&Chain>) -> Result<(), Fault> {
        let Some(Chain { id, entries, .. }) = chain else { return Ok(()) };
        match self.anchors.range((*id, 0)..=(*id, u64::MAX)).next() {
            None => Ok(()),
            Some(_) => Err(Fault { chain: *id, sequence: entries + 1, what: Wrong::CutOff }),
        }
    }
}

#[cfg(test)]
mod tests;
