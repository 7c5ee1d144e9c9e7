//! Lets reads of anyone's movements through, and writes each down before its answer leaves; as is written down who looks
//! at a person's health, which the person alone may.

use std::sync::Arc;

use futures::future::try_join_all;
use schemas::{
    PersonKey, UnixSeconds, VenueId,
    access::{Limit, covers},
    audit::AuditRead,
};
use service::{Caller, clock::now_ms};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::{
    AppState, QueryError,
    input::{self, Fields, Segment},
    release::{self, Asked, Lack, Question, Subject},
    store::{ReadRow, ReleaseRow},
};

const RELEASE: &str = "the identity of a release, a UUID";

/// A read that was let through, and is to be written down.
#[must_use = "what is read without being written down must not be answered"]
pub struct Permit {
    read: AuditRead,
    /// How many hops each subject of the question is from whom the release names.
    depths: Vec<u8>,
    /// Held until it is written down.
    _slot: Option<OwnedSemaphorePermit>,
}

/// The release that a request names, if it names one.
///
/// # Errors
/// When it is no identity.
pub fn named(fields: &mut Fields) -> Result<Option<Uuid>, QueryError> {
    let text = fields.text("release", RELEASE)?;
    text.map(|text| text.parse().map_err(|_| input::invalid("release", RELEASE))).transpose()
}

/// Lets a read of `route` through if the release that is named covers it.
///
/// # Errors
/// [`QueryError::Unreleased`] with what is missing, or when ClickHouse does not answer.
pub async fn permit(
    state: &AppState,
    caller: &Caller,
    route: &'static str,
    named: Option<Uuid>,
    question: Question,
) -> Result<Permit, QueryError> {
    let id = named.ok_or(Lack::NotNamed)?;
    let release = state.store().release_now(id).await?.ok_or(Lack::Unknown)?;
    release::check_in_force(&release, &caller.claims().sub, now_ms())?;
    if caller.scope().district.is_some_and(|own| !covers(own, release.district)) {
        return Err(QueryError::OutOfScope { field: "release", limit: Limit::District });
    }
    let asked = try_join_all(question.asked.iter().copied().map(|asked| found(state, &release, asked))).await?;
    let depths = release::check_covers(&release, &question, &asked)?;
    let (mut persons, mut venues) = (Vec::new(), Vec::new());
    for Asked { subject, field } in question.asked {
        match subject {
            Subject::Person(person) => persons.push(person.to_u64()),
            Subject::Venue(venue) => {
                check_place(state, &release, venue, field).await?;
                venues.push(venue);
            }
        }
    }
    let read = AuditRead {
        district: release.district,
        release_id: id,
        case_number: release.case_number.clone(),
        case_kind: release.case_kind.clone(),
        evidence: release.evidence.clone(),
        purpose: release.purpose.clone(),
        persons,
        venues,
        depth: depths.iter().copied().max().unwrap_or_default(),
        window_minutes: question.window_minutes,
        from_s: question.time.map_or(0, |time| time.from.into()),
        to_s: question.time.map_or(UnixSeconds::MAX, |time| time.to.into()),
        ..by(caller, route)
    };
    Ok(Permit { read, depths, _slot: None })
}

/// The person of a path that only they themselves may ask for.
///
/// # Errors
/// When it is no person key, or another person's.
pub fn own_person(person: Segment, caller: &Caller) -> Result<PersonKey, QueryError> {
    let person = input::person(&input::segment(person, "person")?)?;
    if caller.scope().person != Some(person) {
        return Err(QueryError::OutOfScope { field: "person", limit: Limit::Person });
    }
    Ok(person)
}

/// Lets somebody read what is kept of themselves: it takes no release, and is written down all the same, so that they see
/// when another phone with a token of theirs did. They are many, and have a few slots of their own, so that however often
/// they look, traces go on.
///
/// # Errors
/// [`QueryError::Overloaded`] while these slots are taken.
pub fn permit_own(
    state: &AppState,
    caller: &Caller,
    route: &'static str,
    person: PersonKey,
) -> Result<Permit, QueryError> {
    let slot = Arc::clone(state.own_slots()).try_acquire_owned().map_err(|_| QueryError::Overloaded)?;
    let purpose = ReadRow::OWN_RECORD.to_owned();
    let read = AuditRead { purpose, persons: vec![person.to_u64()], to_s: UnixSeconds::MAX, ..by(caller, route) };
    Ok(Permit { read, depths: vec![0], _slot: Some(slot) })
}

/// Who reads by which route, and nothing else yet.
fn by(caller: &Caller, route: &'static str) -> AuditRead {
    let (account, role) = (caller.claims().sub.clone(), caller.role().as_str().to_owned());
    AuditRead { account, role, route: route.to_owned(), ..AuditRead::default() }
}

/// Whether a venue lies where the office of a release works; one that the directory does not have lies nowhere.
async fn check_place(
    state: &AppState,
    release: &ReleaseRow,
    venue: VenueId,
    field: &'static str,
) -> Result<(), QueryError> {
    let Some(area) = release::area(release.district) else { return Ok(()) };
    let owner = state.store().venue_owner(venue).await?;
    match owner.is_some_and(|owner| covers(area, owner.district)) {
        true => Ok(()),
        false => Err(Lack::OtherDistrict { field }.into()),
    }
}

/// How many hops the subject is from whom the release names; none when nothing that was read by it has led there.
async fn found(state: &AppState, release: &ReleaseRow, asked: Asked) -> Result<(Asked, Option<u8>), QueryError> {
    let depth = match asked.subject {
        subject if release::names(release, subject) => Some(0),
        Subject::Person(person) => state.store().hops_to(release, person).await?,
        Subject::Venue(_) => None,
    };
    Ok((asked, depth))
}

impl Permit {
    /// The district of the release.
    pub const fn district(&self) -> u32 {
        self.read.district
    }

    /// How far from whom the release names somebody is who is so many hops from these subjects, each by its place in the
    /// question.
    pub fn depth_of(&self, subjects: impl IntoIterator<Item = usize>, hops: u8) -> u8 {
        let depths = subjects.into_iter().filter_map(|place| self.depths.get(place));
        // Of nobody, as far as any of them leads.
        depths.min().copied().unwrap_or(self.read.depth).saturating_add(hops)
    }

    /// Writes down what is answered: who else is in it, how far each is from whom the release names, and how many scans,
    /// changes or registrations. The answer may leave when this has returned.
    ///
    /// # Errors
    /// [`QueryError::NotAudited`]: then there is no answer.
    pub async fn write_down(
        mut self,
        state: &AppState,
        reached: impl IntoIterator<Item = (PersonKey, u8)>,
        scans: usize,
    ) -> Result<(), QueryError> {
        let mut reached: Vec<(u64, u8)> = reached.into_iter().map(|(person, depth)| (person.to_u64(), depth)).collect();
        // Of one who is there twice the nearer.
        reached.sort_unstable();
        reached.dedup_by_key(|(person, _)| *person);
        (self.read.reached, self.read.reached_depths) = reached.into_iter().unzip();
        self.read.scans = scans as u64;
        state.audit().append(self.read).await
    }
}
