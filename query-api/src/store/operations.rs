//! What operators and regulators look after: scans in detail, codes that are missing, and codes that nobody scans.

use clickhouse::Row;
use schemas::{Colour, Direction, Method, VenueId, Verdict};
use serde::Deserialize;

use super::{Kind, Scope, Store, TimeRange, columns, footfall::china_day, listing::within};
use crate::QueryError;

/// A scan at a venue.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct ScanDetailRow {
    /// Where.
    pub venue_id: VenueId,
    /// Who; never shown whole.
    pub person_id: u64,
    /// When.
    pub scanned_at: u32,
    /// How.
    #[serde(deserialize_with = "columns::method")]
    pub method: Method,
    /// In or out.
    #[serde(deserialize_with = "columns::direction")]
    pub direction: Direction,
    /// What the person was told.
    #[serde(deserialize_with = "columns::verdict")]
    pub verdict: Verdict,
    /// Why, as bits.
    pub reasons: u16,
    /// Colour in force at the scan.
    #[serde(deserialize_with = "columns::colour")]
    pub colour: Colour,
}

/// A venue that nobody scans at.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct UnusedCodeRow {
    /// Number.
    pub venue_id: VenueId,
    /// Name as on the poster.
    pub name: String,
    /// Category, an id of the city profile.
    pub category: String,
    /// Six-digit code of its district (GB/T 2260).
    pub district: u32,
    /// Its last scan, in seconds since 1970; 0 when none is kept.
    pub last_scan: u32,
}

/// An organisation that applied and has no code.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct MissingCodeRow {
    /// Unified social credit code.
    pub organisation: String,
    /// Name as on its last application.
    pub organisation_name: String,
    /// Its applications.
    pub applications: u64,
    /// Those that wait for a review.
    pub waiting: u64,
    /// Those that were rejected.
    pub rejected: u64,
    /// Those whose code was revoked.
    pub revoked: u64,
    /// When it first applied, in milliseconds since 1970.
    pub since_ms: i64,
    /// When any of them last changed, in milliseconds since 1970.
    pub changed_at_ms: i64,
}

/// How many codes there are.
#[derive(Debug, Clone, Copy, Row, Deserialize)]
pub struct CodesRow {
    /// Organisations that have one.
    pub organisations: u64,
    /// Codes in use.
    pub codes: u64,
}

/// What the registry decided on one day.
#[derive(Debug, Clone, Copy, Row, Deserialize)]
pub struct CodesOfDayRow {
    /// Midnight of the city, in seconds since 1970.
    pub start: i64,
    /// Codes that were issued for the first time.
    pub issued: u64,
    /// Codes that were revoked.
    pub revoked: u64,
}

impl Store {
    /// The newest `limit` scans of a venue or an organisation in a time, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn scans(
        &self,
        scope: &Scope,
        time: TimeRange,
        limit: usize,
    ) -> Result<(Vec<ScanDetailRow>, bool), QueryError> {
        let query = self.query_within(include_str!("../sql/scans.sql"), scope);
        self.up_to(Kind::Scans, query.param("since", time.from).param("until", time.to), limit).await
    }

    /// Venues in use within a district, or all that begin with its digits, without a scan since the day of `since`.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn unused_codes(
        &self,
        district: Option<u32>,
        since: u32,
        limit: usize,
    ) -> Result<(Vec<UnusedCodeRow>, bool), QueryError> {
        let query = within(self.query(include_str!("../sql/unused_codes.sql")), district);
        self.up_to(Kind::UnusedCodes, query.param("first", china_day(since)), limit).await
    }

    /// Organisations without a code that applied within a district, or any that begins with its digits.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn missing_codes(
        &self,
        district: Option<u32>,
        limit: usize,
    ) -> Result<(Vec<MissingCodeRow>, bool), QueryError> {
        let query = within(self.query(include_str!("../sql/missing_codes.sql")), district);
        self.up_to(Kind::MissingCodes, query, limit).await
    }

    /// How many codes there are now.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn codes(&self) -> Result<CodesRow, QueryError> {
        self.row(Kind::Codes, self.query(include_str!("../sql/codes.sql"))).await
    }

    /// Codes issued and revoked on each day since a time that has any.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn codes_by_day(&self, since: u32, offset_s: i64) -> Result<Vec<CodesOfDayRow>, QueryError> {
        let query = self.query(include_str!("../sql/codes_by_day.sql"));
        let query = query.param("since_ms", i64::from(since) * 1_000).param("offset", offset_s);
        self.rows(Kind::Codes, query).await
    }
}
