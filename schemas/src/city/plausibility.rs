//! What of a scan is hard to believe. It flags a scan; it never drops or recolours one.

use serde::Deserialize;

/// Bounds of what is believed. Those of the default are ours: no notice gives any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plausibility {
    /// Nobody gets from one venue to the next faster than this.
    pub max_km_per_hour: u32,
    /// Distances up to this many metres are not looked at: places are points on no map to the metre.
    pub travel_slack_m: u32,
    /// Nobody is at more different venues than these ...
    pub burst_venues: u32,
    /// ... within so many minutes.
    pub burst_minutes: u32,
    /// A phone that says that it is so many metres from the venue is not at it.
    pub far_m: u32,
}

impl Default for Plausibility {
    /// Faster than the fastest train, a new venue every half minute, and farther than a phone indoors errs that knows its cell
    /// alone.
    fn default() -> Self {
        Self { max_km_per_hour: 400, travel_slack_m: 1_000, burst_venues: 20, burst_minutes: 10, far_m: 3_000 }
    }
}
