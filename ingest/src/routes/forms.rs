//! `GET /v1/forms`: what a person is asked, for an app that lets people register ahead of their first visit (S4).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemas::city::Form;
use serde::Serialize;
use service::Caller;
use utoipa::ToSchema;

use super::json;
use crate::{error::IngestError, refusals::LookUpRefusals, state::Gateway};

/// The forms of the city.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forms<'a> {
    /// That of ordinary venues.
    venue: &'a Form,
    /// That of freight checkpoints and destinations; null in a city without them.
    freight: Option<&'a Form>,
    /// Whether the city asks for a form at the first scan, and for the last four characters of the document later.
    is_asked: bool,
}

/// What a person is asked at the first scan
#[utoipa::path(get, path = "/v1/forms", tag = "people",
    responses(
        (status = 200, description = "The forms of the city, with labels in Chinese and English", body = Forms<'static>),
        LookUpRefusals,
    ))]
pub async fn get(State(gateway): State<Arc<Gateway>>, caller: Caller) -> Result<Response, IngestError> {
    gateway.let_in(caller.subject(), 1)?;
    let profile = &gateway.city.profile;
    let forms = Forms {
        venue: &profile.venue_form,
        freight: profile.freight_form.as_ref(),
        is_asked: profile.scanning.last_four.is_some(),
    };
    serde_json::to_vec(&forms).map(json).map_err(|_| IngestError::Internal)
}
