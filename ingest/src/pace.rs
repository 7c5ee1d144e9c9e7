//! How many scans may wait to be kept at the same time, found from how long they take. Pure.
//!
//! Waiting scans are a queue: its length divided by what Kafka takes per second is everyone's waiting time. So the
//! length is lowered when scans take longer than they should, and raised while it is what holds them up.

use std::time::Duration;

/// What a scan at a door may take on average, so that one in a hundred stays below 100 ms.
const DOOR_TARGET: Duration = Duration::from_millis(40);
/// What a batch may take when nobody waits at a door.
const BATCH_TARGET: Duration = Duration::from_millis(400);
/// However long scans take, so many may wait: fewer would hardly make them quicker, as they go to Kafka together, and
/// only keep Kafka idle when it is slow for another reason.
const FLOOR: usize = 256;
/// What is allowed before anything is known.
pub const START: usize = 4_096;
/// Above this memory would be the limit.
const CEILING: usize = 65_536;

/// What was seen since the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// How long single scans took on average; `None` without one.
    pub door: Option<Duration>,
    /// How long batches took on average; `None` without one.
    pub batches: Option<Duration>,
    /// How late the gateway's own tasks ran: scans wait for the processor as well as for Kafka.
    pub lateness: Duration,
    /// The most scans that waited at the same time.
    pub peak: usize,
}

/// The limit for the next while.
pub fn next(limit: usize, seen: &Seen) -> usize {
    let (took, target) = match (seen.door, seen.batches) {
        (Some(door), _) => (door + seen.lateness, DOOR_TARGET),
        (None, Some(batches)) => (batches, BATCH_TARGET),
        (None, None) => return limit,
    };
    let next = if took > target {
        // At most by a third at once: an average of one moment is not the whole truth.
        let fitting = limit as f64 * target.as_secs_f64() / took.as_secs_f64();
        (fitting as usize).max(limit * 2 / 3)
    } else if seen.peak >= limit * 3 / 4 {
        limit + limit / 8 + 1
    } else {
        limit
    };
    next.clamp(FLOOR, CEILING)
}

/// Whether one more request may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It may.
    Free,
    /// Its client has its share already, and others wait too.
    OverShare,
    /// All places are taken.
    Full,
}

/// Decides on one more request of a client that has `mine` of all `waiting` scans, of so many clients that have any.
///
/// While half of the places are free nobody is asked for their share. A client below its share still gets in when the
/// others have taken all places: they had more than theirs from a time when there was room.
pub fn entry(limit: usize, waiting: usize, mine: usize, clients: usize) -> Entry {
    if waiting < limit / 2 {
        return Entry::Free;
    }
    let others = clients.saturating_sub(usize::from(mine > 0));
    let share = (limit / (others + 1)).max(1);
    if mine >= share {
        return if others > 0 { Entry::OverShare } else { Entry::Full };
    }
    if may_enter(limit, waiting) { Entry::Free } else { Entry::Full }
}

/// Whether anybody at all may get in.
pub const fn may_enter(limit: usize, waiting: usize) -> bool {
    waiting < limit + limit / 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A Kafka that takes so many scans per second behind `base` of its own time, offered more than that.
    fn settle(per_second: f64, base: Duration, mut limit: usize) -> (usize, Duration) {
        let mut took = Duration::ZERO;
        for _ in 0..400 {
            took = base.max(Duration::from_secs_f64(limit as f64 / per_second));
            limit = next(limit, &Seen { door: Some(took), peak: limit, ..Seen::default() });
        }
        (limit, took)
    }

    #[test]
    fn the_queue_settles_where_waiting_takes_what_it_may() {
        for per_second in [8_000.0, 20_000.0, 200_000.0] {
            for start in [FLOOR, START, CEILING] {
                let (limit, took) = settle(per_second, ms(5), start);
                assert!(took <= DOOR_TARGET * 5 / 4, "{per_second}: {limit} {took:?}");
                assert!(limit as f64 > per_second * 0.02, "{per_second}: {limit} keeps Kafka busy");
            }
        }
    }

    #[test]
    fn without_pressure_nothing_changes_and_batches_alone_may_take_longer() {
        let seen = Seen { door: Some(ms(10)), peak: 100, ..Seen::default() };
        assert_eq!(next(START, &seen), START);
        assert_eq!(next(START, &Seen::default()), START);
        let batches = Seen { batches: Some(ms(300)), peak: 100, ..Seen::default() };
        assert_eq!(next(START, &batches), START);
        assert!(next(START, &Seen { door: Some(ms(300)), ..batches }) < START);
        assert!(next(START, &Seen { lateness: ms(35), ..seen }) < START, "the processor is what they wait for");
    }

    #[test]
    fn a_greedy_client_leaves_places_to_others() {
        assert_eq!(entry(100, 49, 49, 1), Entry::Free);
        assert_eq!(entry(100, 99, 99, 1), Entry::Free);
        assert_eq!(entry(100, 100, 100, 1), Entry::Full);
        assert_eq!(entry(100, 60, 50, 2), Entry::OverShare, "half of the places are the other one's");
        assert_eq!(entry(100, 110, 10, 2), Entry::Free);
        assert_eq!(entry(100, 125, 10, 2), Entry::Full);
        assert_eq!(entry(100, 100, 0, 1), Entry::Free, "a newcomer beside one who has everything");
        assert_eq!(entry(100, 120, 0, 500), Entry::Free);
    }

    proptest! {
        #[test]
        fn no_more_wait_than_a_quarter_above_the_limit(limit in FLOOR..CEILING, waiting: u16, mine: u16, clients in 1usize..1000) {
            let waiting = usize::from(waiting.max(mine));
            if entry(limit, waiting, mine.into(), clients) == Entry::Free {
                prop_assert!(waiting < limit + limit / 4);
            }
        }

        #[test]
        fn the_limit_stays_within_its_bounds(limit in FLOOR..=CEILING, door: Option<u16>, batches: Option<u16>, lateness: u16, peak: u32) {
            let time = |t: u16| ms(t.into());
            let seen = Seen { door: door.map(time), batches: batches.map(time), lateness: time(lateness), peak: peak as usize };
            prop_assert!((FLOOR..=CEILING).contains(&next(limit, &seen)));
        }
    }
}
