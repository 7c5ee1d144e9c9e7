//! Registrations as rows: who a person is, sealed, for a query service that opens it by a release.
//!
//! A [`Machine`] over the topic `identities` that remembers nothing: the row of a record replaces those of earlier records
//! of the same person and form. Nothing here can open what it stores.

use std::sync::Arc;

use schemas::{Erased, IdentityEvent, UnixSeconds};
use serde::Serialize;

use crate::{
    machine::{Machine, Outputs, Record, Row, runner},
    workers::Job,
};

/// The table.
const TABLE: &str = "identities";

/// Makes rows of the registrations of one partition.
#[derive(Default)]
pub struct Identities {
    erased: Arc<Erased>,
}

#[derive(Serialize)]
struct IdentityRow<'e> {
    person_id: u64,
    form: &'static str,
    v: u8,
    document: &'static str,
    registered_at: UnixSeconds,
    sealed: &'e str,
    kafka_offset: u64,
}

impl<'e> IdentityRow<'e> {
    fn new(kafka_offset: u64, event: &'e IdentityEvent) -> Self {
        Self {
            person_id: event.person.to_u64(),
            form: event.form.as_str(),
            v: event.v,
            document: event.document.as_str(),
            registered_at: event.registered_at,
            sealed: &event.sealed,
            kafka_offset,
        }
    }
}

impl Machine for Identities {
    const LOG_EXPIRES: bool = true;
    const REMEMBERS: bool = false;
    const OF_PEOPLE: bool = true;

    fn leave_out(&mut self, erased: &Arc<Erased>) {
        self.erased = Arc::clone(erased);
    }

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        // A key without a value is forgotten on Kafka; the erasure that says so removes the rows itself.
        if record.value.is_empty() {
            return Ok(Outputs::default());
        }
        let event = IdentityEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.key().as_bytes() {
            return Err("fields `person` and `form`: are not the key of the message".to_owned());
        }
        if self.erased.has_identity(&event) {
            return Ok(Outputs::default());
        }
        Ok(Outputs { messages: Vec::new(), rows: vec![Row::new(TABLE, &IdentityRow::new(record.offset, &event))] })
    }
}

/// What runs a partition of registrations.
pub fn job(shared: runner::Shared) -> Job {
    Arc::new(move |partition, commit, stop| runner::run(&shared, partition, Identities::default, commit, stop))
}
