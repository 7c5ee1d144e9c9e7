//! A hash map in shards, so that one that grows holds up one reader in 256 for a moment, not all of them.

use hashbrown::HashMap;
use parking_lot::RwLock;

const SHARDS: usize = 256;

/// A map from numbers to rows, for many readers and one writer.
#[derive(Debug)]
pub struct Sharded<V> {
    shards: Box<[RwLock<HashMap<u64, V>>]>,
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl<V> Sharded<V> {
    /// Looks at a row while it is locked for writers.
    pub fn with<R>(&self, key: u64, look: impl FnOnce(Option<&V>) -> R) -> R {
        look(self.shard(key).read().get(&key))
    }

    /// Puts a row in, unless it does not replace the one that is there.
    pub fn insert_if(&self, key: u64, row: V, replaces: impl FnOnce(&V, &V) -> bool) {
        let mut shard = self.shard(key).write();
        if shard.get(&key).is_none_or(|held| replaces(&row, held)) {
            shard.insert(key, row);
        }
    }

    /// Takes a row out.
    pub fn remove(&self, key: u64) {
        self.shard(key).write().remove(&key);
    }

    /// Replaces a row by what `change` makes of it; `None` takes it out.
    pub fn change(&self, key: u64, change: impl FnOnce(V) -> Option<V>)
    where
        V: Copy + Default,
    {
        let mut shard = self.shard(key).write();
        let row = shard.get(&key).copied().unwrap_or_default();
        match change(row) {
            Some(row) => drop(shard.insert(key, row)),
            None => drop(shard.remove(&key)),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn shard(&self, key: u64) -> &RwLock<HashMap<u64, V>> {
        // Person keys are random in all but the first bits, venue numbers count up: the last bits spread both.
        &self.shards[(key % SHARDS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_changed_and_taken_out_by_key() {
        let map = Sharded::<u32>::default();
        for key in 0..1000 {
            map.insert_if(key, 1, |_, _| false);
        }
        map.insert_if(5, 9, |row, held| row > held);
        map.insert_if(6, 0, |row, held| row > held);
        map.change(7, |row| Some(row + 1));
        map.change(5000, |row| Some(row + 9));
        map.change(8, |_| None);
        map.remove(9);
        assert_eq!(map.len(), 999);
        assert_eq!([5, 6, 7].map(|key| map.with(key, |row| row.copied())), [Some(9), Some(1), Some(2)]);
        assert_eq!([8, 9, 5000].map(|key| map.with(key, |row| row.copied())), [None, None, Some(9)]);
    }
}
