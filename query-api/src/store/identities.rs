//! Registrations of people, sealed.

use clickhouse::Row;
use schemas::{PersonKey, UnixSeconds};
use serde::Deserialize;

use super::{Kind, Store};
use crate::QueryError;

/// The newest registration of a known person by a form.
#[derive(Clone, Row, Deserialize)]
pub struct IdentityRow {
    /// The form.
    pub form: String,
    /// Version of the message that it came in.
    pub v: u8,
    /// Type of the document.
    pub document: String,
    /// When.
    pub registered_at: UnixSeconds,
    /// The answers, sealed.
    pub sealed: String,
}

impl Store {
    /// The newest registrations of a person, one of each form; none of a person who never registered.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn identities(&self, person: PersonKey) -> Result<Vec<IdentityRow>, QueryError> {
        let query = self.query_of_person(include_str!("../sql/identities.sql"));
        self.rows(Kind::Identities, query.param("person", person.to_u64())).await
    }
}
