//! How much a meeting counts: more the longer it was, less the further it is from a case.

use schemas::city::Tracing;

/// Makes scores: numbers from 0 to 1, the chance that nothing of what a person met was harmless under the simplest model
/// there is, in which every meeting is on its own. They rank; they foretell nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    halving_s: f64,
    hop: f64,
}

impl Weights {
    /// With the minutes and the share of a profile, or those of a request.
    pub fn of(tracing: Tracing) -> Self {
        Self { halving_s: f64::from(tracing.halving_minutes) * 60.0, hop: f64::from(tracing.hop_percent) / 100.0 }
    }

    /// What a meeting with a case of so many seconds risks: 1 − 2^(−overlap ÷ halving time).
    pub fn risk(&self, overlap_s: u32) -> f64 {
        1.0 - (-f64::from(overlap_s) / self.halving_s).exp2()
    }

    /// What a person's score counts towards those whom that person meets.
    pub fn passed_on(&self, score: f64) -> f64 {
        score * self.hop
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_is_risked_after_the_halving_time() {
        let weights = Weights::of(Tracing::default());
        assert_eq!([0, 900, 1_800].map(|seconds| weights.risk(seconds)), [0.0, 0.5, 0.75]);
        assert_eq!(weights.passed_on(0.5), 0.25);
    }

    proptest! {
        #[test]
        fn a_longer_meeting_risks_more_and_never_more_than_one(
            minutes in 1u16..1_440, percent in 1u8..100, a in 0u32..100_000, b in 0u32..100_000,
        ) {
            let weights = Weights::of(Tracing { halving_minutes: minutes, hop_percent: percent });
            prop_assert!(weights.risk(a.min(b)) <= weights.risk(a.max(b)) && weights.risk(a.max(b)) <= 1.0);
            prop_assert!(weights.passed_on(weights.risk(a)) <= weights.risk(a));
        }
    }
}
