//! From messages to a batch: each message becomes a row, a repetition, or a dead letter with its reason.
//!
//! Pure: venue and health are looked up through what is passed in. The same messages with the same knowledge
//! give the same batch, byte for byte.

use schemas::{AlertEvent, Erased, ScanEvent, ScanRow, TripEvent, UnixSeconds, VenueId};
use uuid::Uuid;

use crate::{history::HealthHistory, recent::RecentIds};

/// What enrichment takes from a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueFacts {
    /// District, six digits.
    pub district: u32,
    /// Category, an id of the city profile.
    pub category: String,
}

/// A message of `scans`, parsed as far as it goes.
#[derive(Debug)]
pub struct Incoming {
    /// Its offset.
    pub offset: u64,
    /// The scan, or why it is none.
    pub event: Result<ScanEvent, String>,
}

/// A row ready to be stored.
#[derive(Debug, Clone)]
pub struct StoredRow {
    /// Offset of its message.
    pub offset: u64,
    /// Identity of its scan.
    pub event_id: Uuid,
    /// When its scan was accepted, in milliseconds since 1970.
    pub accepted_at_ms: i64,
    /// Its bytes in RowBinary.
    pub bytes: std::ops::Range<usize>,
}

/// A message that repeats an earlier scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetition {
    /// Its offset.
    pub offset: u64,
    /// Offset of the scan that it repeats.
    pub of: u64,
}

/// The rows of one range of offsets, encoded once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// All rows in RowBinary, in the order of their offsets.
    pub bytes: Vec<u8>,
    /// Where each row is.
    pub rows: Vec<StoredRow>,
    /// Offsets of messages that cannot be processed, with the reason.
    pub invalid: Vec<(u64, String)>,
    /// Messages that repeat an earlier scan.
    pub repetitions: Vec<Repetition>,
    /// How many messages are of scans that are past: nothing of them is kept. Not of a part, like what follows.
    pub past: u64,
    /// How many messages are of people who were erased after them: as `past`.
    pub erased: u64,
    /// Alerts that the scans raise. Not of a part: they leave before the first part is stored.
    pub alerts: Vec<AlertEvent>,
    /// What the scans mean for the trips of lorries; as alerts.
    pub trips: Vec<TripEvent>,
}

impl Batch {
    /// The bytes of the rows with these offsets, which must be in ascending order.
    pub fn bytes_of(&self, offsets: &[u64]) -> Vec<u8> {
        let wanted = self.rows.iter().filter(|row| offsets.binary_search(&row.offset).is_ok());
        wanted.flat_map(|row| self.bytes[row.bytes.clone()].iter().copied()).collect()
    }

    /// What of the batch comes from these offsets.
    pub fn part(&self, offsets: &std::ops::Range<u64>) -> Self {
        let rows: Vec<StoredRow> = self.rows.iter().filter(|row| offsets.contains(&row.offset)).cloned().collect();
        let first_byte = rows.first().map_or(0, |row| row.bytes.start);
        let last_byte = rows.last().map_or(0, |row| row.bytes.end);
        let moved =
            |row: StoredRow| StoredRow { bytes: row.bytes.start - first_byte..row.bytes.end - first_byte, ..row };
        Self {
            bytes: self.bytes[first_byte..last_byte].to_vec(),
            rows: rows.into_iter().map(moved).collect(),
            invalid: self.invalid.iter().filter(|(offset, _)| offsets.contains(offset)).cloned().collect(),
            repetitions: self.repetitions.iter().filter(|r| offsets.contains(&r.offset)).copied().collect(),
            past: 0,
            erased: 0,
            alerts: Vec::new(),
            trips: Vec::new(),
        }
    }

    /// When the earliest of the scans was accepted, in milliseconds since 1970.
    pub fn oldest_accepted_at_ms(&self) -> Option<i64> {
        self.rows.iter().map(|row| row.accepted_at_ms).min()
    }
}

/// What is forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Forgotten<'f> {
    /// Scans before it are past, in seconds since 1970.
    pub horizon: UnixSeconds,
    /// Of whom, from before when, nothing is kept.
    pub erased: &'f Erased,
}

