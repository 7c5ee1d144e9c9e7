//! Finds records that were written between reading an old one and writing it anew: of those the newest is what should
//! hold, and ours lies behind it. Pure.

use std::collections::{BTreeMap, HashMap};

/// Where a record was written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// The offset of the one that it was made of.
    pub instead_of: i64,
    /// Its own.
    pub at: i64,
}

/// Looks for records that lie before one of ours and are newer than what ours was made of.
#[derive(Debug)]
pub struct Overtaken {
    ours: HashMap<Vec<u8>, Rewritten>,
    found: BTreeMap<Vec<u8>, (Option<Vec<u8>>, i64)>,
}

impl Overtaken {
    /// Looks for what these have overtaken.
    #[must_use]
    pub const fn new(ours: HashMap<Vec<u8>, Rewritten>) -> Self {
        Self { ours, found: BTreeMap::new() }
    }

    /// Sees the next record of the partition.
    pub fn see(&mut self, key: &[u8], value: Option<&[u8]>, at: i64) {
        let Some(ours) = self.ours.get(key) else { return };
        if at > ours.at {
            // Somebody has written since: that holds, whatever lies before.
            self.found.remove(key);
        } else if at > ours.instead_of && at < ours.at {
            self.found.insert(key.to_vec(), (value.map(<[u8]>::to_vec), at));
        }
    }

    /// What is to be written once more, as it is: key, value and its offset.
    #[must_use]
    pub fn records(self) -> Vec<(Vec<u8>, Option<Vec<u8>>, i64)> {
        self.found.into_iter().map(|(key, (value, at))| (key, value, at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overtaken(log: &[(&str, Option<&str>)], ours: &[(&str, i64, i64)]) -> Vec<(String, Option<String>, i64)> {
        let ours = ours
            .iter()
            .map(|(key, instead_of, at)| (key.as_bytes().to_vec(), Rewritten { instead_of: *instead_of, at: *at }));
        let mut overtaken = Overtaken::new(ours.collect());
        for (at, (key, value)) in log.iter().enumerate() {
            overtaken.see(key.as_bytes(), value.map(str::as_bytes), at as i64);
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
        overtaken.records().into_iter().map(|(key, value, at)| (text(key), value.map(text), at)).collect()
    }

    #[test]
    fn what_was_written_meanwhile_is_found() {
        let a = |value| ("a", Some(value));
        assert_eq!(overtaken(&[a("old"), ("b", Some("x")), a("ours")], &[("a", 0, 2)]), []);
        let new = vec![("a".to_owned(), Some("new".to_owned()), 1)];
        assert_eq!(overtaken(&[a("old"), a("new"), a("ours")], &[("a", 0, 2)]), new);
        assert_eq!(overtaken(&[a("old"), a("new"), a("ours"), a("newest")], &[("a", 0, 2)]), []);
        let erased = vec![("a".to_owned(), None, 1)];
        assert_eq!(overtaken(&[a("old"), ("a", None), a("ours")], &[("a", 0, 2)]), erased, "an erased person stays so");
        let newest = vec![("a".to_owned(), Some("newest".to_owned()), 2)];
        assert_eq!(overtaken(&[a("old"), a("new"), a("newest"), a("ours")], &[("a", 0, 3)]), newest);
    }
}
