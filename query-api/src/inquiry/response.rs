//! The words of an answer to a trace.

use chrono::{DateTime, Utc};
use schemas::{Colour, Method, PersonKey, VenueId};
use serde::Serialize;
use utoipa::ToSchema;

use super::coverage::Coverage;
use crate::{
    answer::{self, Visit},
    exposure::{CaseNumber, Stay, StayRule},
};

/// Where the cases were, and the people who were near.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraceResponse {
    /// The one person of the request; null when it names several cases.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    pub(super) person: Option<PersonKey>,
    /// All cases: people first, then venues, as requested. Their numbers here are those in the rest of the answer.
    pub(super) cases: Vec<CaseAnswer>,
    /// As requested.
    pub(super) from: DateTime<Utc>,
    /// As requested.
    pub(super) to: DateTime<Utc>,
    /// As requested, or the default: `window` or `dwell`.
    pub(super) rule: &'static str,
    /// As requested, or the default; null with `dwell`.
    pub(super) window_minutes: Option<u32>,
    /// As requested, or the default.
    pub(super) hops: u8,
    /// As requested, or of the city profile: minutes together after which half is risked.
    pub(super) halving_minutes: u16,
    /// As requested, or of the city profile: how much of a person's score counts towards the next hop.
    pub(super) hop_percent: u8,
    /// Scans of the cases, oldest first; one by another method at the same point within minutes is the same visit (S3).
    pub(super) visits: Vec<TracedVisit>,
    /// People who were near: nearer hops first, then the longest overlap, then by key.
    pub(super) contacts: Vec<ContactAnswer>,
    /// How many people were near, listed or not.
    pub(super) contact_count: usize,
    /// The same for each hop that was followed.
    pub(super) contact_counts: Vec<usize>,
    /// Where it happened: the longest time together first, then the most contacts.
    pub(super) venues: Vec<VenueAnswer>,
    /// What two or more cases have in common; of one case nothing. Whoever they reach in different hops is not in it.
    pub(super) shared: Shared,
    /// Whether a limit left anything out; `cuts` says what.
    pub(super) truncated: bool,
    /// What was left out.
    pub(super) cuts: Vec<Cut>,
    /// The limits.
    pub(super) limits: TraceLimits,
    /// How much of what happened the scans can tell.
    pub(super) coverage: Coverage,
}

/// An index case.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseAnswer {
    /// Its number.
    pub(super) case: CaseNumber,
    /// Who; null when the case is a venue.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    pub(super) person: Option<PersonKey>,
    /// Where; null when the case is a person.
    pub(super) venue: Option<VenueId>,
    /// First second that counts.
    pub(super) from: DateTime<Utc>,
    /// First second after.
    pub(super) to: DateTime<Utc>,
}

/// A visit of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TracedVisit {
    /// Number of the case.
    pub(super) case: CaseNumber,
    /// The scan.
    #[serde(flatten)]
    pub(super) visit: Visit,
    /// With `dwell` the stay that the scan begins, or that an exit alone tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stay: Option<StayAnswer>,
}

/// How long somebody was there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StayAnswer {
    /// First second.
    pub(super) from: DateTime<Utc>,
    /// Last second; of a case, or of who leads on, none after the time asked for.
    pub(super) until: DateTime<Utc>,
    /// What gave the length.
    pub(super) rule: StayRule,
    /// Whether it was cut to the longest that is believed of the venue's class.
    pub(super) capped: bool,
}

/// Somebody who was near.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ContactAnswer {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    pub(super) person: PersonKey,
    /// 1 for who met a case, 2 for who met such a one afterwards.
    pub(super) hop: u8,
    /// From 0 to 1: more the longer the encounters, less the further from a case. It ranks; it foretells nothing.
    pub(super) score: f64,
    /// When the first encounter that counts began.
    pub(super) exposed_at: DateTime<Utc>,
    /// Which cases it leads back to, by the nearest hop only: not those from which a chain over more people leads here.
    pub(super) cases: Vec<CaseNumber>,
    /// Each stay of a case, or of a contact one hop nearer, with each stay of this one that meets it.
    pub(super) encounters: Vec<EncounterAnswer>,
    /// How many they are.
    pub(super) encounter_count: usize,
    /// Sum of their overlaps.
    pub(super) overlap_minutes_total: f64,
}

/// Two stays at one venue that meet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EncounterAnswer {
    /// Number of the venue.
    pub(super) venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    pub(super) venue_name: Option<String>,
    /// When the case, or the contact one hop nearer, was scanned; the start of the time that a request names for a venue.
    pub(super) index_at: DateTime<Utc>,
    /// When the contact was scanned.
    pub(super) contact_at: DateTime<Utc>,
    /// Minutes between the two, never negative.
    pub(super) gap_minutes: f64,
    /// Minutes that both were there, none before the source's own exposure.
    pub(super) overlap_minutes: f64,
    /// How the contact was scanned.
    pub(super) method: Method,
    /// Colour of the contact in force at the scan.
    pub(super) colour: Colour,
    /// The rule that gave the contact's dwell.
    pub(super) rule: StayRule,
    /// Whom the contact met: a case, or a contact one hop nearer; null when the case is a venue.
    #[schema(value_type = Option<String>, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    pub(super) source: Option<PersonKey>,
    /// How long each was there; left out with `window`, where it is the window from the scan on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stays: Option<BothStays>,
}

/// The stays of an encounter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BothStays {
    /// Of the source.
    pub(super) index: StayAnswer,
    /// Of the contact.
    pub(super) contact: StayAnswer,
}