/// Makes the batch of the messages of one range. Scans that are forgotten leave nothing behind, also when a range is read
/// again whose rows have been removed meanwhile.
pub fn build(
    messages: Vec<Incoming>,
    stream: u32,
    Forgotten { horizon, erased }: Forgotten<'_>,
    venue: impl Fn(VenueId) -> Option<VenueFacts>,
    history: &HealthHistory,
    recent: &mut RecentIds,
) -> Batch {
    let mut batch = Batch::default();
    for Incoming { offset, event } in messages {
        let event = match event {
            Ok(event) => event,
            Err(reason) => {
                batch.invalid.push((offset, reason));
                continue;
            }
        };
        if event.scanned_at < horizon {
            batch.past += 1;
            continue;
        }
        if erased.has_scan(&event) {
            batch.erased += 1;
            continue;
        }
        let Some(facts) = venue(event.venue) else {
            batch.invalid.push((offset, format!("field `venue`: venue {} is not in the directory", event.venue)));
            continue;
        };
        if let Some(of) = recent.note(event.event_id, offset) {
            batch.repetitions.push(Repetition { offset, of });
            continue;
        }
        let (event_id, accepted_at_ms, start) = (event.event_id, event.accepted_at_ms, batch.bytes.len());
        let freight = event.freight;
        let row = enrich(event, facts, stream, offset, history);
        row.encode(&mut batch.bytes);
        let vehicle = freight.map(|freight| freight.vehicle);
        batch.alerts.extend(AlertEvent::of_scan(&row, vehicle, accepted_at_ms));
        batch.trips.extend(freight.and_then(|freight| TripEvent::of_scan(&row, &freight, accepted_at_ms)));
        batch.rows.push(StoredRow { offset, event_id, accepted_at_ms, bytes: start..batch.bytes.len() });
    }
    batch
}

