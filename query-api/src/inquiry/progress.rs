//! How far a trace is, for whoever looks on.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

/// How far a trace is. Numbers only, and each by itself: they are to be looked at, not reckoned with.
#[derive(Debug, Default)]
pub struct Progress {
    hop: AtomicU8,
    people_done: AtomicU32,
    people: AtomicU32,
}

/// A look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The hop that it is looking for; 0 before it has begun.
    pub hop: u8,
    /// People whose scans it has read in this step.
    pub people_done: u32,
    /// Of how many; 0 where it reads nobody's.
    pub people: u32,
}

impl Step {
    /// Whole tenths of it that are done; none where it reads nobody's scans.
    pub fn tenths_done(self) -> Option<u8> {
        let tenths = (u64::from(self.people_done) * 10).checked_div(self.people.into())?;
        Some(tenths.min(10) as u8)
    }
}

impl Progress {
    /// It goes on to a hop.
    pub fn begin(&self, hop: u8) {
        self.people(0, 0);
        self.hop.store(hop, Relaxed);
    }

    /// It has read the scans of so many people, of how many.
    pub fn people(&self, done: usize, of: usize) {
        self.people_done.store(u32::try_from(done).unwrap_or(u32::MAX), Relaxed);
        self.people.store(u32::try_from(of).unwrap_or(u32::MAX), Relaxed);
    }

    /// How far it is now.
    pub fn now(&self) -> Step {
        Step {
            hop: self.hop.load(Relaxed),
            people_done: self.people_done.load(Relaxed),
            people: self.people.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_how_far_it_is_and_nothing_of_how_many_people() {
        for (people_done, people, tenths) in
            [(0, 0, None), (0, 7, Some(0)), (1, 7, Some(1)), (6, 7, Some(8)), (7, 7, Some(10)), (1_999, 2_000, Some(9))]
        {
            assert_eq!(Step { hop: 1, people_done, people }.tenths_done(), tenths, "{people_done} of {people}");
        }
        assert_eq!(Step { hop: 1, people_done: u32::MAX, people: 1 }.tenths_done(), Some(10));
    }
}
