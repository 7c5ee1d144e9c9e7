//! Whether somebody may read what they ask for: by a release that another account has given them. Pure: the clock and what
//! earlier reads have reached are arguments.

use schemas::{
    PersonKey, VenueId,
    events::{CaseKind, Purpose, ReleaseState},
};

use crate::store::{ReleaseRow, TimeRange};

/// Whose movements, or whose visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A person's.
    Person(PersonKey),
    /// A venue's.
    Venue(VenueId),
}

/// Who or what is asked about, and in which field of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whom or what.
    pub subject: Subject,
    /// Where the request names it.
    pub field: &'static str,
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of whom: one at least.
    pub asked: Vec<Asked>,
    /// From when to when; none for what has no time.
    pub time: Option<TimeRange>,
    /// How many hops it goes beyond the subjects: 0 for its own visits, 1 for whom it met.
    pub steps: u8,
    /// How many minutes around a visit contacts are looked for: 0 for who was there at all.
    pub window_minutes: u16,
    /// What of the request asks for so many.
    pub window_field: &'static str,
}

/// What is missing for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// No release is named.
    #[error("expected the identity of a release: ask for one with /v1/releases of the gateway, and have it released")]
    NotNamed,
    /// There is none of this identity.
    #[error("there is no such release; one that was asked for is here within a second or two")]
    Unknown,
    /// Somebody else has asked for it.
    #[error("another account has asked for this release: nobody else reads by it")]
    OfAnother,
    /// Nobody has released it.
    #[error("this is {}: it takes a supervisor with another account to release it", .0.as_str())]
    NotReleased(ReleaseState),
    /// It has no case, no evidence, or a purpose that is not of the closed list. The gateway takes none like that; here it
    /// is held against once more, where the answer would leave.
    #[error("this release says no case, no evidence or no purpose that is known here")]
    WithoutReason,
    /// Its time is over.
    #[error("this release has expired: ask for another one")]
    Expired,
    /// It names neither this person or venue, nor did a trace by it find this person.
    #[error("the release does not name this, nor has anything that was read by it led here")]
    OtherSubject {
        /// Where the subject was named.
        field: &'static str,
    },
    /// It begins later or ends earlier.
    #[error("the release is for another time: see its `from` and `to`")]
    OtherTime {
        /// `from` or `to`.
        field: &'static str,
    },
    /// The venue is not in the district of the office that has the case.
    #[error("this venue is not in the release's district: it takes a release of its own district, or of the city")]
    OtherDistrict {
        /// Where the venue was named.
        field: &'static str,
    },
    /// It does not look so far around a visit.
    #[error("the release is for a smaller window: see its `window_minutes`; stays may take a whole day, 1440")]
    TooWide {
        /// What asks for the window.
        field: &'static str,
    },
    /// It does not go so many hops.
    #[error("this is further from whom the release names than its `hops` allow")]
    TooFar {
        /// Where the subject was named.
        field: &'static str,
    },
}

impl Lack {
    /// Its kind of problem.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NotNamed => "release-required",
            Self::Unknown => "release-unknown",
            Self::OfAnother => "release-of-another-account",
            Self::NotReleased(_) => "release-not-given",
            Self::WithoutReason => "release-without-reason",
            Self::Expired => "release-expired",
            Self::OtherSubject { .. }
            | Self::OtherTime { .. }
            | Self::TooFar { .. }
            | Self::TooWide { .. }
            | Self::OtherDistrict { .. } => "release-does-not-cover",
        }
    }

    /// The field that is wrong.
    pub const fn field(self) -> &'static str {
        match self {
            Self::OtherSubject { field }
            | Self::OtherTime { field }
            | Self::OtherDistrict { field }
            | Self::TooWide { field }
            | Self::TooFar { field } => field,
            _ => "release",
        }
    }
}

