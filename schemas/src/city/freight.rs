//! How the freight loop is watched (S4 一.2, 二.2).

use serde::Deserialize;

/// What a city with codes for lorries settles of their trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freight {
    /// How long after the expected time a trip that is not closed is overdue.
    pub overdue_after_minutes: u16,
}
