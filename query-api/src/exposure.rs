//! The pure part of tracing: how long people stayed, which times at which venues matter, who met whom, and how much that
//! counts.
//!
//! Knows no clock and no store.

pub mod either_or;
pub mod listing;
pub mod meetings;
pub mod plausibility;
pub mod stays;
pub mod weights;
pub mod windows;

pub use either_or::{Passage, without_repeats};
pub use listing::{Full, Room};
pub use meetings::{
    CaseNumber, Encounter, Exposures, Hop, Presence, Reached, Source, SourceStay, TooManyPairs, VenueExposure,
    by_overlap, by_score,
};
pub use plausibility::{Appearance, Beliefs, Flag};
pub use stays::{Dwell, Dwells, Scan, Stay, StayRule, dwelt};
pub use weights::Weights;
pub use windows::{Window, merged};

/// Seconds since 1970 as ClickHouse's `DateTime` holds them.
pub type StoredSeconds = u32;
