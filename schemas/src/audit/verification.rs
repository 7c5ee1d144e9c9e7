//! Holds a log against itself, against the key and against its anchors, and finds everything that is wrong with it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{AuditEntry, genesis};
use crate::{KeyRing, events::AuditAnchor};

/// Entries that are older, in milliseconds, are anchored: the processor looks every few seconds.
pub const UNANCHORED_AFTER_MS: i64 = 60_000;

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
    /// Its hash is not that of what it holds, by the key that it names.
    #[error("it was changed, or put in by somebody who does not have the key")]
    Changed,
    /// The ring does not have the key that it names.
    #[error("its hash is by a key that is not among those given")]
    UnknownKey,
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
    /// It is older than [`UNANCHORED_AFTER_MS`], and no anchor is of it or of one after it.
    #[error("unanchored: no anchor covers it or what comes after it, though it is older than a minute")]
    Unanchored,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Chains that there are.
    pub chains: u64,
    /// Entries that there are.
    pub entries: u64,
    /// What is wrong: of each chain the first fault, since what follows on it says nothing any more.
    pub faults: Vec<Fault>,
}

/// Holds entries, chain by chain and in the order of their numbers, against each other, the key and anchors.
#[derive(Debug)]
pub struct Verification<'k> {
    keys: &'k KeyRing,
    /// What is younger need not be anchored.
    anchored_until_ms: i64,
    /// What no entry was seen of yet.
    anchors: BTreeMap<(Uuid, u64), String>,
    chain: Option<Progress>,
    finding: Finding,
}

/// How far the chain is that is being seen.
#[derive(Debug)]
struct Progress {
    id: Uuid,
    entries: u64,
    head: String,
    /// Number of the last entry that an anchor knows.
    anchored: u64,
    faulty: bool,
}

impl<'k> Verification<'k> {
    /// Nothing seen yet, with what is known from anchors, read no earlier than `now_ms`; one may be there more than once.
    pub fn new(keys: &'k KeyRing, anchors: impl IntoIterator<Item = AuditAnchor>, now_ms: i64) -> Self {
        let mut known = BTreeMap::new();
        let mut faults = Vec::new();
        for AuditAnchor { chain, sequence, hash, .. } in anchors {
            let before = known.entry((chain, sequence)).or_insert_with(|| hash.clone());
            if *before != hash {
                faults.push(Fault { chain, sequence, what: Wrong::NotAsAnchored });
            }
        }
        let anchored_until_ms = now_ms.saturating_sub(UNANCHORED_AFTER_MS);
        let finding = Finding { chains: 0, entries: 0, faults };
        Self { keys, anchored_until_ms, anchors: known, chain: None, finding }
    }

    /// Takes the next entry. What comes of a chain after its first fault is counted only.
    pub fn see(&mut self, entry: &AuditEntry) {
        let mut chain = match self.chain.take() {
            Some(chain) if chain.id == entry.chain => chain,
            before => {
                self.end(before);
                self.begin(entry.chain)
            }
        };
        self.finding.entries += 1;
        if !chain.faulty {
            let found = self.wrong(&chain, entry);
            if let Some((sequence, what)) = found {
                self.finding.faults.push(Fault { chain: entry.chain, sequence, what });
            }
            chain.faulty = found.is_some();
            (chain.entries, chain.head) = (entry.sequence, entry.hash.clone());
        }
        self.chain = Some(chain);
    }

    /// Takes the end of the log.
    pub fn finish(mut self) -> Finding {
        let last = self.chain.take();
        self.end(last);
        let mut gone: Vec<Uuid> = self.anchors.keys().map(|(chain, _)| *chain).collect();
        gone.dedup();
        let fault = |chain| Fault { chain, sequence: 1, what: Wrong::Gone };
        self.finding.faults.extend(gone.into_iter().map(fault));
        self.finding
    }

    fn begin(&mut self, id: Uuid) -> Progress {
        self.finding.chains += 1;
        let anchored = self.anchors.range((id, 0)..=(id, u64::MAX)).next_back().map_or(0, |((_, last), _)| *last);
        Progress { id, entries: 0, head: genesis(id), anchored, faulty: false }
    }

    /// What is wrong with an entry, or between it and the one before, and with which number.
    fn wrong(&mut self, chain: &Progress, entry: &AuditEntry) -> Option<(u64, Wrong)> {
        let expected = chain.entries + 1;
        if entry.sequence < expected {
            return Some((entry.sequence, Wrong::Doubled));
        }
        if entry.sequence > expected {
            return Some((expected, Wrong::Removed));
        }
        let anchor = self.anchors.remove(&(chain.id, expected));
        let what = match entry.digest(self.keys) {
            None => Wrong::UnknownKey,
            Some(hash) if hash != entry.hash => Wrong::Changed,
            _ if entry.previous != chain.head => Wrong::Unlinked,
            _ if anchor.is_some_and(|hash| hash != entry.hash) => Wrong::NotAsAnchored,
            _ if expected > chain.anchored && entry.at_ms < self.anchored_until_ms => Wrong::Unanchored,
            _ => return None,
        };
        Some((expected, what))
    }

    /// Nothing more of a chain comes: no anchor may know more of it.
    fn end(&mut self, chain: Option<Progress>) {
        let Some(Progress { id, entries, faulty, .. }) = chain else { return };
        let left: Vec<_> = self.anchors.range((id, 0)..=(id, u64::MAX)).map(|(anchor, _)| *anchor).collect();
        left.iter().for_each(|anchor| drop(self.anchors.remove(anchor)));
        if !left.is_empty() && !faulty {
            self.finding.faults.push(Fault { chain: id, sequence: entries + 1, what: Wrong::CutOff });
        }
    }
}
