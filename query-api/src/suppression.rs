//! What a screen that anybody may look at is shown of counts: no small group, and none that follows from the others.
//!
//! Two rules, both pure. A count below the smallest group is hidden, as in the statistics of health (the threshold of ten
//! of the British Office for National Statistics; eleven of the American CMS); a nought is hidden as well, so that hidden
//! does not mean "somebody was there". What is shown is rounded down to a whole multiple of the smallest group, so that
//! two counts that overlap (an hour and its minutes, a city and its districts, now and a second ago) do not give the rest
//! by subtraction. Of a total and its parts further parts are hidden until the rest may be any small group or nobody.
//!
//! What it does not do: a count of scans says nothing of how many people made them. Whoever holds a total from one answer
//! against its parts from another (an hour and its minutes) learns of a part that is hidden at most that it is as large as
//! the parts beside it that are shown are many: with one of them, that somebody was there. Who knows that a person was in
//! a group of ten learns that the group was there.

/// Hides what is smaller than a group of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suppression {
    smallest: u64,
}

impl Suppression {
    /// Shows everything as it is.
    pub const NONE: Self = Self { smallest: 1 };

    /// Hides what is smaller than this; 1 and 0 hide nothing.
    pub const fn below(smallest: u32) -> Self {
        Self { smallest: if smallest == 0 { 1 } else { smallest as u64 } }
    }

    /// Whether everything is shown as it is.
    pub const fn is_none(self) -> bool {
        self.smallest == 1
    }

    /// The smallest count that is shown, if any is hidden.
    pub const fn smallest(self) -> Option<u64> {
        if self.is_none() { None } else { Some(self.smallest) }
    }

    /// A count as it is shown; `None` when it is hidden.
    pub const fn of(self, count: u64) -> Option<u64> {
        if self.is_none() {
            return Some(count);
        }
        if count < self.smallest { None } else { Some(count - count % self.smallest) }
    }

    /// The parts of a total, which is shown by [`Suppression::of`] beside them.
    ///
    /// Whoever subtracts what is shown from the total finds that the hidden parts may together be nobody, and may be one
    /// less than the smallest group. Only where no part is shown they are together as many as the total.
    pub fn parts<const N: usize>(self, parts: [u64; N]) -> [Option<u64>; N] {
        let mut shown = parts.map(|part| self.of(part));
        if self.is_none() {
            return shown;
        }
        let total: u64 = parts.iter().sum();
        let total = total - total % self.smallest;
        while shown.contains(&None) {
            // What is shown of a part is up to one less than the smallest group short of it.
            let at_most: u64 = shown.iter().flatten().map(|part| part + self.smallest - 1).sum();
            if total <= at_most {
                break;
            }
            let smallest_shown = shown.iter_mut().filter(|part| part.is_some()).min();
            match smallest_shown {
                Some(part) => *part = None,
                None => break,
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Suppression = Suppression::below(10);

    #[test]
    fn small_groups_are_hidden_and_others_rounded_down() {
        assert_eq!(
            [0, 1, 9, 10, 11, 19, 20].map(|count| TEN.of(count)),
            [None, None, None, Some(10), Some(10), Some(10), Some(20)]
        );
        assert_eq!([0, 1, 9].map(|count| Suppression::NONE.of(count)), [Some(0), Some(1), Some(9)]);
        assert_eq!(Suppression::NONE.parts([0, 1, 9]), [Some(0), Some(1), Some(9)]);
        assert_eq!((TEN.smallest(), Suppression::below(0).smallest()), (Some(10), None));
    }

    #[test]
    fn a_part_that_follows_from_the_others_takes_another_one_with_it() {
        // 32 and 1 are shown as 30 of a total of 30: the hidden one may be nobody.
        assert_eq!(TEN.parts([32, 1]), [Some(30), None]);
        // 30 and 10 would leave at least one for the hidden part of 50.
        assert_eq!(TEN.parts([30, 11, 9]), [Some(30), Some(10), None]);
        assert_eq!(TEN.parts([30, 10, 9, 9]), [Some(30), Some(10), None, None]);
        assert_eq!(TEN.parts([20, 9, 9, 9, 9, 9, 9]), [None; 7]);
        assert_eq!(TEN.parts([20, 30]), [Some(20), Some(30)], "with nothing hidden there is nothing to find out");
    }

    proptest! {
        #[test]
        fn what_is_hidden_may_be_nobody_or_any_small_group(
            parts in prop::array::uniform5(prop_oneof![0u64..12, 0u64..60, 0u64..100_000]), smallest in 2u32..30,
        ) {
            let suppression = Suppression::below(smallest);
            let k = u64::from(smallest);
            let shown = suppression.parts(parts);
            let total = suppression.of(parts.iter().sum()).unwrap_or(0);
            for (part, shown) in parts.iter().zip(&shown) {
                if let Some(shown) = shown {
                    prop_assert!(*part >= k && shown % k == 0 && (*shown..shown + k).contains(part));
                }
            }
            let is_any_shown = shown.iter().any(Option::is_some);
            if !is_any_shown {
                prop_assert!(total == 0 || parts.iter().filter(|part| **part > 0).count() > 1, "no part is the total");
            } else if shown.contains(&None) {
                // Everything that the total and the shown parts may be, by their rounding.
                let least: u64 = shown.iter().flatten().sum();
                let most: u64 = shown.iter().flatten().map(|part| part + k - 1).sum();
                prop_assert!(total <= most, "the rest may be nobody");
                prop_assert!(total >= least, "the rest may be the largest small group");
            } else {
                prop_assert!(parts.iter().all(|part| *part >= k));
            }
        }

        #[test]
        fn a_total_of_another_answer_tells_little_of_a_hidden_part(
            parts in prop::collection::vec(prop_oneof![0u64..12, 0u64..60, 0u64..100_000], 1..8),
            hidden in 0u64..2, smallest in 2u32..30,
        ) {
            let suppression = Suppression::below(smallest);
            let k = u64::from(smallest);
            // The largest or the smallest of what is hidden, beside parts that are all shown if they can be.
            let hidden = hidden * (k - 1);
            let shown: Vec<u64> = parts.iter().filter_map(|part| suppression.of(*part)).collect();
            let total: u64 = hidden + parts.iter().filter(|part| **part >= k).sum::<u64>();
            let total = suppression.of(total).unwrap_or(0);
            let least = total.saturating_sub(shown.iter().map(|part| part + k - 1).sum());
            let most = total + k - 1 - shown.iter().sum::<u64>();
            prop_assert!(shown.iter().chain([&total]).all(|part| part.is_multiple_of(k)));
            prop_assert!((least..=most).contains(&hidden), "the truth is among what it may be");
            prop_assert!(least <= shown.len() as u64 && most >= k - 1, "{least} to {most} beside {shown:?}");
        }
    }
}
