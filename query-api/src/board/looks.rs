//! When ClickHouse is looked at again.

use std::time::{Duration, Instant};

use crate::QueryError;

/// So many times as long as a look has taken it is not repeated, but so many times as long as it should be at most.
const REST: u32 = 10;
const LONGEST_REST: u32 = 4;
/// So much longer than that counts are answered from.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks of one kind, which are due apart from those of another.
#[derive(Debug)]
pub struct Looks {
    /// When the next one is due.
    pub due: Instant,
    /// Whether the last one found so few scans that no kept counts were of use.
    pub are_few: bool,
    every: Duration,
    of: &'static str,
    is_failing: bool,
}

impl Looks {
    /// Looks that should be repeated as often; the first one at once.
    pub fn new(of: &'static str, every: Duration) -> Self {
        Self { due: Instant::now(), are_few: false, every, of, is_failing: false }
    }

    /// Notes what became of one.
    pub fn ended(&mut self, began: Instant, outcome: &Result<(), QueryError>) {
        self.due = began + after(self.every, began.elapsed());
        let of = self.of;
        match outcome {
            Ok(()) if self.is_failing => tracing::info!(of, "counts for polls again"),
            Err(error) if !self.is_failing => {
                tracing::warn!(of, error = error.with_causes(), "cannot count for polls");
            }
            _ => {}
        }
        self.is_failing = outcome.is_err();
    }
}

/// How old counts may be that are answered from.
pub fn oldest(every: Duration) -> Duration {
    every * LONGEST_REST + PATIENCE
}

/// How long after its beginning a look that took so long is repeated.
fn after(every: Duration, took: Duration) -> Duration {
    (took * REST).clamp(every, every * LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreFailure;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_look_that_takes_long_is_repeated_later_but_in_time_for_its_counts() {
        let ms = Duration::from_millis;
        assert_eq!([0, 100, 300, 9_000].map(|took| after(SECOND, ms(took))), [1, 1, 3, 4].map(|s| SECOND * s));
        assert_eq!((oldest(SECOND), oldest(5 * SECOND)), (9 * SECOND, 25 * SECOND));
    }

    #[test]
    fn a_look_that_fails_is_not_repeated_at_once() {
        let (mut looks, began) = (Looks::new("hours", SECOND), Instant::now());
        assert!(looks.due <= began);
        looks.ended(began, &Err(StoreFailure::Silent.into()));
        assert!(looks.is_failing && looks.due >= began + SECOND);
        looks.ended(began, &Ok(()));
        assert!(!looks.is_failing);
    }
}
