//! Pauses between tries.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// First pause.
const SHORTEST: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(5);
/// How soon a pause notices that it should end.
const STEP: Duration = Duration::from_millis(20);

/// Pauses that double from [`SHORTEST`] to [`LONGEST`], each cut by up to a half at random, so that the partitions of a
/// city do not all knock at the same moment.
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Backoff {
    /// Waits the next pause out, or until `stop`.
    pub fn wait(&mut self, stop: &CancellationToken) {
        let until = Instant::now() + self.next(rand::random());
        while Instant::now() < until && !stop.is_cancelled() {
            std::thread::sleep(STEP.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// The next pause, by a random number.
    fn next(&mut self, random: u8) -> Duration {
        let pause = self.0.mul_f64(1.0 - f64::from(random) / 512.0);
        self.0 = (self.0 * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        for doubled in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let (longest, shortest) = (backoff.0, Backoff(backoff.0).next(u8::MAX));
            assert_eq!(longest, Duration::from_millis(doubled));
            assert!(shortest >= longest / 2 && shortest < longest.mul_f64(0.51), "{shortest:?}");
            assert_eq!(backoff.next(0), longest);
        }
    }
}