/// What happened at a venue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VenueAnswer {
    /// Number of the venue.
    pub(super) venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    pub(super) venue_name: Option<String>,
    /// The cases that were there.
    pub(super) cases: Vec<CaseNumber>,
    /// Distinct people who were reached there, over all hops.
    pub(super) contacts: u64,
    /// Their encounters there.
    pub(super) encounters: u64,
    /// Sum of the overlaps.
    pub(super) overlap_minutes: f64,
}

/// What two or more cases have in common.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Shared {
    /// People who lead back to two or more of them in the same hop, in the order of all contacts; the limit of those holds
    /// here as well.
    pub(super) contacts: Vec<SharedContact>,
    /// Venues where two or more of them were, in the order of all venues.
    pub(super) venues: Vec<SharedVenue>,
}

/// A contact of two or more cases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedContact {
    /// Who.
    #[schema(value_type = String, pattern = "^[1-9a-f][0-9a-f]{15}$")]
    pub(super) person: PersonKey,
    /// How far from the nearest case.
    pub(super) hop: u8,
    /// Which cases.
    pub(super) cases: Vec<CaseNumber>,
}

/// A venue of two or more cases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharedVenue {
    /// Number of the venue.
    pub(super) venue: VenueId,
    /// Name of the venue; null when the directory does not have it.
    pub(super) venue_name: Option<String>,
    /// Which cases.
    pub(super) cases: Vec<CaseNumber>,
}

/// What a limit left out.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Cut {
    /// Of what there was too much.
    pub(super) what: Limit,
    /// Of which case; null when of all.
    pub(super) case: Option<CaseNumber>,
    /// In which hop; null when in none or all.
    pub(super) hop: Option<u8>,
    /// The limit.
    pub(super) limit: u64,
    /// How much there was, or more.
    pub(super) at_least: u64,
}

/// What is limited.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Visits of a case: the later ones were not followed.
    Visits,
    /// People of a hop: those with lower scores were not followed to the next.
    FollowedPeople,
    /// Scans that are read: the hop and all after it are left out.
    Scans,
    /// Pairs of stays that are looked at: the hop and all after it are left out.
    Pairs,
    /// Contacts that are listed.
    Contacts,
    /// Encounters that are listed; a contact is listed with all or not at all.
    Encounters,
    /// Venues that are ranked.
    Venues,
}

/// How much a trace follows and lists.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct TraceLimits {
    /// Visits of a case that are followed, oldest first.
    pub(super) max_visits: u32,
    /// People of a hop who are followed to the next, the highest score first.
    pub(super) max_followed: u32,
    /// Scans that are read; the first hop alone is refused beyond them.
    pub(super) max_scans: u32,
    /// Pairs of stays that are looked at in a hop; as for scans.
    pub(super) max_pairs: u32,
    /// Contacts that are listed.
    pub(super) max_contacts: u32,
    /// Encounters of all listed contacts together; a contact is listed with all its encounters or not at all.
    pub(super) max_encounters: u32,
    /// Venues that are ranked.
    pub(super) max_venues: u32,
}

impl TraceResponse {
    /// Everybody who is in it beside the cases, with how far from the nearest case and to which cases that leads back. Some
    /// twice.
    pub fn reached(&self) -> impl Iterator<Item = (PersonKey, u8, &[CaseNumber])> {
        let contacts = self.contacts.iter().map(|contact| (contact.person, contact.hop, &contact.cases[..]));
        contacts.chain(self.shared.contacts.iter().map(|contact| (contact.person, contact.hop, &contact.cases[..])))
    }

    /// Roughly how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let name = |name: &Option<String>| name.as_ref().map_or(0, String::len);
        let visits = self.visits.iter().map(|traced| size_of::<TracedVisit>() + name(&traced.visit.venue_name));
        let encounter = |one: &EncounterAnswer| size_of::<EncounterAnswer>() + name(&one.venue_name);
        let contact = |one: &ContactAnswer| {
            let encounters: usize = one.encounters.iter().map(encounter).sum();
            size_of::<ContactAnswer>() + one.cases.len() + encounters
        };
        let venues = self.venues.iter().map(|one| size_of::<VenueAnswer>() + name(&one.venue_name));
        let shared = self.shared.contacts.len() * size_of::<SharedContact>();
        let lists = [visits.sum(), self.contacts.iter().map(contact).sum::<usize>(), venues.sum(), shared];
        size_of::<Self>() + lists.iter().sum::<usize>()
    }

    /// How many scans are in it, those of one encounter being one.
    pub fn scans(&self) -> usize {
        self.visits.len() + self.contacts.iter().map(|contact| contact.encounter_count).sum::<usize>()
    }
}

impl Cut {
    pub(super) const fn of(what: Limit, limit: u64, at_least: u64) -> Self {
        Self { what, case: None, hop: None, limit, at_least }
    }

    pub(super) fn visits(case: CaseNumber, limit: u32) -> Self {
        Self { case: Some(case), ..Self::of(Limit::Visits, limit.into(), u64::from(limit) + 1) }
    }

    pub(super) const fn in_hop(self, hop: u8) -> Self {
        Self { hop: Some(hop), ..self }
    }
}

impl StayAnswer {
    pub(super) fn of(stay: &Stay) -> Self {
        let Stay { from, until, rule, capped, .. } = *stay;
        Self { from: answer::time(from), until: answer::time(until), rule, capped }
    }
}