/// Whether a release lets an account read at a time, whatever it reads.
///
/// # Errors
/// What is missing.
pub fn check_in_force(release: &ReleaseRow, account: &str, now_ms: i64) -> Result<(), Lack> {
    if release.asked_by != account {
        return Err(Lack::OfAnother);
    }
    match release.state() {
        Some(ReleaseState::Released) if now_ms >= release.expires_at_ms => Err(Lack::Expired),
        Some(ReleaseState::Released) if has_reason(release) => Ok(()),
        Some(ReleaseState::Released) => Err(Lack::WithoutReason),
        state => Err(Lack::NotReleased(state.unwrap_or(ReleaseState::Asked))),
    }
}

fn has_reason(release: &ReleaseRow) -> bool {
    let said = !release.case_number.is_empty() && !release.evidence.is_empty();
    said && CaseKind::of(&release.case_kind).is_some() && Purpose::of(&release.purpose).is_some()
}

/// The district to whose venues a release of an office is limited; none for a city's or a province's office.
pub const fn area(district: u32) -> Option<u32> {
    if schemas::access::is_city_wide(district) { None } else { Some(district) }
}

/// Whether a release names the subject.
pub fn names(release: &ReleaseRow, subject: Subject) -> bool {
    match subject {
        Subject::Person(person) => release.persons.contains(&person.to_u64()),
        Subject::Venue(venue) => release.venues.contains(&venue),
    }
}

