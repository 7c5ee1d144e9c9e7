//! The contract of VenueCode: what travels on Kafka, what is stored in ClickHouse, and the pure rules
//! that every service must read in the same way.
//!
//! Nothing here does I/O or reads a clock; time is always an argument. Services meet only in these types.

pub mod access;
pub mod admission;
pub mod audit;
pub mod city;
pub mod code;
pub mod ddl;
pub mod document;
pub mod eligibility;
pub mod erasure;
// `words!` is used beyond it.
#[macro_use]
pub mod events;
pub mod freight;
pub mod keys;
pub mod organisation;
pub mod person;
mod place;
pub mod plate;
pub mod retention;
pub mod row;
pub mod stores;
pub mod tail;
pub mod topics;
pub mod vocabulary;

pub use city::CityProfile;
pub use code::VenueCode;
pub use document::{Document, DocumentType};
pub use erasure::{Erased, PersonDigest};
pub use events::{
    AlertEvent, ApplicationEvent, ErasureEvent, HealthEvent, IdentityEvent, ProposalEvent, ReleaseEvent, ReminderEvent,
    ScanEvent, TestEvent, TripEvent, VenueEvent,
};
pub use keys::KeyRing;
pub use person::PersonKey;
pub use place::Place;
pub use plate::{Plate, PlateKey};
pub use retention::Retention;
pub use row::ScanRow;
pub use tail::Tail;
pub use topics::Topics;
pub use vocabulary::{Colour, Direction, Exemption, Method, Reason, Reasons, TestResult, Verdict};

/// A venue's number. One venue is one place with one poster: a door where the city gives each door a code
/// (S2), a whole venue elsewhere (S4).
pub type VenueId = u32;

/// Seconds since 1970-01-01T00:00:00Z. Scan times are kept at this resolution: every rule of the notices
/// speaks of minutes or hours.
pub type UnixSeconds = i64;
