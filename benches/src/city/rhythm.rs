//! When people enter places: the rhythm of day and week, as numbers in proportion to scans.

use chrono::{DateTime, Datelike, Timelike, Weekday};
use schemas::UnixSeconds;

const WEEKDAY: [f64; 24] = [
    0.3, 0.15, 0.1, 0.1, 0.2, 0.8, 2.5, 6.0, 8.0, 6.0, 5.0, 6.0, 8.0, 6.5, 5.0, 5.0, 5.5, 7.0, 8.0, 7.0, 5.5, 4.0, 2.2,
    1.0,
];
const WEEKEND: [f64; 24] = [
    0.5, 0.3, 0.2, 0.1, 0.1, 0.3, 0.8, 2.0, 4.0, 6.0, 8.0, 8.5, 8.5, 8.0, 8.0, 7.5, 7.5, 7.5, 7.5, 7.0, 6.0, 4.5, 3.0,
    1.3,
];

/// Clock and calendar of the city at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Hour of the day, 0 to 23.
    pub hour: u32,
    /// Whether it is a Saturday or a Sunday.
    pub weekend: bool,
    friday: bool,
}

impl LocalTime {
    /// The clock of a city whose offset from UTC is given in minutes east. Times beyond the calendar read as 1970.
    pub fn of(at: UnixSeconds, utc_offset_minutes: i32) -> Self {
        let local = DateTime::from_timestamp(at + i64::from(utc_offset_minutes) * 60, 0).unwrap_or_default();
        let day = local.weekday();
        Self { hour: local.hour(), weekend: matches!(day, Weekday::Sat | Weekday::Sun), friday: day == Weekday::Fri }
    }

    /// How busy the city is, in proportion to scans in an hour.
    pub fn weight(self) -> f64 {
        let table = if self.weekend { &WEEKEND } else { &WEEKDAY };
        table[self.hour as usize % 24] * if self.friday { 1.08 } else { 1.0 }
    }
}

/// Splits `total` into whole parts in proportion to `weights`, exactly: what rounding leaves goes to the parts with
/// the largest remainders.
pub fn apportion(total: u64, weights: &[f64]) -> Vec<u64> {
    let sum: f64 = weights.iter().sum();
    let shares: Vec<f64> = weights.iter().map(|w| if sum > 0.0 { total as f64 * w / sum } else { 0.0 }).collect();
    let mut parts: Vec<u64> = shares.iter().map(|s| s.floor() as u64).collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| shares[*b].fract().total_cmp(&shares[*a].fract()).then(a.cmp(b)));
    let mut left = total.saturating_sub(parts.iter().sum());
    while left > 0 && !order.is_empty() {
        for part in &order {
            if left > 0 {
                parts[*part] += 1;
                left -= 1;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_clock_is_the_citys() {
        // 2022-06-03 16:30 UTC is Saturday half past midnight in Shanghai.
        let local = LocalTime::of(1_654_273_800, 480);
        assert_eq!((local.hour, local.weekend), (0, true));
        assert_eq!(LocalTime::of(1_654_273_800, 0).hour, 16);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_off_by_more_than_one(
            total in 0u64..1_000_000, weights in proptest::collection::vec(0.1f64..10.0, 1..40),
        ) {
            let parts = apportion(total, &weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            let sum: f64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!((*part as f64 - total as f64 * weight / sum).abs() <= 1.0 + 1e-6);
            }
        }
    }
}
