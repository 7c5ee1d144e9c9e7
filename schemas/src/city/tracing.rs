//! How contacts are weighed.

use serde::Deserialize;

/// What a trace's score is made of. Those of the default are assumptions: no notice gives any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// Minutes together after which half of what was not yet risked is risked.
    pub halving_minutes: u16,
    /// How much of a person's own score counts towards those whom that person met, in percent.
    pub hop_percent: u8,
}

impl Default for Tracing {
    /// Fifteen minutes are those of the usual definition of a close contact (WHO, "Contact tracing in the context of
    /// COVID-19", interim guidance of 10 May 2020: within a metre for more than 15 minutes); that half is risked by then,
    /// and that it halves again with each hop, is ours.
    fn default() -> Self {
        Self { halving_minutes: 15, hop_percent: 50 }
    }
}
