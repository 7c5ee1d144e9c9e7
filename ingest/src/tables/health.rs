//! What is known of one person's health, in 16 bytes, and how messages change it; with the person, in a row of 20.
//!
//! The rules are pure: the change with the greatest rank wins (`Colouring::rank`, `Sampling::rank`), so that neither the
//! order of messages nor their repetition makes a difference.

use std::{
    io::{self, Read},
    num::NonZeroU32,
};

use schemas::{
    Colour, PersonKey, TestResult, UnixSeconds,
    admission::Health,
    events::{ColourChange, TestOutcome},
};

use super::{ordered::Row, sharded::order_of, snapshot::Stored};

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
    pub fn with_colour(self, event: &ColourChange) -> Self {
        let (since, expires_at) = (seconds(event.since), event.expires_at.map_or(NEVER, seconds));
        if (since, event.colour, expires_at) <= (self.since, self.colour, self.expires_at) {
            return self;
        }
        Self { since, expires_at, colour: event.colour, ..self }
    }

    /// The record after a test result.
    pub fn with_test(self, event: &TestOutcome) -> Self {
        let sampled_at = seconds(event.sampled_at);
        if (sampled_at, event.result) <= (self.sampled_at, self.result) {
            return self;
        }
        Self { sampled_at, result: event.result, ..self }
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

/// A record with the person it is of. Of the person's hash it holds the 56 bits that the shard does not stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonRow {
    low: u32,
    /// 24 bits of the hash, then [`TAKEN`], colour and result. Never zero, so that an empty slot needs no byte more.
    high: NonZeroU32,
    since: u32,
    expires_at: u32,
    sampled_at: u32,
}

const TAKEN: u32 = 0x80;

impl Row for PersonRow {
    fn order(&self) -> u64 {
        u64::from(self.high.get() & 0xffff_ff00) << 32 | u64::from(self.low) << 8
    }
}

impl PersonRow {
    /// The row of a person.
    pub const fn new(person: PersonKey, record: HealthRecord) -> Self {
        let order = order_of(person.to_u64());
        let words = TAKEN | (record.colour as u32) << 4 | record.result as u32;
        let high = NonZeroU32::MIN.saturating_add(((order >> 32) as u32 & 0xffff_ff00 | words) - 1);
        let HealthRecord { since, expires_at, sampled_at, .. } = record;
        Self { low: (order >> 8) as u32, high, since, expires_at, sampled_at }
    }

    /// What is known.
    pub fn record(&self) -> HealthRecord {
        let Self { since, expires_at, sampled_at, .. } = *self;
        let words = self.high.get() as u8 & !(TAKEN as u8);
        HealthRecord {
            since,
            expires_at,
            sampled_at,
            colour: Colour::from_number(words >> 4).unwrap_or(Colour::Unknown),
            result: TestResult::from_number(words & 15).unwrap_or(TestResult::None),
        }
    }
}

impl Stored for PersonRow {
    fn write(&self, out: &mut Vec<u8>) {
        for word in [self.low, self.high.get(), self.since, self.expires_at, self.sampled_at] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; size_of::<Self>()];
        from.read_exact(&mut bytes)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let high = NonZeroU32::new(word(4)).ok_or_else(|| io::Error::other("a row has no person"))?;
        Ok(Self { low: word(0), high, since: word(8), expires_at: word(12), sampled_at: word(16) })
    }
}

/// Events lie between 2000 and 2100; anything else was refused before it came here.
fn seconds(at: UnixSeconds) -> u32 {
    u32::try_from(at).unwrap_or(if at < 0 { 0 } else { NEVER - 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_650_000_000;

    fn person() -> PersonKey {
        PersonKey::from_u64(1 << 60).expect("valid")
    }

    fn colour(at: i64, colour: u8) -> ColourChange {
        let colour = Colour::from_number(colour).expect("in range");
        ColourChange { person: person(), colour, since: START + at, expires_at: None }
    }

    fn test(at: i64, result: u8) -> TestOutcome {
        let result = TestResult::from_number(result).expect("in range");
        TestOutcome { person: person(), sampled_at: START + at, result }
    }

    #[test]
    fn a_person_takes_20_bytes_and_an_empty_slot_no_more() {
        assert_eq!(size_of::<Option<PersonRow>>(), 20);
    }

    #[test]
    fn a_colour_is_in_force_from_its_first_second_to_before_its_end() {
        let change = ColourChange { expires_at: Some(START + 9), ..colour(5, 3) };
        let health = HealthRecord::default().with_colour(&change).to_health();
        let at = |second| health.colour_at(START + second);
        assert_eq!([4, 5, 8, 9].map(at), [Colour::Unknown, Colour::Red, Colour::Red, Colour::Unknown]);
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
        /// Feeds repeat and arrive out of order: neither the colour in force nor its end may depend on it.
        #[test]
        fn neither_order_nor_repetition_of_a_feed_matters_at_any_time(
            changes in prop::collection::vec((0i64..8, 1..4u8, prop::option::of(1i64..20)), 1..8),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            at in 0i64..60,
        ) {
            let changes: Vec<_> = changes.into_iter().map(|(since, number, lasts)| {
                ColourChange { expires_at: lasts.map(|lasts| START + since + lasts), ..colour(since, number) }
            }).collect();
            // Some in any order and repeatedly, then all of them backwards.
            let first = picks.iter().map(|pick| pick.get(&changes));
            let all = first.chain(changes.iter().rev());
            let fed = all.fold(HealthRecord::default(), |record, change| record.with_colour(change));
            let rank = |c: &&ColourChange| (c.since, c.colour as u8, c.expires_at.unwrap_or(i64::MAX));
            let newest = changes.iter().max_by_key(rank).expect("not empty");
            let in_force = newest.since <= START + at && newest.expires_at.is_none_or(|end| START + at < end);
            let expected = if in_force { newest.colour } else { Colour::Unknown };
            prop_assert_eq!(fed.to_health().colour_at(START + at), expected);
        }

        #[test]
        fn a_row_gives_back_what_was_put_in(
            key in 1u64 << 60..,
            (colour, result) in (0..4u8, 0..3u8),
            (since, expires_at, sampled_at) in any::<(u32, u32, u32)>(),
        ) {
            let record = HealthRecord {
                since, expires_at, sampled_at,
                colour: Colour::from_number(colour).expect("in range"),
                result: TestResult::from_number(result).expect("in range"),
            };
            let row = PersonRow::new(PersonKey::from_u64(key).expect("valid"), record);
            prop_assert_eq!((row.record(), row.order()), (record, order_of(key)));
            let mut bytes = Vec::new();
            row.write(&mut bytes);
            prop_assert_eq!(PersonRow::read(&mut bytes.as_slice()).ok(), Some(row));
        }

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
