//! The counts of the day so far, of many scopes at once.

use std::collections::{BTreeSet, HashMap};

use clickhouse::Row;
use schemas::VenueId;
use serde::Deserialize;

use super::{BucketRow, Kind, Scope, Store};
use crate::QueryError;

/// Venues in one query. A parameter may have 128 KiB, and a number takes up to 11 bytes.
const MAX_VENUES: usize = 10_000;

/// What is counted for one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A district, a category or the city.
    Wide(Scope),
    /// These venues, in the order of their numbers.
    Venues(Vec<VenueId>),
}

row_with_counts!(PlaceRow { district: u32, category: String });
row_with_counts!(VenueCountsRow { venue_id: VenueId });

#[derive(Row, Deserialize)]
struct NumberRow {
    venue_id: VenueId,
}

impl Store {
    /// The counts since a whole hour for each scope that is watched, from one query for all wide ones and one for all
    /// venues.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn live(&self, since: u32, watched: &[&Watched]) -> Result<Vec<BucketRow>, QueryError> {
        let has_wide = watched.iter().any(|watched| matches!(watched, Watched::Wide(_)));
        let places = if has_wide { self.live_places(since).await? } else { Vec::new() };
        let venues: BTreeSet<VenueId> = watched.iter().flat_map(|watched| watched.venues()).copied().collect();
        let venues = self.live_venues(since, &venues.into_iter().collect::<Vec<_>>()).await?;
        Ok(watched.iter().map(|watched| watched.sum(since, &places, &venues)).collect())
    }

    /// The venues of an organisation, in the order of their numbers.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn venues_of(&self, organisation: &str) -> Result<Vec<VenueId>, QueryError> {
        let query = self.query(include_str!("../sql/venues_of_organisation.sql")).param("organisation", organisation);
        let rows: Vec<NumberRow> = self.rows(Kind::VenueOwner, query).await?;
        let mut venues: Vec<_> = rows.into_iter().map(|row| row.venue_id).collect();
        venues.sort_unstable();
        Ok(venues)
    }

    async fn live_places(&self, since: u32) -> Result<Vec<PlaceRow>, QueryError> {
        let query = || self.query(include_str!("../sql/live_places.sql")).param("since", since);
        self.rows_kept(Kind::Live, Kind::LiveCounted, "places_by_hour", query).await
    }

    async fn live_venues(
        &self,
        since: u32,
        venues: &[VenueId],
    ) -> Result<HashMap<VenueId, VenueCountsRow>, QueryError> {
        let mut counts = HashMap::with_capacity(venues.len());
        for venues in venues.chunks(MAX_VENUES) {
            let query = self.query(include_str!("../sql/live_venues.sql")).param("venues", venues);
            let rows: Vec<VenueCountsRow> = self.rows(Kind::Live, query.param("since", since)).await?;
            counts.extend(rows.into_iter().map(|row| (row.venue_id, row)));
        }
        Ok(counts)
    }
}

impl Watched {
    fn venues(&self) -> &[VenueId] {
        match self {
            Self::Wide(_) => &[],
            Self::Venues(venues) => venues,
        }
    }

    fn sum(&self, since: u32, places: &[PlaceRow], venues: &HashMap<VenueId, VenueCountsRow>) -> BucketRow {
        let mut sum = BucketRow { start: since.into(), ..BucketRow::default() };
        for row in places.iter().filter(|row| self.has(row)) {
            row.add_to(&mut sum);
        }
        for row in self.venues().iter().filter_map(|venue| venues.get(venue)) {
            row.add_to(&mut sum);
        }
        sum
    }

    fn has(&self, row: &PlaceRow) -> bool {
        match self {
            Self::Wide(Scope::City) => true,
            Self::Wide(Scope::District(district)) => row.district == *district,
            Self::Wide(Scope::Category(category)) => row.category == *category,
            Self::Wide(Scope::Venue(_) | Scope::Organisation(_)) | Self::Venues(_) => false,
        }
    }
}
