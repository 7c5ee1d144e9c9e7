//! What the last looks have counted: each hour of the city, of each district and each category, and the minutes of the
//! hours that run. Pure: when a look began is an argument.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    time::Instant,
};

use crate::store::{BucketRow, Counts, Scope};

/// Seconds of an hour.
pub const HOUR_S: u32 = 3_600;

/// A number that grows with each look.
pub type Look = u64;

/// The counts as of the last looks.
#[derive(Debug, Default)]
pub struct Known {
    scopes: HashMap<Scope, Counted>,
    look: Look,
    /// When the last look at all hours began.
    hours_at: Option<Instant>,
    /// The same for the minutes, and the hour from which on these are known.
    minutes_at: Option<(Instant, u32)>,
}

/// The counts of a scope.
#[derive(Debug, Default)]
struct Counted {
    hours: BTreeMap<u32, Hour>,
    /// The look that last saw an hour lose all its scans: such an hour is not kept, and counts as one of any time.
    emptied: Look,
    minutes: BTreeMap<u32, BucketRow>,
}

/// The counts of an hour, and which look saw them change.
#[derive(Debug, Default)]
struct Hour {
    counts: BucketRow,
    changed: Look,
}

impl Known {
    /// The last look.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// When the last look at all hours and the last one at the running minutes began; none before there was one of each.
    pub fn as_of(&self) -> Option<(Instant, Instant)> {
        Some((self.hours_at?, self.minutes_at?.0))
    }

    /// The hour from which on minutes are known.
    pub fn minutes_since(&self) -> u32 {
        self.minutes_at.map_or(u32::MAX, |(_, since)| since)
    }

    /// Takes over what a look at all hours has counted.
    pub fn learn_hours(&mut self, hours: Counts, began: Instant) {
        self.look += 1;
        self.hours_at = Some(began);
        self.replace_hours(0, hours);
    }

    /// Forgets all counts, but not how many looks there were: what was kept before them is told from what comes after.
    pub fn forget(&mut self) {
        *self = Self { look: self.look, ..Self::default() };
    }

    /// Takes over what a look at the minutes since an hour has counted, and with them their hours.
    pub fn learn_minutes(&mut self, minutes: Counts, since: u32, began: Instant) {
        self.look += 1;
        self.minutes_at = Some((began, since));
        self.replace_hours(since, minutes.iter().map(|(scope, minutes)| (scope.clone(), by_hour(minutes))).collect());
        self.scopes.values_mut().for_each(|counted| counted.minutes.clear());
        for (scope, minutes) in minutes {
            self.scopes.entry(scope).or_default().minutes = minutes;
        }
    }

    /// An hour that is in none of the new counts has no scans any more.
    fn replace_hours(&mut self, since: u32, mut counted: Counts) {
        for (scope, known) in &mut self.scopes {
            let counted = counted.entry(scope.clone()).or_default();
            let gone = known.hours.extract_if(since.., |start, hour| match counted.remove(start) {
                Some(counts) => {
                    if hour.counts != counts {
                        *hour = Hour { counts, changed: self.look };
                    }
                    false
                }
                None => true,
            });
            if gone.count() > 0 {
                known.emptied = self.look;
            }
        }
        for (scope, hours) in counted {
            let known = self.scopes.entry(scope).or_default();
            known.hours.extend(hours.into_iter().map(|(start, counts)| (start, Hour { counts, changed: self.look })));
        }
    }

    /// The hours of a scope in a time that have scans, in order.
    pub fn hours(&self, scope: &Scope, time: Range<u32>) -> impl Iterator<Item = &BucketRow> {
        let hours = self.scopes.get(scope).map(|counted| counted.hours.range(time));
        hours.into_iter().flatten().map(|(_, hour)| &hour.counts)
    }

    /// The minutes of a scope in a time that have scans, in order; of hours of which they are known.
    pub fn minutes(&self, scope: &Scope, time: Range<u32>) -> impl Iterator<Item = &BucketRow> {
        let minutes = self.scopes.get(scope).map(|counted| counted.minutes.range(time));
        minutes.into_iter().flatten().map(|(_, counts)| counts)
    }

