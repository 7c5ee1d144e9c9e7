//! The identities of scans seen lately, so that a scan sent again is stored once.
//!
//! Pure, and a function of the log alone: whether a message is a repetition depends on the messages before it
//! in its partition, never on when or by whom it is read. That is what makes a replayed range the same range.

use std::collections::VecDeque;

use hashbrown::HashMap;
use uuid::Uuid;

/// Identities of the scans stored from one partition within the last `window` offsets.
#[derive(Debug)]
pub struct RecentIds {
    window: u64,
    first_seen: HashMap<Uuid, u64>,
    by_offset: VecDeque<(u64, Uuid)>,
}

impl RecentIds {
    /// An empty memory that reaches `window` offsets back.
    pub fn new(window: u64) -> Self {
        Self { window, first_seen: HashMap::new(), by_offset: VecDeque::new() }
    }

    /// Notes an identity, or tells at which offset it was noted before. Offsets must not go down.
    pub fn note(&mut self, id: Uuid, offset: u64) -> Option<u64> {
        while let Some((seen_at, old)) = self.by_offset.front().copied() {
            if seen_at + self.window >= offset {
                break;
            }
            self.by_offset.pop_front();
            self.forget(old, seen_at);
        }
        if let Some(earlier) = self.first_seen.get(&id) {
            return Some(*earlier);
        }
        self.first_seen.insert(id, offset);
        self.by_offset.push_back((offset, id));
        None
    }

    /// Forgets the scan at this offset, which was not stored after all.
    pub fn forget(&mut self, id: Uuid, offset: u64) {
        // The same identity may have been noted again since, at a later offset.
        if self.first_seen.get(&id) == Some(&offset) {
            self.first_seen.remove(&id);
        }
    }

    /// How many identities are held.
    pub fn len(&self) -> usize {
        self.first_seen.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.first_seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Oracle: an identity is new unless it was stored at one of the last `window` offsets; one that was refused
        /// was not. Restarting at any point from what was stored must go on as if nothing had happened.
        #[test]
        fn a_repetition_is_known_within_the_window_also_after_a_restart(
            ids in proptest::collection::vec(0u128..12, 1..60), window in 1u64..20, restart in 0usize..60,
            refused in proptest::collection::hash_set(0u64..60, 0..20),
        ) {
            let mut recent = RecentIds::new(window);
            let mut stored: Vec<(u64, u128)> = Vec::new();
            for (offset, id) in ids.iter().enumerate() {
                let offset = offset as u64;
                if offset as usize == restart {
                    recent = RecentIds::new(window);
                    for (at, id) in stored.iter().filter(|(at, _)| at + window >= offset) {
                        prop_assert_eq!(recent.note(Uuid::from_u128(*id), *at), None);
                    }
                }
                let earlier = stored.iter().find(|(at, known)| known == id && at + window >= offset).map(|(at, _)| *at);
                prop_assert_eq!(recent.note(Uuid::from_u128(*id), offset), earlier);
                if earlier.is_none() && refused.contains(&offset) {
                    recent.forget(Uuid::from_u128(*id), offset);
                } else if earlier.is_none() {
                    stored.push((offset, *id));
                }
                prop_assert!(recent.len() as u64 <= window + 1);
            }
        }
    }
}
