//! A table in shards, so that one that grows holds up one reader in 256 for a moment, not all of them.

use parking_lot::{RwLock, RwLockReadGuard};

use super::ordered::{Ordered, Row};

/// How many shards a table has.
pub const SHARDS: usize = 256;
/// Bits of a hash that name the shard.
const SHARD_BITS: u32 = SHARDS.trailing_zeros();

/// Rows by key, for many readers and one writer.
#[derive(Debug)]
pub struct Sharded<R> {
    shards: Box<[RwLock<Ordered<R>>]>,
}

impl<R> Default for Sharded<R> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

/// The hash of a key: the finaliser of SplitMix64, which gives each key a hash of its own.
const fn hash(key: u64) -> u64 {
    let mixed = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Where a key stands within its shard. Its last 8 bits are zero: the shard stands for them.
pub const fn order_of(key: u64) -> u64 {
    hash(key) << SHARD_BITS
}

const fn shard_of(key: u64) -> usize {
    (hash(key) >> (u64::BITS - SHARD_BITS)) as usize
}

impl<R: Row> Sharded<R> {
    /// Looks at a row while it is locked for writers.
    pub fn with<T>(&self, key: u64, look: impl FnOnce(Option<&R>) -> T) -> T {
        look(self.shards[shard_of(key)].read().get(order_of(key)))
    }

    /// Puts the row of a key in, unless it does not replace the one that is there.
    pub fn insert_if(&self, key: u64, row: R, replaces: impl FnOnce(&R, &R) -> bool) {
        let mut shard = self.shards[shard_of(key)].write();
        if shard.get(order_of(key)).is_none_or(|held| replaces(&row, held)) {
            shard.insert(row);
        }
    }

    /// Takes a row out.
    pub fn remove(&self, key: u64) {
        self.shards[shard_of(key)].write().remove(order_of(key));
    }

    /// Replaces a row by what `change` makes of it; `None` takes it out.
    pub fn change(&self, key: u64, change: impl FnOnce(Option<&R>) -> Option<R>) {
        let mut shard = self.shards[shard_of(key)].write();
        let order = order_of(key);
        match change(shard.get(order)) {
            Some(row) => shard.insert(row),
            None => shard.remove(order),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// The shards one after the other, each locked for writers while it is looked at.
    pub fn shards(&self) -> impl Iterator<Item = RwLockReadGuard<'_, Ordered<R>>> {
        self.shards.iter().map(RwLock::read)
    }

    /// Replaces the shard with a number below [`SHARDS`].
    pub fn replace(&self, number: usize, shard: Ordered<R>) {
        *self.shards[number].write() = shard;
    }

    /// Takes all rows out.
    pub fn clear(&self) {
        (0..SHARDS).for_each(|number| self.replace(number, Ordered::default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair(u64, u32);

    impl Row for Pair {
        fn order(&self) -> u64 {
            order_of(self.0)
        }
    }

    #[test]
    fn rows_are_changed_and_taken_out_by_key() {
        let map = Sharded::<Pair>::default();
        for key in 0..1000 {
            map.insert_if(key, Pair(key, 1), |_, _| false);
        }
        for (key, value) in [(5, 9), (6, 0)] {
            map.insert_if(key, Pair(key, value), |row, held| row.1 > held.1);
        }
        let add = |key, more| map.change(key, |row| Some(Pair(key, row.map_or(0, |row| row.1) + more)));
        add(7, 1);
        add(5000, 9);
        map.change(8, |_| None);
        map.remove(9);
        assert_eq!(map.len(), 999);
        let value = |key| map.with(key, |row| row.map(|row| row.1));
        assert_eq!([5, 6, 7].map(value), [Some(9), Some(1), Some(2)]);
        assert_eq!([8, 9, 5000].map(value), [None, None, Some(9)]);
        assert!(map.shards().filter(|shard| shard.len() > 0).count() > 200, "numbers that count up are spread");
        map.clear();
        assert_eq!(map.len(), 0);
    }
}
