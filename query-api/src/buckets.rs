//! Steps of time as footfall counts them: aligned to the city's clock, so that a day is the city's day.

use schemas::UnixSeconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, from midnight to midnight.
    Day,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Self] = &[Self::Minute, Self::Hour, Self::Day];

    /// The word in requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The start of the bucket that a time is in, for a clock that is `offset_s` ahead of UTC.
    pub const fn start_of(self, at: UnixSeconds, offset_s: i64) -> UnixSeconds {
        at - (at + offset_s).rem_euclid(self.seconds())
    }

    /// The end of the bucket that a time is in, for a clock that is `offset_s` ahead of UTC.
    pub const fn end_of(self, at: UnixSeconds, offset_s: i64) -> UnixSeconds {
        self.start_of(at, offset_s) + self.seconds()
    }

    /// How many buckets the half-open time from `from` to `to` touches.
    pub const fn count(self, from: UnixSeconds, to: UnixSeconds, offset_s: i64) -> u64 {
        if to <= from {
            return 0;
        }
        let last = self.start_of(to - 1, offset_s);
        let span = last - self.start_of(from, offset_s);
        (span / self.seconds()) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, FixedOffset, NaiveTime, Timelike};
    use proptest::prelude::*;

    use super::*;

    /// The same by the calendar.
    fn by_calendar(step: Step, at: UnixSeconds, offset_s: i64) -> UnixSeconds {
        let zone = FixedOffset::east_opt(offset_s as i32).expect("an offset");
        let local = DateTime::from_timestamp(at, 0).expect("a time").with_timezone(&zone).naive_local();
        let time = match step {
            Step::Minute => NaiveTime::from_hms_opt(local.hour(), local.minute(), 0),
            Step::Hour => NaiveTime::from_hms_opt(local.hour(), 0, 0),
            Step::Day => Some(NaiveTime::MIN),
        };
        let start = local.date().and_time(time.expect("a time of day")).and_local_timezone(zone);
        start.single().expect("fixed offsets have no gaps").timestamp()
    }

    #[test]
    fn a_day_in_shanghai_starts_at_sixteen_hours_utc() {
        let (offset, midnight) = (8 * 3_600, 1_649_088_000); // 2022-04-05 00:00:00 in Shanghai
        assert_eq!(Step::Day.start_of(midnight, offset), midnight);
        assert_eq!(Step::Day.start_of(midnight - 1, offset), midnight - 86_400);
        assert_eq!(Step::Day.count(midnight - 1, midnight + 1, offset), 2);
        assert_eq!(Step::Day.count(midnight, midnight + 86_400, offset), 1);
        assert_eq!(Step::Day.count(midnight, midnight, offset), 0);
    }

    proptest! {
        #[test]
        fn buckets_are_those_of_the_calendar(at in 0i64..4_294_967_296, minutes in -1_439i64..1_440) {
            for step in Step::ALL {
                prop_assert_eq!(step.start_of(at, minutes * 60), by_calendar(*step, at, minutes * 60));
            }
        }

        #[test]
        fn the_count_is_that_of_the_distinct_starts(from in 0i64..100_000, length in 0i64..400, offset in -90i64..90) {
            let starts: std::collections::BTreeSet<_> =
                (from..from + length).map(|at| Step::Minute.start_of(at, offset)).collect();
            prop_assert_eq!(Step::Minute.count(from, from + length, offset), starts.len() as u64);
        }
    }
}
