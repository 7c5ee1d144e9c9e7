//! Which scans a count is of.

use clickhouse::query::Query;
use schemas::VenueId;

use super::Store;

/// Where a scope's condition goes in a query.
const PLACE: &str = "WHERE TRUE";
/// The venues that the directory has of an organisation: the index finds candidates, the newest version decides.
const OF_ORGANISATION: &str = "WHERE venue_id IN (SELECT venue_id FROM venues FINAL WHERE organisation = {organisation:String} \
     AND venue_id IN (SELECT venue_id FROM venues WHERE organisation = {organisation:String}))";

/// Which scans are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Those at one venue.
    Venue(VenueId),
    /// Those at the venues of an organisation, by its unified social credit code.
    Organisation(String),
    /// Those in a district, by its six-digit code.
    District(u32),
    /// Those at venues of a category, by its id.
    Category(String),
    /// All.
    City,
}

impl Scope {
    /// Whether it is some venues, whose scans are found by the sorting key and counted one by one.
    pub const fn is_of_venues(&self) -> bool {
        matches!(self, Self::Venue(_) | Self::Organisation(_))
    }
}

impl Store {
    /// A query whose `WHERE TRUE` is that of a scope.
    pub(super) fn query_within(&self, sql: &str, scope: &Scope) -> Query {
        let within = |condition: &str| self.query(&sql.replace(PLACE, condition));
        match scope {
            Scope::Venue(venue) => within("WHERE venue_id = {venue:UInt32}").param("venue", venue),
            Scope::Organisation(code) => within(OF_ORGANISATION).param("organisation", code),
            Scope::District(district) => within("WHERE district = {district:UInt32}").param("district", district),
            Scope::Category(category) => within("WHERE category = {category:String}").param("category", category),
            Scope::City => within(PLACE),
        }
    }
}
