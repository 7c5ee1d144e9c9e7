//! What is known of one person's health, in 16 bytes, and how messages change it.
//!
//! The rules are pure: the newest colour and the newest test win, in whatever order messages of the two topics
//! come; of two with the same time, the later one in its topic.

use schemas::{Colour, HealthEvent, TestEvent, TestResult, UnixSeconds, admission::Health};

/// No end, as `expires_at`.
const NEVER: u32 = u32::MAX;

/// One person's last colour and last test. Seconds since 1970 fit 32 bits until the year 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRecord {
    since: u32,
    expires_at: u32,
    sampled_at: u32,
    colour: Colour,
    result: TestResult,
}

impl Default for HealthRecord {
    fn default() -> Self {
        Self { since: 0, expires_at: NEVER, sampled_at: 0, colour: Colour::Unknown, result: TestResult::None }
    }
}

impl HealthRecord {
    /// The record after a health-code change.
    pub fn with_colour(self, event: &HealthEvent) -> Self {
        let since = seconds(event.since);
        if since < self.since {
            return self;
        }
        Self { since, expires_at: event.expires_at.map_or(NEVER, seconds), colour: event.colour, ..self }
    }

    /// The record after a test result.
    pub fn with_test(self, event: &TestEvent) -> Self {
        let sampled_at = seconds(event.sampled_at);
        if sampled_at < self.sampled_at { self } else { Self { sampled_at, result: event.result, ..self } }
    }

    /// The record without its colour; `None` when nothing is left.
    pub fn without_colour(self) -> Option<Self> {
        let Self { sampled_at, result, .. } = self;
        (result != TestResult::None).then(|| Self { sampled_at, result, ..Self::default() })
    }

    /// The record without its test; `None` when nothing is left.
    pub fn without_test(self) -> Option<Self> {
        (self.since != 0).then_some(Self { sampled_at: 0, result: TestResult::None, ..self })
    }

    /// As the admission policy takes it.
    pub fn to_health(self) -> Health {
        if self == Self::default() {
            return Health::UNKNOWN;
        }
        Health {
            colour: self.colour,
            since: if self.since == 0 { UnixSeconds::MIN } else { i64::from(self.since) },
            expires_at: if self.expires_at == NEVER { UnixSeconds::MAX } else { i64::from(self.expires_at) },
            test_result: self.result,
            test_sampled_at: i64::from(self.sampled_at),
        }
    }
}

/// Events lie between 2000 and 2100; anything else was refused before it came here.
fn seconds(at: UnixSeconds) -> u32 {
    u32::try_from(at).unwrap_or(if at < 0 { 0 } else { NEVER - 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::PersonKey;

    use super::*;

    const START: i64 = 1_650_000_000;

    fn colour(at: i64, colour: u8) -> HealthEvent {
        HealthEvent {
            v: 1,
            person: PersonKey::from_u64(1 << 60).expect("valid"),
            colour: Colour::from_number(colour).expect("in range"),
            since: START + at,
            expires_at: None,
            issuer: "CDC".to_owned(),
            evidence: "E".to_owned(),
            reason: "R".to_owned(),
        }
    }

    fn test(at: i64, result: u8) -> TestEvent {
        TestEvent {
            v: 1,
            person: PersonKey::from_u64(1 << 60).expect("valid"),
            sampled_at: START + at,
            resulted_at: START + at,
            result: TestResult::from_number(result).expect("in range"),
            laboratory: "L".to_owned(),
        }
    }

    #[test]
    fn a_person_takes_16_bytes() {
        assert_eq!(size_of::<HealthRecord>(), 16);
    }

    #[test]
    fn of_two_with_the_same_time_the_later_one_wins() {
        let record = HealthRecord::default().with_colour(&colour(5, 1)).with_colour(&colour(5, 3));
        assert_eq!(record.to_health().colour, Colour::Red);
    }

    #[test]
    fn erasing_one_half_keeps_the_other() {
        let record = HealthRecord::default().with_colour(&colour(5, 1)).with_test(&test(6, 1));
        let without_colour = record.without_colour().expect("the test is left");
        assert_eq!(without_colour, HealthRecord::default().with_test(&test(6, 1)));
        assert_eq!(without_colour.without_test(), None);
        assert_eq!(record.without_test(), Some(HealthRecord::default().with_colour(&colour(5, 1))));
    }

    proptest! {
        #[test]
        fn the_order_of_messages_does_not_matter(order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle()) {
            let apply = |record: HealthRecord, at: &usize| {
                let time = i64::try_from(*at).expect("small");
                if at.is_multiple_of(2) { record.with_colour(&colour(time, 1 + (*at % 3) as u8)) } else { record.with_test(&test(time, 1 + (*at % 2) as u8)) }
            };
            let sorted = (0..20).fold(HealthRecord::default(), |record, at| apply(record, &at));
            prop_assert_eq!(order.iter().fold(HealthRecord::default(), apply), sorted);
            prop_assert_eq!(sorted.to_health().since, START + 18);
        }
    }
}
