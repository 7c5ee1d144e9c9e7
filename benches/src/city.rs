//! A simulated city: people with homes, workplaces and habits, venues of very uneven popularity, health codes, and
//! the scans that follow from them, in the order of time.
//!
//! Pure: the same plan gives the same city, and time is part of the plan. Nobody in it exists: the documents are of
//! the type `other`, which no authority issues.

mod days;
mod districts;
mod health;
mod people;
mod rhythm;
mod venues;

use rand_distr::weighted::WeightedAliasIndex;
use schemas::{CityProfile, DocumentType, UnixSeconds, VenueId, city::CityError};

pub use days::{Scan, Scans};
pub use districts::{District, SHANGHAI};
pub use health::PersonHealth;
pub use people::Person;
pub use venues::{Pickers, Venue};

const DAY: i64 = 24 * 3600;
/// Above this the seconds of a day get scarce for those who go out most.
const MAX_SCANS_PER_PERSON_AND_DAY: u64 = 100;
/// Among how many people the index person is looked for.
const INDEX_CANDIDATES: usize = 200;

/// The size of a simulated city, and what makes it repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityPlan {
    /// Residents.
    pub people: u32,
    /// Venues.
    pub venues: u32,
    /// Scans in all.
    pub scans: u64,
    /// Days that the scans are spread over.
    pub days: u16,
    /// The same seed gives the same city.
    pub seed: u64,
    /// End of the simulated time; every scan is before it.
    pub until: UnixSeconds,
    /// Number of the first venue; the others follow.
    pub first_venue: VenueId,
    /// Start of all document numbers: two cities with different tags have no person in common.
    pub tag: String,
}

/// Why a city cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A number is zero that must not be.
    #[error("the number of {0} must be at least 1")]
    Zero(&'static str),
    /// More scans than people can make.
    #[error(
        "{scans} scans are more than {MAX_SCANS_PER_PERSON_AND_DAY} a person and day: at most {limit} are possible"
    )]
    TooManyScans {
        /// What was asked for.
        scans: u64,
        /// What is possible.
        limit: u64,
    },
    /// Document numbers would not be valid.
    #[error("the tag `{0}` cannot start a document number: expected 1 to 20 letters, digits or hyphens")]
    Tag(String),
    /// Venue numbers would not fit.
    #[error("{venues} venues from number {first} on do not fit into 32 bits")]
    VenueNumbers {
        /// How many.
        venues: u32,
        /// Number of the first.
        first: VenueId,
    },
    /// The city profile cannot be read.
    #[error("the city profile cannot be used")]
    Profile(#[from] CityError),
}

/// A simulated city.
#[derive(Debug, Clone)]
pub struct City {
    plan: CityPlan,
    profile: CityProfile,
    venues: Vec<Venue>,
    pickers: Pickers,
    activity: WeightedAliasIndex<f64>,
    index_person: u32,
}

impl City {
    /// Builds the city of a plan.
    ///
    /// # Errors
    /// When the plan contradicts itself.
    pub fn try_new(plan: CityPlan) -> Result<Self, PlanError> {
        check(&plan)?;
        let profile = CityProfile::try_built_in("shanghai")?;
        let venues = venues::generate(&profile, plan.venues, plan.first_venue, plan.seed);
        let activity = people::activity(plan.seed, plan.people);
        let candidates = &activity[..activity.len().min(INDEX_CANDIDATES)];
        let most_active = (0u32..).zip(candidates).max_by(|a, b| a.1.total_cmp(b.1));
        let index_person = most_active.map_or(0, |(number, _)| number);
        let activity = WeightedAliasIndex::new(activity).map_err(|_| PlanError::Zero("people"))?;
        Ok(Self { pickers: Pickers::new(&venues), plan, profile, venues, activity, index_person })
    }

    /// The plan it was built from.
    pub const fn plan(&self) -> &CityPlan {
        &self.plan
    }

    /// The rules of the city, those of Shanghai.
    pub const fn profile(&self) -> &CityProfile {
        &self.profile
    }

    /// Start of the simulated time.
    pub fn start(&self) -> UnixSeconds {
        self.plan.until - i64::from(self.plan.days) * DAY
    }

    /// Its venues; the first has the number of the plan, the others follow.
    pub fn venues(&self) -> &[Venue] {
        &self.venues
    }

    /// Places and habits of a person.
    pub fn person(&self, number: u32) -> Person {
        Person::derive(self.plan.seed, number, &self.venues, &self.pickers)
    }

    /// The person who turns out to be infected: one who goes out a lot.
    pub const fn index_person(&self) -> u32 {
        self.index_person
    }

    /// Type and number of a person's document.
    pub fn document(&self, number: u32) -> (DocumentType, String) {
        (DocumentType::Other, format!("{}-{number:07}", self.plan.tag))
    }

    /// A person's health before anything is found out.
    pub fn health(&self, number: u32) -> PersonHealth {
        health::at_first(self, number)
    }

    /// The index person's health once the infection is known, near the end of the simulated time.
    pub fn late_change(&self) -> PersonHealth {
        health::late_change(self)
    }

    /// All scans in the order of time. No person has two in one second.
    pub fn scans(&self) -> Scans<'_> {
        Scans::new(self)
    }
}

fn check(plan: &CityPlan) -> Result<(), PlanError> {
    for (number, name) in [(plan.people, "people"), (plan.venues, "venues"), (u32::from(plan.days), "days")] {
        if number == 0 {
            return Err(PlanError::Zero(name));
        }
    }
    let limit = MAX_SCANS_PER_PERSON_AND_DAY * u64::from(plan.people) * u64::from(plan.days);
    if plan.scans > limit {
        return Err(PlanError::TooManyScans { scans: plan.scans, limit });
    }
    let of_a_number = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !(1..=20).contains(&plan.tag.len()) || !plan.tag.bytes().all(of_a_number) {
        return Err(PlanError::Tag(plan.tag.clone()));
    }
    if plan.first_venue.checked_add(plan.venues).is_none() {
        return Err(PlanError::VenueNumbers { venues: plan.venues, first: plan.first_venue });
    }
    Ok(())
}

/// Makes independent seeds out of one (the finaliser of SplitMix64).
pub(crate) const fn mix(seed: u64, stream: u64, number: u64) -> u64 {
    let mut z = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
