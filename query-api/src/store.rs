//! Asks ClickHouse: every query of the service, with its limits, its metrics and its failures.
//!
//! Queries are files in `sql/`; values travel as typed parameters in the body of the request, so that no person
//! is ever in a URL.

#[macro_use]
mod counts;

mod alerts;
mod applications;
mod columns;
mod contacts;
mod coverage;
mod crowds;
mod erasures;
mod failure;
mod footfall;
mod health_changes;
mod health_proposals;
mod identities;
mod listing;
mod live;
mod operations;
mod people;
pub mod recent;
mod releases;
mod reminders;
mod scope;
mod scopes;
mod stats;
mod trips;
mod venues;

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use clickhouse::{Client, Row, RowOwned, RowRead, query::Query};
use service::ClickHouseConfig;

use crate::{QueryConfig, error::QueryError, metrics};
use recent::Recent;

pub use alerts::AlertRow;
pub use applications::{ApplicationFilter, ApplicationRow};
pub use coverage::VenueDaysRow;
pub use crowds::{OccupancyRow, TopCount, TopQuestion};
pub use erasures::ErasureRow;
pub use failure::StoreFailure;
pub use footfall::{BucketRow, FootfallQuestion, People};
pub use health_changes::HealthChangeRow;
pub use health_proposals::{HealthProposalRow, ProposalFilter};
pub use identities::IdentityRow;
pub use listing::{DistrictFilter, lies_within};
pub use live::Watched;
pub use operations::{CodesOfDayRow, CodesRow, MissingCodeRow, ScanDetailRow, UnusedCodeRow};
pub use people::{VisitRow, VisitorRow, Visits};
pub use releases::{ReadRow, ReleaseFilter, ReleaseRow};
pub use reminders::{ReminderFilter, ReminderRow};
pub use scope::Scope;
pub use scopes::Counts;
pub use stats::StatsRow;
pub use trips::{TripFilter, TripRow};
pub use venues::{CheckpointRow, PartRow, TableRow, VenueNames, VenueRow};

/// How much longer than ClickHouse's own limit an answer may take.
const GRACE: Duration = Duration::from_secs(5);

/// The store of scans, to be read only.
#[derive(Clone)]
pub struct Store {
    client: Client,
    patience: Duration,
    max_window_steps: usize,
    max_query_windows: usize,
    max_query_people: usize,
    recent: Arc<Recent<FootfallQuestion, BucketRow>>,
    known_releases: Arc<releases::Known>,
}

/// A half-open time in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First second.
    pub from: u32,
    /// First second after it.
    pub to: u32,
}

/// What a query is for, as metrics name it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Visits,
    Visitors,
    Contacts,
    ScansOfPeople,
    VenueDays,
    VenueCodes,
    NewestScan,
    VenueNames,
    Directory,
    VenueOwner,
    Venue,
    Footfall,
    FootfallKept,
    PeopleByDay,
    TopVenues,
    TopVenuesKept,
    PeopleOfVenues,
    Occupancy,
    Live,
    LiveCounted,
    Scopes,
    ScopesCounted,
    Scans,
    UnusedCodes,
    MissingCodes,
    Codes,
    Stats,
    Application,
    Applications,
    Alert,
    Alerts,
    Trip,
    Trips,
    Checkpoints,
    HealthProposal,
    Erasure,
    Erasures,
    ErasuresDone,
    Release,
    Releases,
    HopsTo,
    Reminder,
    Reminders,
    Reads,
    HealthProposals,
    HealthChanges,
    Identities,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Visitors => "visitors",
            Self::Contacts => "contacts",
            Self::ScansOfPeople => "scans_of_people",
            Self::VenueDays => "venue_days",
            Self::VenueCodes => "venue_codes",
            Self::NewestScan => "newest_scan",
            Self::VenueNames => "venue_names",
            Self::Directory => "directory",
            Self::VenueOwner => "venue_owner",
            Self::Venue => "venue",
            Self::Footfall => "footfall",
            Self::FootfallKept => "footfall_kept",
            Self::PeopleByDay => "people_by_day",
            Self::TopVenues => "top_venues",
            Self::TopVenuesKept => "top_venues_kept",
            Self::PeopleOfVenues => "people_of_venues",
            Self::Occupancy => "occupancy",
            Self::Live => "live",
            Self::Scans => "scans",
            Self::UnusedCodes => "unused_codes",
            Self::MissingCodes => "missing_codes",
            Self::Codes => "codes",
            Self::LiveCounted => "live_counted",
            Self::Scopes => "scopes",
            Self::ScopesCounted => "scopes_counted",
            Self::Stats => "stats",
            Self::Application => "application",
            Self::Applications => "applications",
            Self::Alert => "alert",
            Self::Alerts => "alerts",
            Self::Trip => "trip",
            Self::Trips => "trips",
            Self::Checkpoints => "checkpoints",
            Self::HealthProposal => "health_proposal",
            Self::Erasure => "erasure",
            Self::Erasures => "erasures",
            Self::ErasuresDone => "erasures_done",
            Self::Release => "release",
            Self::Releases => "releases",
            Self::HopsTo => "hops_to",
            Self::Reminder => "reminder",
            Self::Reminders => "reminders",
            Self::Reads => "reads",
            Self::HealthProposals => "health_proposals",
            Self::HealthChanges => "health_changes",
            Self::Identities => "identities",
        }
    }
}