/// Joins a scan with its venue and with its person's health as of the scan.
fn enrich(event: ScanEvent, venue: VenueFacts, stream: u32, offset: u64, history: &HealthHistory) -> ScanRow {
    let health = history.as_of(event.person, event.scanned_at, event.accepted_at_ms);
    ScanRow {
        person: event.person,
        venue: event.venue,
        scanned_at: event.scanned_at,
        method: event.method,
        direction: event.direction,
        verdict: event.verdict,
        reasons: event.reasons,
        exemption: event.exemption,
        colour_shown: event.colour,
        colour: health.colour,
        test_result: health.test_result,
        test_sampled_at: health.test_sampled_at,
        district: venue.district,
        category: venue.category,
        far_from_venue: event.far_from_venue,
        event_id: event.event_id,
        stream,
        kafka_offset: offset,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::{Colour, Direction, Exemption, Method, PersonKey, Reasons, Verdict};

    use super::*;

    fn scan(person: u64, venue: VenueId, at: i64) -> ScanEvent {
        let person = PersonKey::from_u64(1 << 60 | person).expect("valid");
        let (method, direction) = (Method::VenueCode, Direction::Entry);
        ScanEvent {
            v: 1,
            event_id: ScanEvent::derive_id(person, venue, at, method, direction),
            person,
            venue,
            method,
            direction,
            scanned_at: at,
            accepted_at_ms: at * 1000 + 5,
            verdict: Verdict::Admit,
            reasons: Reasons::NONE,
            colour: Colour::Green,
            exemption: Exemption::None,
            far_from_venue: false,
            freight: None,
        }
    }

    fn past(horizon: UnixSeconds) -> Forgotten<'static> {
        static NOBODY: std::sync::LazyLock<Erased> = std::sync::LazyLock::new(Erased::default);
        Forgotten { horizon, erased: &NOBODY }
    }

    fn facts(venue: VenueId) -> Option<VenueFacts> {
        (venue < 3).then(|| VenueFacts { district: 310_101, category: "catering".to_owned() })
    }

    fn messages(choices: &[(u64, VenueId, u8)]) -> Vec<Incoming> {
        let event = |(person, venue, kind): &(u64, VenueId, u8)| match kind {
            0 => Err("not a message of this topic".to_owned()),
            kind => Ok(scan(*person, *venue, 1_653_000_000 + i64::from(*kind))),
        };
        choices.iter().enumerate().map(|(i, choice)| Incoming { offset: i as u64, event: event(choice) }).collect()
    }

    proptest! {
        #[test]
        fn every_message_is_a_row_a_repetition_a_dead_letter_or_past(
            choices in proptest::collection::vec((0u64..3, 0u32..4, 0u8..3), 0..40), kept in 0u8..4,
        ) {
            let (history, horizon) = (HealthHistory::default(), 1_653_000_000 + i64::from(kept));
            let batch = build(messages(&choices), 9, past(horizon), facts, &history, &mut RecentIds::new(1000));
            let dealt_with = batch.rows.len() + batch.repetitions.len() + batch.invalid.len();
            prop_assert_eq!(dealt_with + batch.past as usize, choices.len());
            let is_past = |k: u8| k > 0 && k < kept;
            prop_assert_eq!(batch.past as usize, choices.iter().filter(|(_, _, k)| is_past(*k)).count());
            let stored = |v: u32, k: u8| v < 3 && k > 0 && !is_past(k);
            let distinct: std::collections::HashSet<_> = choices.iter().filter(|(_, v, k)| stored(*v, *k)).collect();
            prop_assert_eq!(batch.rows.len(), distinct.len());
            let invalid = |v: u32, k: u8| k == 0 || (v >= 3 && !is_past(k));
            prop_assert_eq!(batch.invalid.len(), choices.iter().filter(|(_, v, k)| invalid(*v, *k)).count());
            let all: Vec<u64> = batch.rows.iter().map(|r| r.offset).collect();
            prop_assert_eq!(batch.bytes_of(&all), batch.bytes.clone());
        }

        /// However a range is cut, its parts are the whole.
        #[test]
        fn parts_are_the_whole(
            choices in proptest::collection::vec((0u64..3, 0u32..4, 0u8..3), 0..40), cut in 0u64..45,
        ) {
            let batch = build(messages(&choices), 9, past(i64::MIN), facts, &HealthHistory::default(), &mut RecentIds::new(1000));
            let [head, tail] = [batch.part(&(0..cut)), batch.part(&(cut..45))];
            prop_assert_eq!([head.bytes.clone(), tail.bytes.clone()].concat(), batch.bytes.clone());
            prop_assert_eq!(head.invalid.len() + tail.invalid.len(), batch.invalid.len());
            prop_assert_eq!([head.repetitions.clone(), tail.repetitions.clone()].concat(), batch.repetitions.clone());
            prop_assert_eq!(head.rows.iter().all(|row| row.offset < cut), true);
            for part in [&head, &tail] {
                for row in &part.rows {
                    prop_assert_eq!(&part.bytes[row.bytes.clone()], &batch.bytes_of(&[row.offset])[..]);
                }
            }
        }

        /// A range is stored again after a crash from the same messages, with what was stored before it.
        #[test]
        fn the_same_range_gives_the_same_bytes(
            choices in proptest::collection::vec((0u64..3, 0u32..4, 0u8..3), 1..40), cut in 0usize..40,
        ) {
            let history = HealthHistory::default();
            let cut = cut.min(choices.len());
            let mut recent = RecentIds::new(1000);
            let tail = |all: Vec<Incoming>| all.into_iter().skip(cut).collect::<Vec<_>>();
            let head = messages(&choices).into_iter().take(cut).collect();
            let before = build(head, 9, past(i64::MIN), facts, &history, &mut recent);
            let first = build(tail(messages(&choices)), 9, past(i64::MIN), facts, &history, &mut recent);
            // After the restart only the rows of the head are known, from the store.
            let mut restored = RecentIds::new(1000);
            for row in &before.rows {
                let event = messages(&choices).swap_remove(row.offset as usize).event.expect("a row was a scan");
                prop_assert_eq!(restored.note(event.event_id, row.offset), None);
            }
            let again = build(tail(messages(&choices)), 9, past(i64::MIN), facts, &history, &mut restored);
            prop_assert_eq!(first.bytes, again.bytes);
        }
    }
}
