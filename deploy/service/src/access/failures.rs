//! How many bad tokens an address may bring before its unknown tokens are refused unread: a signature costs as much as
//! several scans, and whoever has no key must not be able to spend that.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// What one bad token costs; so many per second are read for ever.
const COST: Duration = Duration::from_millis(5);
/// How far an address may be in debt: so many bad tokens at once.
const CREDIT: Duration = Duration::from_secs(5);
/// Addresses in debt before those without are looked for.
const MOST: usize = 65_536;

/// The debts of addresses.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// When each debt is paid.
    paid_at: Mutex<HashMap<u64, Instant>>,
}

impl Failures {
    /// Whether a token of this address may be verified.
    ///
    /// # Errors
    /// After how long it may.
    pub(super) fn check(&self, address: u64, now: Instant) -> Result<(), Duration> {
        let paid_at = self.paid_at.lock().get(&address).copied().unwrap_or(now);
        let debt = paid_at.saturating_duration_since(now);
        if debt < CREDIT { Ok(()) } else { Err(debt + COST - CREDIT) }
    }

    /// Notes that a token of this address was bad.
    pub(super) fn note(&self, address: u64, now: Instant) {
        let mut paid_at = self.paid_at.lock();
        if paid_at.len() >= MOST {
            paid_at.retain(|_, paid_at| *paid_at > now);
        }
        let slot = paid_at.entry(address).or_insert(now);
        *slot = (*slot).max(now) + COST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_too_many_bad_tokens_waits_and_others_do_not() {
        let (failures, start) = (Failures::default(), Instant::now());
        let mut taken = 0;
        while failures.check(1, start).is_ok() {
            failures.note(1, start);
            taken += 1;
        }
        assert_eq!(taken, 1000);
        assert_eq!(failures.check(1, start), Err(COST));
        assert_eq!(failures.check(2, start), Ok(()));
        assert_eq!(failures.check(1, start + COST), Ok(()));
        failures.note(1, start + COST);
        assert!(failures.check(1, start + COST).is_err());
        assert_eq!(failures.check(1, start + 2 * CREDIT), Ok(()));
    }
}