impl Store {
    /// A store that is asked with the limits of `limits`. Nothing is asked yet.
    pub fn new(clickhouse: &ClickHouseConfig, limits: &QueryConfig) -> Self {
        let client = clickhouse
            .query_client()
            // The user may append to the audit log; a question may not even that.
            .with_setting("readonly", "2")
            // Answers are short: the thread that reads them may as well write them.
            .with_setting("output_format_parallel_formatting", "0")
            .with_setting("max_execution_time", limits.max_execution_time_s.to_string())
            // A query ends when its connection does, which is when nobody waits for the answer any more.
            .with_setting("cancel_http_readonly_queries_on_client_close", "1");
        let patience = Duration::from_secs(limits.max_execution_time_s.into()) + GRACE;
        Self {
            client,
            patience,
            max_window_steps: limits.max_window_steps as usize,
            max_query_windows: limits.max_query_windows as usize,
            max_query_people: limits.max_query_people as usize,
            recent: Arc::new(Recent::new(Duration::from_millis(limits.share_answers_ms.into()))),
            known_releases: Arc::default(),
        }
    }

    fn query(&self, sql: &str) -> Query {
        self.client.query(sql)
    }

    /// A question with a person in it: the server's log of queries, in which values stand as they are, gets none. Reads of
    /// people are noted in the audit log.
    fn query_of_person(&self, sql: &str) -> Query {
        self.client.query(sql).with_setting("log_queries", "0")
    }

    async fn rows<T: RowOwned + RowRead>(&self, kind: Kind, query: Query) -> Result<Vec<T>, QueryError> {
        let mut rows = Vec::new();
        let take = |row| {
            rows.push(row);
            ControlFlow::Continue(())
        };
        self.each(kind, query, take).await?;
        Ok(rows)
    }

    /// Hands on one row after the other, until no more are wanted.
    async fn each<T: RowOwned + RowRead>(
        &self,
        kind: Kind,
        query: Query,
        take: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let started = Instant::now();
        let answer = tokio::time::timeout(self.patience, drain(query, take)).await;
        let answer =
            answer.map_or_else(|_| Err(StoreFailure::Silent.into()), |answer| answer.map_err(QueryError::from));
        match &answer {
            Ok((rows, read)) => metrics::queried(kind.as_str(), started.elapsed(), *read, *rows),
            Err(error) if footfall::is_of_no_use(error) => {}
            Err(_) => metrics::failed(kind.as_str()),
        }
        answer.map(|_| ())
    }

    async fn row<T: RowOwned + RowRead>(&self, kind: Kind, query: Query) -> Result<T, QueryError> {
        let row = self.rows(kind, query).await?.pop();
        Ok(row.ok_or(clickhouse::error::Error::RowNotFound)?)
    }
}

/// How many rows were taken of an answer, and how many were read for it.
async fn drain<T: Row + RowOwned + RowRead>(
    query: Query,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(u64, u64), clickhouse::error::Error> {
    let mut cursor = query.fetch::<T>()?;
    let mut rows = 0;
    while let Some(row) = cursor.next().await? {
        rows += 1;
        if take(row).is_break() {
            break;
        }
    }
    let read = cursor.summary().and_then(|summary| summary.read_rows()).unwrap_or(0);
    Ok((rows, read))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_query_says_what_it_is_for_and_binds_by_name_only() {
        // Tests run in their package's folder; a path from compile time would be another checkout's with a shared cache.
        let folder = "src/sql";
        let mut seen = 0;
        for file in std::fs::read_dir(folder).expect("the folder of queries") {
            let path = file.expect("an entry").path();
            let sql = std::fs::read_to_string(&path).expect("a text");
            for head in ["-- Purpose: ", "-- Parameters: ", "-- Sorting key: "] {
                assert!(sql.contains(head), "{head} is missing in {}", path.display());
            }
            assert!(!sql.contains('?'), "a question mark is a bind slot: {}", path.display());
            seen += 1;
        }
        assert!(seen > 5, "the queries are somewhere else");
    }
}
