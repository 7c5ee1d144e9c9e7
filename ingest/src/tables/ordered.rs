//! Rows in the order of their keys' hashes: the densest table that can still be looked up at once. Pure.
//!
//! A row's hash, scaled to the number of homes, is the place where it would like to be; rows stand there or a little to
//! the right, sorted, with gaps between (linear probing in the order of hashes). So a look-up reads one or two cache
//! lines whether it finds something or not, the number of homes need not be a power of two, and growth is one pass from
//! left to right. `hashbrown` doubles, and with all shards of a table doubling together a row of 24 bytes then costs 57.

use super::slots::{CHUNK, Slots};

/// What stands in a table: knows its own place in the order.
pub trait Row {
    /// The hash of its key; no two keys of one table share it.
    fn order(&self) -> u64;
}

/// Free slots behind the last home or the last row, for rows that are pushed past the end.
const SLACK: usize = 16;

/// Rows by hash. At least two thirds of its homes are in use, and at most seven eighths, but for part of a chunk.
#[derive(Debug)]
pub struct Ordered<R> {
    slots: Slots<R>,
    homes: usize,
    len: usize,
}

impl<R> Default for Ordered<R> {
    fn default() -> Self {
        Self { slots: Slots::default(), homes: 0, len: 0 }
    }
}

