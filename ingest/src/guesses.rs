//! Stops guessing at somebody's last four characters (S4, question 05): after so many wrong ones in a row the person is
//! locked for a while, also for the right ones.
//!
//! Counted by person, in this gateway's memory, for as long as a lock would last; right answers of people without wrong
//! ones leave no trace.

use std::collections::HashMap;

use parking_lot::Mutex;
use schemas::{PersonKey, UnixSeconds, city::LastFour};

const SHARDS: usize = 64;
/// People with wrong answers that a shard remembers at most: a million in all, some 40 MB.
const MOST_PER_SHARD: usize = 16 * 1024;
const MINUTE_S: i64 = 60;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is right.
    Passed,
    /// It is wrong.
    Wrong {
        /// How many more are taken before it locks.
        tries_left: u8,
    },
    /// No answer is taken now.
    Locked {
        /// For how many seconds.
        retry_after_s: u64,
    },
}

/// Wrong answers of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wrong {
    count: u8,
    /// When they are forgotten; of a person who is locked, when that ends.
    until: UnixSeconds,
}

/// The rule, with what was answered wrongly of late.
#[derive(Debug)]
pub struct Guesses {
    rule: LastFour,
    shards: Box<[Mutex<HashMap<PersonKey, Wrong>>]>,
}

impl Guesses {
    /// Nobody has answered yet.
    pub fn new(rule: LastFour) -> Self {
        Self { rule, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Takes an answer that is right or wrong.
    pub fn take(&self, person: PersonKey, is_right: bool, now: UnixSeconds) -> Outcome {
        let mut shard = self.shards[(person.to_u64() % SHARDS as u64) as usize].lock();
        let held = shard.get(&person).copied();
        let (outcome, wrong) = judge(self.rule, held, is_right, now);
        match wrong {
            None if held.is_some() => drop(shard.remove(&person)),
            None => {}
            Some(wrong) => {
                if held.is_none() && shard.len() >= MOST_PER_SHARD {
                    shard.retain(|_, wrong| wrong.until > now);
                }
                // Full all the same: this one is not counted. It is wrong in any case.
                if held.is_some() || shard.len() < MOST_PER_SHARD {
                    shard.insert(person, wrong);
                }
            }
        }
        outcome
    }
}

fn judge(rule: LastFour, held: Option<Wrong>, is_right: bool, now: UnixSeconds) -> (Outcome, Option<Wrong>) {
    let held = held.filter(|wrong| wrong.until > now);
    let locked = |until: UnixSeconds| Outcome::Locked { retry_after_s: u64::try_from(until - now).unwrap_or(1) };
    if let Some(wrong) = held.filter(|wrong| wrong.count >= rule.failures) {
        return (locked(wrong.until), held);
    }
    if is_right {
        return (Outcome::Passed, None);
    }
    let until = now + i64::from(rule.lock_minutes) * MINUTE_S;
    let count = held.map_or(0, |wrong| wrong.count).saturating_add(1);
    let tries_left = rule.failures.saturating_sub(count);
    let outcome = if tries_left == 0 { locked(until) } else { Outcome::Wrong { tries_left } };
    (outcome, Some(Wrong { count, until }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: LastFour = LastFour { failures: 3, lock_minutes: 30 };

    fn person(number: u64) -> PersonKey {
        PersonKey::from_u64(1 << 60 | number).expect("a version above zero")
    }

    #[test]
    fn three_wrong_ones_in_a_row_lock_for_half_an_hour_also_for_the_right_one() {
        let guesses = Guesses::new(RULE);
        let take = |is_right, at| guesses.take(person(1), is_right, at);
        assert_eq!(take(false, 0), Outcome::Wrong { tries_left: 2 });
        assert_eq!(take(false, 10), Outcome::Wrong { tries_left: 1 });
        assert_eq!(guesses.take(person(2), true, 15), Outcome::Passed, "another person");
        assert_eq!(take(false, 20), Outcome::Locked { retry_after_s: 1800 });
        assert_eq!(take(true, 21), Outcome::Locked { retry_after_s: 1799 });
        assert_eq!(take(false, 1819), Outcome::Locked { retry_after_s: 1 });
        assert_eq!(take(false, 1820), Outcome::Wrong { tries_left: 2 }, "it counts anew");
        assert_eq!(take(true, 1821), Outcome::Passed);
        assert_eq!(take(false, 1822), Outcome::Wrong { tries_left: 2 }, "a right one ends the row");
        assert_eq!(take(false, 1822 + 1800), Outcome::Wrong { tries_left: 2 }, "forgotten by then");
    }

    #[test]
    fn it_is_bounded_and_right_answers_leave_nothing() {
        let guesses = Guesses::new(RULE);
        let len = || guesses.shards.iter().map(|shard| shard.lock().len()).max();
        for number in 0..3 * MOST_PER_SHARD as u64 {
            guesses.take(person(number * SHARDS as u64), true, 0);
        }
        assert_eq!(len(), Some(0));
        for number in 0..3 * MOST_PER_SHARD as u64 {
            guesses.take(person(number * SHARDS as u64), false, 0);
        }
        assert_eq!(len(), Some(MOST_PER_SHARD));
        guesses.take(person(0), false, 1);
        assert_eq!(guesses.take(person(0), false, 2), Outcome::Locked { retry_after_s: 1800 });
        guesses.take(person(1 << 40), false, 10_000);
        assert_eq!(len(), Some(1), "what is over makes room");
    }

    proptest! {
        /// Nobody gets more than `failures` answers judged within any stretch of wrong ones as long as a lock.
        #[test]
        fn guessing_without_end_is_stopped(steps in prop::collection::vec(1i64..600, 1..200)) {
            let (mut held, mut now, mut judged) = (None, 0, Vec::new());
            for step in steps {
                now += step;
                let (outcome, next) = judge(RULE, held, false, now);
                if next != held {
                    judged.push(now);
                }
                prop_assert!(outcome != Outcome::Passed);
                held = next;
            }
            for window in judged.windows(4) {
                prop_assert!(window[3] - window[0] >= 1800, "{window:?}");
            }
        }
    }
}
