//! Venues in the directory.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use clickhouse::Row;
use schemas::{Place, VenueId};
use serde::Deserialize;

use super::{Kind, Store, listing::within};
use crate::QueryError;

/// Venues in one query. A parameter may have 128 KiB, and a number takes up to 11 bytes.
pub(super) const MAX_VENUES: usize = 10_000;

/// Names and places by venue; a venue that the directory does not have is not in it.
#[derive(Debug, Clone, Default)]
pub struct VenueNames(HashMap<VenueId, (String, Option<Place>)>);

impl VenueNames {
    /// The name of a venue.
    pub fn of(&self, venue: VenueId) -> Option<&str> {
        self.0.get(&venue).map(|(name, _)| name.as_str())
    }

    /// Where a venue is, if it tells.
    pub fn place_of(&self, venue: VenueId) -> Option<Place> {
        self.0.get(&venue).and_then(|(_, place)| *place)
    }
}

impl VenueNames {
    /// Adds one.
    pub fn insert(&mut self, venue: VenueId, name: &str, place: Option<Place>) {
        self.0.insert(venue, (name.to_owned(), place));
    }

    /// Adds those of other venues.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether a venue was asked for and the directory has it.
    pub fn has(&self, venue: VenueId) -> bool {
        self.0.contains_key(&venue)
    }
}

/// Whose a venue is.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct OwnerRow {
    /// Its district.
    pub district: u32,
    /// Unified social credit code of its organisation; empty when it has none.
    pub organisation: String,
}

#[derive(Row, Deserialize)]
struct NameRow {
    venue_id: VenueId,
    name: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// The directory's table, and the parts that it has.
#[derive(Debug, Row, Deserialize)]
pub struct TableRow {
    /// Its UUID, which no other table has, also none that takes its place; empty when there is no table.
    pub id: String,
    /// Names of its parts.
    pub parts: Vec<String>,
}

/// A version of a venue, and the part of the table that it lies in.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct PartRow {
    /// Name of the part.
    pub part: String,
    /// Number of the venue.
    pub venue_id: VenueId,
    /// The higher one holds.
    pub version: u64,
    /// Name as on the poster.
    pub name: String,
    /// Latitude.
    pub latitude: Option<f64>,
    /// Longitude.
    pub longitude: Option<f64>,
}

fn place(latitude: Option<f64>, longitude: Option<f64>) -> Option<Place> {
    Some(Place { latitude: latitude?, longitude: longitude? })
}

impl PartRow {
    /// Where the venue is, if that is known.
    pub fn place(&self) -> Option<Place> {
        place(self.latitude, self.longitude)
    }
}

/// A venue as the directory has it.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct VenueRow {
    /// Name as on the poster.
    pub name: String,
    /// Category, an id of the city profile.
    pub category: String,
    /// Six-digit code of its district (GB/T 2260).
    pub district: u32,
    /// Door or point; empty when it has none.
    pub door: String,
    /// Whether it is in use.
    pub active: bool,
    /// Issue number of its current code; null until the processor has written the venue again.
    pub serial: Option<u8>,
}

/// A freight checkpoint or destination as the directory has it.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct CheckpointRow {
    /// Number.
    pub venue_id: VenueId,
    /// Name as on the poster.
    pub name: String,
    /// Category, an id of the city profile.
    pub category: String,
    /// Six-digit code of its district (GB/T 2260).
    pub district: u32,
    /// Address.
    pub address: String,
    /// Latitude.
    pub latitude: Option<f64>,
    /// Longitude.
    pub longitude: Option<f64>,
    /// Issue number of its current code; null until the processor has written the venue again.
    pub serial: Option<u8>,
}

impl Store {
    /// The places of these categories that are in use, within a district or all that begin with its digits, by district
    /// and name.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn checkpoints(
        &self,
        categories: &[&str],
        district: Option<u32>,
    ) -> Result<Vec<CheckpointRow>, QueryError> {
        let query = within(self.query(include_str!("../sql/checkpoints.sql")), district);
        self.rows(Kind::Checkpoints, query.param("categories", categories)).await
    }

    /// Whose a venue is; `None` when the directory does not have it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn venue_owner(&self, venue: VenueId) -> Result<Option<OwnerRow>, QueryError> {
        let query = self.query(include_str!("../sql/venue_owner.sql")).param("venue", venue);
        Ok(self.rows(Kind::VenueOwner, query).await?.pop())
    }

    /// A venue, if the directory has it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn venue(&self, venue: VenueId) -> Result<Option<VenueRow>, QueryError> {
        let query = self.query(include_str!("../sql/venue.sql")).param("venue", venue);
        Ok(self.rows::<VenueRow>(Kind::Venue, query).await?.pop())
    }

    /// The names of these venues.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn venue_names(&self, venues: impl IntoIterator<Item = VenueId>) -> Result<VenueNames, QueryError> {
        let venues: Vec<VenueId> = venues.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut names = HashMap::with_capacity(venues.len());
        for venues in venues.chunks(MAX_VENUES) {
            let query = self.query(include_str!("../sql/venue_names.sql")).param("venues", venues);
            let rows = self.rows::<NameRow>(Kind::VenueNames, query).await?;
            names.extend(rows.into_iter().map(|row| (row.venue_id, (row.name, place(row.latitude, row.longitude)))));
        }
        Ok(VenueNames(names))
    }

    /// Which table the directory is, and its parts.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn directory_table(&self) -> Result<TableRow, QueryError> {
        self.row(Kind::Directory, self.query(include_str!("../sql/parts_of_venues.sql"))).await
    }

    /// Reads every version of every venue in the parts of the directory that are not in `seen`, and hands them on by so many.
    ///
    /// # Errors
    /// When ClickHouse does not answer; what was handed on until then has been taken.
    pub async fn venues_of_parts(
        &self,
        seen: impl Iterator<Item = &str>,
        at_once: usize,
        mut take: impl FnMut(Vec<PartRow>),
    ) -> Result<(), QueryError> {
        // A list of nothing is no set, and no part has no name.
        let seen: Vec<&str> = seen.chain([""]).collect();
        let query = self.query(include_str!("../sql/venues_of_parts.sql")).param("seen", seen);
        let mut rows = Vec::new();
        let gather = |row| {
            rows.push(row);
            if rows.len() == at_once {
                take(std::mem::take(&mut rows));
            }
            ControlFlow::Continue(())
        };
        self.each(Kind::Directory, query, gather).await?;
        take(rows);
        Ok(())
    }
}