    /// The look that last saw any of these hours change, or an hour of the scope lose all its scans; 0 for hours that have
    /// none.
    pub fn changed(&self, scope: &Scope, hours: Range<u32>) -> Look {
        let Some(counted) = self.scopes.get(scope) else { return 0 };
        counted.hours.range(hours).map(|(_, hour)| hour.changed).chain([counted.emptied]).max().unwrap_or(0)
    }
}

fn empty(start: u32) -> BucketRow {
    BucketRow { start: start.into(), ..BucketRow::default() }
}

fn by_hour(minutes: &BTreeMap<u32, BucketRow>) -> BTreeMap<u32, BucketRow> {
    let mut hours = BTreeMap::new();
    for (minute, counts) in minutes {
        let start = minute - minute % HOUR_S;
        hours.entry(start).or_insert_with(|| empty(start)).add(counts);
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn district(number: u32) -> Scope {
        Scope::District(number)
    }

    fn counts<const N: usize>(counts: [(Scope, u32, u64); N]) -> Counts {
        let mut by_scope = Counts::new();
        for (scope, start, scans) in counts {
            let row = BucketRow { start: start.into(), scans, green: scans, ..BucketRow::default() };
            by_scope.entry(scope).or_default().insert(start, row);
        }
        by_scope
    }

    fn scans(known: &Known, scope: &Scope) -> Vec<(i64, u64)> {
        known.hours(scope, 0..u32::MAX).map(|counts| (counts.start, counts.scans)).collect()
    }

    #[test]
    fn each_hour_says_when_it_changed() {
        let mut known = Known::default();
        let before = [(district(1), 0, 2), (district(2), 0, 3), (district(2), 3_600, 4)];
        known.learn_hours(counts(before.clone()), Instant::now());
        assert_eq!(scans(&known, &district(2)), [(0, 3), (3_600, 4)]);
        known.learn_hours(counts(before), Instant::now());
        assert_eq!((known.look(), known.changed(&district(2), 0..7_200)), (2, 1), "nothing new");
        known.learn_hours(counts([(district(1), 0, 2), (district(2), 3_600, 5)]), Instant::now());
        assert_eq!(scans(&known, &district(2)), [(3_600, 5)], "what is deleted is gone");
        assert_eq!(known.scopes[&district(2)].hours.len(), 1, "and nothing is left of it");
        assert_eq!((known.changed(&district(2), 0..3_600), known.changed(&district(2), 3_600..7_200)), (3, 3));
        assert_eq!(known.changed(&district(1), 0..7_200), 1, "the same there");
        assert_eq!(known.changed(&district(9), 0..7_200), 0);
        known.forget();
        assert_eq!((known.look(), known.hours(&district(1), 0..7_200).count()), (3, 0));
    }

    #[test]
    fn minutes_replace_their_hours_and_no_earlier_ones() {
        let mut known = Known::default();
        known.learn_hours(counts([(Scope::City, 0, 2), (Scope::City, 3_600, 3), (district(1), 0, 2)]), Instant::now());
        assert!(known.as_of().is_none());
        known.learn_minutes(counts([(Scope::City, 3_660, 3), (Scope::City, 3_720, 1)]), 3_600, Instant::now());
        assert!(known.as_of().is_some());
        assert_eq!(scans(&known, &Scope::City), [(0, 2), (3_600, 4)]);
        let minutes: Vec<_> = known.minutes(&Scope::City, 0..7_200).map(|m| (m.start, m.scans)).collect();
        assert_eq!(minutes, [(3_660, 3), (3_720, 1)]);
        assert_eq!((known.changed(&district(1), 0..7_200), known.changed(&Scope::City, 0..7_200)), (1, 2));
        known.learn_minutes(Counts::new(), 3_600, Instant::now());
        assert_eq!(scans(&known, &Scope::City), [(0, 2)]);
        assert_eq!(known.minutes(&Scope::City, 0..7_200).count(), 0);
    }
}
