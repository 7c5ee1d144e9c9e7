//! Rows in the order of their keys' hashes: the densest table that can still be looked up at once. Pure.
//!
//! A row's hash, scaled to the number of homes, is the place where it would like to be; rows stand there or a little to
//! the right, sorted, with gaps between (linear probing in the order of hashes). So a look-up reads one or two cache
//! lines whether it finds something or not, the number of homes need not be a power of two, and growth is one pass from
//! left to right. `hashbrown` doubles, and with all shards of a table doubling together a row of 24 bytes then costs 57.

/// What stands in a table: knows its own place in the order.
pub trait Row {
    /// The hash of its key; no two keys of one table share it.
    fn order(&self) -> u64;
}

/// Fewest homes.
const FEWEST_HOMES: usize = 8;
/// Free slots behind the last home or the last row, for rows that are pushed past the end.
const SLACK: usize = 16;

/// Rows by hash. At least two thirds of its homes are in use, and at most seven eighths, once it has more than a few.
#[derive(Debug)]
pub struct Ordered<R> {
    slots: Vec<Option<R>>,
    homes: usize,
    len: usize,
}

impl<R> Default for Ordered<R> {
    fn default() -> Self {
        Self { slots: Vec::new(), homes: 0, len: 0 }
    }
}

impl<R: Row> Ordered<R> {
    /// A table of rows that come in their order; `None` when they do not.
    pub fn try_from_sorted(rows: impl ExactSizeIterator<Item = R>) -> Option<Self> {
        let (mut last, mut sorted) = (None, true);
        let table = Self::place(rows.inspect(|row| {
            sorted &= last.is_none_or(|last| last < row.order());
            last = Some(row.order());
        }));
        sorted.then_some(table)
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The row with this hash.
    pub fn get(&self, order: u64) -> Option<&R> {
        let at = self.find(order).ok()?;
        self.slots.get(at)?.as_ref()
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
                let free = self.slots[at..].iter().position(Option::is_none);
                let Some(free) = free else {
                    self.rebuild();
                    return self.insert(row);
                };
                self.slots[at + free] = Some(row);
                self.slots[at..=at + free].rotate_right(1);
                self.len += 1;
            }
        }
    }

    /// Takes the row with this hash out.
    pub fn remove(&mut self, order: u64) {
        let Ok(at) = self.find(order) else { return };
        // The rows right of it that are not at home move one to the left.
        let follow = self.slots[at + 1..].iter().zip(at + 1..);
        let pushed =
            follow.take_while(|(slot, at)| slot.as_ref().is_some_and(|row| self.home(row.order()) < *at)).count();
        self.slots[at..=at + pushed].rotate_left(1);
        self.slots[at + pushed] = None;
        self.len -= 1;
        if self.homes > FEWEST_HOMES && self.len * 3 < self.homes * 2 {
            self.rebuild();
        }
    }

    /// All rows, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.slots.iter().flatten()
    }

    /// Where the row with this hash is, or where it belongs.
    fn find(&self, order: u64) -> Result<usize, usize> {
        let home = self.home(order);
        let run = self.slots.get(home..).unwrap_or_default();
        // The slots are fewer than memory has bytes: what is passed does not overflow, and need not be checked.
        let mut passed = home;
        for slot in run {
            let Some(row) = slot else { break };
            let found = row.order();
            if found >= order {
                return if found == order { Ok(passed) } else { Err(passed) };
            }
            passed = passed.wrapping_add(1);
        }
        Err(passed)
    }

    const fn home(&self, order: u64) -> usize {
        ((order as u128).wrapping_mul(self.homes as u128) >> 64) as usize
    }

    /// Places all rows anew, with room for a seventh more.
    fn rebuild(&mut self) {
        let len = self.len;
        let rows = std::mem::take(&mut self.slots).into_iter().flatten();
        *self = Self::place(Counted { rows, len });
    }

    fn place(rows: impl ExactSizeIterator<Item = R>) -> Self {
        let len = rows.len();
        let homes = (len * 9 / 7 + 1).max(FEWEST_HOMES);
        let mut table = Self { slots: Vec::with_capacity(homes + SLACK), homes, len };
        for row in rows {
            let home = table.home(row.order());
            while table.slots.len() < home {
                table.slots.push(None);
            }
            table.slots.push(Some(row));
        }
        let end = table.slots.len().max(homes) + SLACK;
        table.slots.resize_with(end, || None);
        table
    }
}

/// An iterator whose length is known otherwise.
struct Counted<I> {
    rows: I,
    len: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.rows.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

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
        prop_assert!(table.slots.iter().enumerate().all(|(at, s)| s.is_none_or(|row| table.home(row.0) <= at)));
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
            check(&Ordered::try_from_sorted(rows.iter().copied()).expect("sorted"), &model)?;
            for order in model.clone().into_keys() {
                table.remove(order);
                model.remove(&order);
                prop_assert!(table.homes <= FEWEST_HOMES || table.len() * 3 >= table.homes * 2 );
            }
            check(&table, &model)?;
        }
    }

    #[test]
    fn it_is_never_less_than_two_thirds_full_whatever_its_size() {
        let mut table = Ordered::default();
        let order = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for n in 0..30_000 {
            table.insert(Pair(order(n), 0));
            assert!(table.homes <= FEWEST_HOMES || table.len() * 9 >= table.homes * 6, "{n}");
        }
        assert!(table.slots.capacity() <= table.homes + 40 * SLACK, "{} for {}", table.slots.capacity(), table.homes);
        for n in 0..29_000 {
            table.remove(order(n));
        }
        assert_eq!(table.len(), 1_000);
        assert!(table.slots.capacity() < 1_600, "it shrinks: {}", table.slots.capacity());
    }

    #[test]
    fn rows_that_are_not_sorted_are_refused() {
        assert!(Ordered::try_from_sorted([Pair(1, 0), Pair(2, 0)].into_iter()).is_some());
        assert!(Ordered::try_from_sorted([Pair(2, 0), Pair(1, 0)].into_iter()).is_none());
        assert!(Ordered::try_from_sorted([Pair(1, 0), Pair(1, 0)].into_iter()).is_none());
    }
}
