//! How long scans are kept, as the city profile says, and what follows for tables and topics.
//!
//! Pure: which row is past is a matter of the time that is passed in. Who forgets is the processor.

use crate::{CityProfile, UnixSeconds};

const DAY_S: i64 = 86_400;
const DAY_MS: u64 = 86_400_000;

/// How long one city keeps scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u16,
    utc_offset_s: i64,
}

impl Retention {
    /// The retention of a city.
    pub fn of(city: &CityProfile) -> Self {
        Self { days: city.retention_days.max(1), utc_offset_s: i64::from(city.utc_offset_minutes) * 60 }
    }

    /// Days that scans are kept at most.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// What was before it is past: the city's midnight after which today is the last of the days that are kept. So nothing
    /// is kept for longer than that many days, and everything for at least one day less.
    pub const fn horizon(self, now: UnixSeconds) -> UnixSeconds {
        let today = (now + self.utc_offset_s).div_euclid(DAY_S) * DAY_S - self.utc_offset_s;
        today - (self.days as i64 - 1) * DAY_S
    }

    /// Days after which a scan that comes late is refused: one that is taken is not past yet. A day at least, since an
    /// offline sentinel has scans of yesterday also where one day is kept.
    pub const fn accepted_days(self) -> u16 {
        if self.days > 1 { self.days - 1 } else { 1 }
    }

    /// How long a topic keeps a message that may stay for `most_days`, in milliseconds, and after how long its segments
    /// end. Kafka removes whole segments, each by its newest message: the oldest is so much older.
    pub fn of_topic(self, most_days: u16) -> TopicTimes {
        let kept_ms = u64::from(self.days.min(most_days)) * DAY_MS;
        let segment_ms = (kept_ms / 8).min(DAY_MS);
        TopicTimes { retention_ms: kept_ms - segment_ms, segment_ms }
    }
}

/// When a topic's messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicTimes {
    /// `retention.ms`.
    pub retention_ms: u64,
    /// `segment.ms`.
    pub segment_ms: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2022-06-30 15:30 UTC, which is half past eleven at night in Shanghai.
    const BEFORE_MIDNIGHT: UnixSeconds = 1_656_603_000;

    #[test]
    fn what_is_past_changes_at_the_citys_midnight() {
        let shanghai = Retention { days: 30, utc_offset_s: 8 * 3600 };
        let first_of_june = 1_654_012_800;
        assert_eq!(shanghai.horizon(BEFORE_MIDNIGHT), first_of_june);
        assert_eq!(shanghai.horizon(BEFORE_MIDNIGHT + 1800), first_of_june + DAY_S);
        assert_eq!(Retention { days: 1, ..shanghai }.horizon(BEFORE_MIDNIGHT), first_of_june + 29 * DAY_S);
    }

    #[test]
    fn built_in_cities_keep_what_was_planned_for() {
        for name in CityProfile::built_in_names() {
            let city = CityProfile::try_built_in(name).expect("built in");
            assert!((14..=30).contains(&Retention::of(&city).days()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_kept_longer_than_the_city_says_and_all_for_a_day_less(
            days in 1u16..400, offset in -1439i64..1440, now in 0i64..4_000_000_000, since in 0i64..86_400,
        ) {
            let retention = Retention { days, utc_offset_s: offset * 60 };
            let (horizon, kept) = (retention.horizon(now), i64::from(days) * DAY_S);
            prop_assert!(horizon > now - kept && horizon <= now - kept + DAY_S);
            prop_assert!(retention.horizon(now + since) >= horizon);
            if days > 1 {
                // What the gateway takes is stored.
                prop_assert!(now - i64::from(retention.accepted_days()) * DAY_S >= horizon);
            }
            let times = retention.of_topic(31);
            let most_ms = u64::from(days.min(31)) * DAY_MS;
            prop_assert!(times.retention_ms + times.segment_ms <= most_ms && times.retention_ms >= most_ms / 2);
            prop_assert!(times.segment_ms > 0);
        }
    }
}
