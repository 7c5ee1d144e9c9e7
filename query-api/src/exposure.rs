//! The pure part of tracing: which times at which venues matter, and who was there.
//!
//! Knows no clock and no store. A visit is a scan of the index person, a contact scan that of anyone else.

pub mod either_or;
pub mod matching;
pub mod plausibility;
pub mod windows;

pub use either_or::{Passage, without_repeats};
pub use matching::{Caps, Contact, ContactScan, Contacts, Encounter, TooManyPairs, contacts};
pub use plausibility::{Appearance, Beliefs, Flag};
pub use windows::{Window, merged};

use schemas::VenueId;

/// Seconds since 1970 as ClickHouse's `DateTime` holds them.
pub type StoredSeconds = u32;

/// A visit of the index person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexVisit {
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: StoredSeconds,
}
