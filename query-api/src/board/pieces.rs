//! Takes a time apart into the hours or days by which counts are kept. Pure.

use std::ops::Range;

use super::known::{HOUR_S, Look};
use crate::{
    buckets::Step,
    store::{BucketRow, FootfallQuestion, TimeRange},
};

/// An hour or a day of the city that has scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Its first second.
    pub start: u32,
    /// What of it is asked for.
    pub time: TimeRange,
    /// Whether that is all of it.
    pub is_whole: bool,
    /// The look that last saw it change.
    pub changed: Look,
}

impl Unit {
    /// Of rows in order those that lie in it.
    pub fn of<'a>(&self, rows: &'a [BucketRow]) -> &'a [BucketRow] {
        let index = |at: u32| rows.partition_point(|row| row.start < at.into());
        &rows[index(self.time.from)..index(self.time.to)]
    }
}

/// The whole hours of a time, which are known, and what is left of it on either side; for steps of minutes all is left.
pub fn hours_and_rest(time: TimeRange, step: Step) -> (TimeRange, Vec<TimeRange>) {
    let TimeRange { from, to } = time;
    let first = from.checked_next_multiple_of(HOUR_S).unwrap_or(u32::MAX);
    let last = to - to % HOUR_S;
    if step == Step::Minute || first >= last {
        return (TimeRange { from, to: from }, vec![time]);
    }
    let rest = [TimeRange { from, to: first }, TimeRange { from: last, to }];
    (TimeRange { from: first, to: last }, rest.into_iter().filter(|rest| rest.from < rest.to).collect())
}

/// The hours that a time touches.
pub fn whole_hours(time: TimeRange) -> TimeRange {
    let to = time.to.checked_next_multiple_of(HOUR_S).unwrap_or(u32::MAX);
    TimeRange { from: time.from - time.from % HOUR_S, to }
}

/// The units of a question that have scans, in order: hours of minutes or of hours, else days of the city. `hours` names
/// the hours with scans in a time, in order, `changed` when any in a time last changed.
pub fn units<I: Iterator<Item = i64>>(
    question: &FootfallQuestion,
    hours: impl FnOnce(Range<u32>) -> I,
    changed: impl Fn(Range<u32>) -> Look,
) -> Vec<Unit> {
    let FootfallQuestion { time: TimeRange { from, to }, step, offset_s, .. } = *question;
    let unit = if step == Step::Day { Step::Day } else { Step::Hour };
    let in_range = |at: i64| u32::try_from(at.max(0)).unwrap_or(u32::MAX);
    let first = in_range(unit.start_of(from.into(), offset_s));
    let mut units: Vec<Unit> = Vec::new();
    for hour in hours(first..to) {
        let (begins, ends) = (unit.start_of(hour, offset_s), unit.end_of(hour, offset_s));
        let (start, end) = (in_range(begins), in_range(ends));
        if units.last().is_none_or(|last| last.start != start) {
            let time = TimeRange { from: start.max(from), to: end.min(to) };
            units.push(Unit {
                start,
                time,
                is_whole: i64::from(from) <= begins && ends <= i64::from(to),
                changed: changed(start..end),
            });
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{People, Scope};

    const fn time(from: u32, to: u32) -> TimeRange {
        TimeRange { from, to }
    }

    #[test]
    fn hours_are_taken_whole_and_the_rest_by_minutes() {
        for step in [Step::Hour, Step::Day] {
            let expected = (time(3_600, 10_800), vec![time(3_000, 3_600), time(10_800, 12_000)]);
            assert_eq!(hours_and_rest(time(3_000, 12_000), step), expected);
            assert_eq!(hours_and_rest(time(3_600, 7_200), step), (time(3_600, 7_200), vec![]));
            assert_eq!(hours_and_rest(time(60, 3_660), step).1, [time(60, 3_660)], "no whole hour");
        }
        assert_eq!(hours_and_rest(time(0, 7_200), Step::Minute).1, [time(0, 7_200)]);
        assert_eq!(whole_hours(time(3_660, 7_260)), time(3_600, 10_800));
    }

    #[test]
    fn units_are_those_with_scans_and_say_whether_they_are_asked_for_whole() {
        let question = |step, from, to| FootfallQuestion {
            scope: Scope::City,
            time: time(from, to),
            step,
            offset_s: 8 * 3_600,
            people: People::No,
        };
        let days = |from, to| {
            let hours = [0, 3_600, 57_600, 144_000].into_iter().filter(move |hour| (0..i64::from(to)).contains(hour));
            units(&question(Step::Day, from, to), |_| hours, |hours| hours.start.into())
        };
        let unit = |start, from, to, is_whole| {
            let time = time(from, to);
            Unit { start, time, is_whole, changed: start.into() }
        };
        // Days begin at 16:00 UTC; the first one began before 1970.
        assert_eq!(
            days(0, 144_001),
            [unit(0, 0, 57_600, false), unit(57_600, 57_600, 144_000, true), unit(144_000, 144_000, 144_001, false)]
        );
        assert_eq!(days(57_601, 144_000)[1..], [unit(57_600, 57_601, 144_000, false)]);
        let row = |start| BucketRow { start, ..BucketRow::default() };
        let rows = [row(0), row(57_600), row(144_000)];
        assert_eq!(unit(57_600, 57_600, 144_000, true).of(&rows), &rows[1..2]);
    }
}
