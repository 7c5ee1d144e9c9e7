//! Applications for venue codes, as the registry has decided them.

use clickhouse::Row;
use schemas::{PersonKey, VenueId};
use serde::Deserialize;
use uuid::Uuid;

use super::{Kind, Store, listing::within};
use crate::QueryError;

/// The state of an application after a command.
#[derive(Debug, Clone, Row, Deserialize)]
pub struct ApplicationRow {
    /// The application.
    #[serde(with = "clickhouse::serde::uuid")]
    pub application_id: Uuid,
    /// Place of the command in the registry's log.
    pub revision: u64,
    /// The command.
    #[serde(with = "clickhouse::serde::uuid")]
    pub command_id: Uuid,
    /// What it asked for.
    pub action: String,
    /// When it was taken, in milliseconds since 1970.
    pub at_ms: i64,
    /// How far the application is.
    pub state: String,
    /// Why the command was not carried out; empty when it was.
    pub refused: String,
    /// Why the application was rejected; empty when it was not by this command.
    pub reason: String,
    /// What the reviewer said.
    pub note: String,
    /// The application that it repeats.
    #[serde(with = "clickhouse::serde::uuid::option")]
    pub duplicate_of: Option<Uuid>,
    /// Its venue; 0 before it is approved.
    pub venue_id: VenueId,
    /// Issue number of its code.
    pub serial: u8,
    /// Credit code of the organisation.
    pub organisation: String,
    /// Its name.
    pub organisation_name: String,
    /// Its kind.
    pub organisation_kind: String,
    /// Person key of the applicant.
    pub applicant: u64,
    /// As what they applied.
    pub applicant_kind: String,
    /// By which way.
    pub channel: String,
    /// What the code is for.
    pub kind: String,
    /// Category.
    pub category: String,
    /// Name.
    pub name: String,
    /// District.
    pub district: u32,
    /// Address.
    pub address: String,
    /// Door; empty without one.
    pub door: String,
    /// Latitude.
    pub latitude: Option<f64>,
    /// Longitude.
    pub longitude: Option<f64>,
    /// Start of an event, in seconds since 1970.
    pub starts_at: Option<i64>,
    /// End of an event.
    pub ends_at: Option<i64>,
}

/// Which applications are meant; all parts hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationFilter {
    /// Those of an organisation.
    pub organisation: Option<String>,
    /// Those of an applicant.
    pub applicant: Option<PersonKey>,
    /// The one that a venue came of.
    pub venue: Option<VenueId>,
    /// Those of a district, or of all that begin with these digits.
    pub district: Option<u32>,
    /// Those in a state.
    pub state: Option<&'static str>,
}

impl Store {
    /// Every state of an application, oldest first; none when the registry has not decided it.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn application(&self, application: Uuid) -> Result<Vec<ApplicationRow>, QueryError> {
        let query = self.query(include_str!("../sql/application.sql")).param("application", application.to_string());
        self.rows(Kind::Application, query).await
    }

    /// The applications that are meant, as they are now, newest first, up to `limit`, and whether there are more.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn applications(
        &self,
        filter: &ApplicationFilter,
        limit: usize,
    ) -> Result<(Vec<ApplicationRow>, bool), QueryError> {
        let sql = include_str!("../sql/applications.sql");
        let query = if filter.applicant.is_some() { self.query_of_person(sql) } else { self.query(sql) };
        let query = within(query, filter.district)
            .param("organisation", filter.organisation.as_deref().unwrap_or_default())
            .param("applicant", filter.applicant.map_or(0, PersonKey::to_u64))
            .param("venue", filter.venue.unwrap_or_default())
            .param("state", filter.state.unwrap_or_default());
        self.up_to(Kind::Applications, query, limit).await
    }
}