impl<R: Row> Ordered<R> {
    /// A table of so many rows that come in their order.
    ///
    /// # Errors
    /// The error of a row, or `None` when they do not come in their order or are not as many.
    pub fn try_from_sorted<E>(len: usize, rows: impl Iterator<Item = Result<R, E>>) -> Result<Self, Option<E>> {
        let (mut last, mut failed) = (None, None);
        let sorted = rows.map_while(|row| match row {
            Ok(row) if last.is_none_or(|last| last < row.order()) => {
                last = Some(row.order());
                Some(row)
            }
            Ok(_) => None,
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let table = Self::place(len, sorted);
        if table.len == len { Ok(table) } else { Err(failed) }
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The row with this hash.
    pub fn get(&self, order: u64) -> Option<&R> {
        self.find(order).ok().and_then(|at| self.slots[at].as_ref())
    }

    /// Puts a row in, or in the place of the one with its hash.
    pub fn insert(&mut self, row: R) {
        let order = row.order();
        let mut place = self.find(order);
        if place.is_err() && (self.len + 1) * 8 > self.homes * 7 {
            self.rebuild();
            place = self.find(order);
        }
        match place {
            Ok(at) => self.slots[at] = Some(row),
            Err(at) => {
                // It takes the place of the next one, which takes that of the next, up to the first free slot.
                let (mut pushed, mut at) = (Some(row), at);
                while pushed.is_some() {
                    self.slots.grow_to(at + 1);
                    std::mem::swap(&mut pushed, &mut self.slots[at]);
                    at += 1;
                }
                self.len += 1;
            }
        }
    }

    /// Takes the row with this hash out.
    pub fn remove(&mut self, order: u64) {
        let Ok(mut at) = self.find(order) else { return };
        self.slots[at] = None;
        // The rows right of it that are not at home move one to the left.
        while at + 1 < self.slots.len() && self.slots[at + 1].as_ref().is_some_and(|row| self.home(row.order()) <= at) {
            self.slots[at] = self.slots[at + 1].take();
            at += 1;
        }
        self.len -= 1;
        if self.len * 3 < self.homes * 2 && homes_for(self.len) < self.homes {
            self.rebuild();
        }
    }

    /// All rows, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.rows()
    }

    /// Where the row with this hash is, or where it belongs.
    fn find(&self, order: u64) -> Result<usize, usize> {
        let mut at = self.home(order);
        while at < self.slots.len()
            && let Some(row) = &self.slots[at]
        {
            let found = row.order();
            if found >= order {
                return if found == order { Ok(at) } else { Err(at) };
            }
            at += 1;
        }
        Err(at)
    }

    const fn home(&self, order: u64) -> usize {
        ((order as u128).wrapping_mul(self.homes as u128) >> 64) as usize
    }

    /// Places all rows anew, with room for a seventh more.
    fn rebuild(&mut self) {
        *self = Self::place(self.len, std::mem::take(&mut self.slots).into_rows());
    }

    /// Places rows that come in their order, with homes for so many.
    fn place(len: usize, rows: impl Iterator<Item = R>) -> Self {
        let mut table = Self { slots: Slots::default(), homes: homes_for(len), len: 0 };
        let mut next = 0;
        for row in rows {
            let at = table.home(row.order()).max(next);
            next = at + 1;
            table.slots.grow_to(next);
            table.slots[at] = Some(row);
            table.len += 1;
        }
        table.slots.grow_to(table.homes.max(next) + SLACK);
        table
    }
}

/// How many homes so many rows get: all that fit into the chunks that they need.
const fn homes_for(len: usize) -> usize {
    let fewest = len * 9 / 7 + 1;
    (fewest + SLACK).next_multiple_of(CHUNK) - SLACK
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Pair(u64, u32);

    impl Row for Pair {
        fn order(&self) -> u64 {
            self.0
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Insert(u64, u32),
        Remove(u64),
    }

    /// Hashes that collide in their homes, that crowd at the end of the table, and that spread.
    fn order() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..40u64,
            (u64::MAX - 40)..=u64::MAX,
            (0..400u64).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![3 => (order(), any::<u32>()).prop_map(|(o, v)| Step::Insert(o, v)), 2 => order().prop_map(Step::Remove)]
    }

    fn check(table: &Ordered<Pair>, model: &BTreeMap<u64, u32>) -> Result<(), TestCaseError> {
        let rows: Vec<_> = table.iter().map(|pair| (pair.0, pair.1)).collect();
        prop_assert_eq!(rows, model.iter().map(|(o, v)| (*o, *v)).collect::<Vec<_>>());
        prop_assert_eq!(table.len(), model.len());
        for at in model.keys().flat_map(|o| [*o, o.wrapping_add(1), o.wrapping_sub(1)]) {
            prop_assert_eq!(table.get(at).map(|pair| pair.1), model.get(&at).copied(), "{}", at);
        }
        let is_right_of_home = |at: usize| table.slots[at].is_none_or(|row| table.home(row.0) <= at);
        prop_assert!((0..table.slots.len()).all(is_right_of_home));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_holds_what_a_map_of_the_standard_library_holds(steps in prop::collection::vec(step(), 0..600)) {
            let (mut table, mut model) = (Ordered::default(), BTreeMap::new());
            for step in &steps {
                match *step {
                    Step::Insert(order, value) => {
                        table.insert(Pair(order, value));
                        model.insert(order, value);
                    }
                    Step::Remove(order) => {
                        table.remove(order);
                        model.remove(&order);
                    }
                }
            }
            check(&table, &model)?;
            let rows: Vec<_> = table.iter().copied().collect();
            let again = Ordered::try_from_sorted(rows.len(), rows.iter().copied().map(Ok::<_, ()>));
            check(&again.expect("sorted"), &model)?;
            for order in model.clone().into_keys() {
                table.remove(order);
                model.remove(&order);
                prop_assert!(is_two_thirds_full(&table));
            }
            check(&table, &model)?;
        }
    }

    /// But for part of a chunk.
    fn is_two_thirds_full(table: &Ordered<Pair>) -> bool {
        table.len() * 3 + CHUNK * 2 >= table.homes * 2
    }

    #[test]
    fn it_is_never_less_than_two_thirds_full_whatever_its_size() {
        let mut table = Ordered::default();
        let order = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for n in 0..30_000 {
            table.insert(Pair(order(n), 0));
            assert!(is_two_thirds_full(&table), "{n}");
        }
        assert!(table.slots.len() <= table.homes + SLACK + CHUNK, "{} for {}", table.slots.len(), table.homes);
        for n in 0..29_000 {
            table.remove(order(n));
        }
        assert_eq!(table.len(), 1_000);
        assert!(table.slots.len() < 1_600, "it shrinks: {}", table.slots.len());
    }

    #[test]
    fn rows_that_are_not_as_they_should_be_are_refused() {
        let from = |orders: &[u64], len| {
            let rows = orders.iter().map(|order| if *order > 9 { Err(*order) } else { Ok(Pair(*order, 0)) });
            Ordered::try_from_sorted(len, rows).map(|table| table.len())
        };
        assert_eq!(from(&[1, 2], 2), Ok(2));
        assert_eq!(
            [from(&[2, 1], 2), from(&[1, 1], 2), from(&[1, 2], 3), from(&[1, 2, 10], 3)],
            [Err(None), Err(None), Err(None), Err(Some(10))]
        );
    }
}