/// Whether a release covers what is asked, and how many hops each subject is from whom the release names: with each comes
/// how many those are, and none for one to whom nothing that was read by it has led.
///
/// # Errors
/// What is missing.
pub fn check_covers(release: &ReleaseRow, question: &Question, asked: &[(Asked, Option<u8>)]) -> Result<Vec<u8>, Lack> {
    let Question { time, steps, window_minutes, window_field, .. } = question;
    let found = |(asked, depth): &(Asked, Option<u8>)| match depth {
        Some(depth) => Ok((asked.field, *depth)),
        None => Err(Lack::OtherSubject { field: asked.field }),
    };
    let depths = asked.iter().map(found).collect::<Result<Vec<_>, _>>()?;
    if time.is_some_and(|time| i64::from(time.from) < release.from_s) {
        return Err(Lack::OtherTime { field: "from" });
    }
    if time.is_some_and(|time| i64::from(time.to) > release.to_s) {
        return Err(Lack::OtherTime { field: "to" });
    }
    if *window_minutes > release.window_minutes {
        return Err(Lack::TooWide { field: window_field });
    }
    let within = |(field, depth): (&'static str, u8)| match depth.saturating_add(*steps) <= release.hops {
        true => Ok(depth),
        false => Err(Lack::TooFar { field }),
    };
    depths.into_iter().map(within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_653_000_000_000;

    fn person(number: u64) -> PersonKey {
        PersonKey::from_u64(1 << 60 | number).expect("valid")
    }

    fn release(change: impl FnOnce(&mut ReleaseRow)) -> ReleaseRow {
        let mut row = ReleaseRow {
            asked_by: "li".to_owned(),
            state: "released".to_owned(),
            case_number: "C-1".to_owned(),
            case_kind: "confirmed".to_owned(),
            evidence: "E-1".to_owned(),
            purpose: "contact_tracing".to_owned(),
            persons: vec![person(1).to_u64()],
            venues: vec![7],
            from_s: 100,
            to_s: 200,
            hops: 1,
            window_minutes: 30,
            expires_at_ms: NOW_MS + 1,
            ..ReleaseRow::default()
        };
        change(&mut row);
        row
    }

    #[test]
    fn only_its_asker_reads_by_a_release_while_it_is_in_force() {
        let check = |account, change: fn(&mut ReleaseRow)| check_in_force(&release(change), account, NOW_MS);
        assert_eq!(check("li", |_| {}), Ok(()));
        assert_eq!(check("wu", |_| {}), Err(Lack::OfAnother));
        assert_eq!(check("li", |r| r.expires_at_ms = NOW_MS), Err(Lack::Expired));
        let reasons: [fn(&mut ReleaseRow); 4] = [
            |r| r.case_number.clear(),
            |r| r.case_kind = "rumour".to_owned(),
            |r| r.evidence.clear(),
            |r| r.purpose = "curiosity".to_owned(),
        ];
        for without in reasons {
            assert_eq!(check("li", without), Err(Lack::WithoutReason));
        }
        for state in ReleaseState::ALL.iter().filter(|state| **state != ReleaseState::Released) {
            let mut row = release(|_| {});
            row.state = state.as_str().to_owned();
            assert_eq!(check_in_force(&row, "li", NOW_MS), Err(Lack::NotReleased(*state)));
        }
        assert!(check("li", |r| r.state = "of a newer build".to_owned()).is_err());
    }

    fn question() -> Question {
        let time = Some(TimeRange { from: 0, to: 0 });
        Question { asked: Vec::new(), time, steps: 0, window_minutes: 0, window_field: "window_minutes" }
    }

    #[test]
    fn a_release_covers_its_time_its_subjects_and_its_hops_and_no_more() {
        let check = |asked: &[(Subject, Option<u8>)], (from, to), steps| {
            let named = |(subject, depth): &(Subject, Option<u8>)| match subject {
                Subject::Person(_) => (Asked { subject: *subject, field: "person" }, *depth),
                Subject::Venue(_) => (Asked { subject: *subject, field: "id" }, *depth),
            };
            let asked: Vec<_> = asked.iter().map(named).collect();
            let question = Question { time: Some(TimeRange { from, to }), steps, window_minutes: 30, ..question() };
            check_covers(&release(|_| {}), &question, &asked)
        };
        let (who, venue) = (Subject::Person(person(1)), Subject::Venue(7));
        assert_eq!(check(&[(who, Some(0))], (100, 200), 1), Ok(vec![0]));
        assert_eq!(check(&[(venue, Some(0))], (100, 200), 1), Ok(vec![0]));
        assert_eq!(check(&[(who, Some(0))], (99, 200), 1), Err(Lack::OtherTime { field: "from" }));
        assert_eq!(check(&[(who, Some(0))], (100, 201), 1), Err(Lack::OtherTime { field: "to" }));
        assert_eq!(check(&[(who, Some(1))], (100, 200), 0), Ok(vec![1]), "the visits of a contact");
        let too_far = Err(Lack::TooFar { field: "person" });
        assert_eq!(check(&[(who, Some(1))], (100, 200), 1), too_far, "whom a contact met");
        assert_eq!(check(&[(who, Some(0))], (100, 200), 2), too_far, "whom those met whom the person met");
        assert_eq!(check(&[(who, Some(2))], (100, 200), 0), too_far);
        assert_eq!(check(&[(who, None)], (100, 200), 0), Err(Lack::OtherSubject { field: "person" }));
        assert_eq!(check(&[(venue, None)], (100, 200), 1), Err(Lack::OtherSubject { field: "id" }));
        // Of several each one.
        assert_eq!(check(&[(venue, Some(0)), (who, Some(1))], (100, 200), 0), Ok(vec![0, 1]));
        assert_eq!(check(&[(venue, Some(0)), (who, Some(1))], (100, 200), 1), too_far);
        let unknown = Err(Lack::OtherSubject { field: "id" });
        assert_eq!(check(&[(who, Some(0)), (venue, None)], (100, 200), 0), unknown);
        let wide = |window_minutes| {
            let time = Some(TimeRange { from: 100, to: 200 });
            let named = (Asked { subject: who, field: "person" }, Some(0));
            check_covers(&release(|_| {}), &Question { time, steps: 1, window_minutes, ..question() }, &[named])
        };
        let named = (Asked { subject: who, field: "person" }, Some(1));
        let timeless = Question { time: None, ..question() };
        assert_eq!(check_covers(&release(|_| {}), &timeless, &[named]), Ok(vec![1]), "what has no time");
        assert_eq!((wide(30), wide(31)), (Ok(vec![0]), Err(Lack::TooWide { field: "window_minutes" })));
        let row = release(|_| {});
        assert!(names(&row, who) && names(&row, venue));
        assert!(!names(&row, Subject::Person(person(2))) && !names(&row, Subject::Venue(8)));
    }
}
