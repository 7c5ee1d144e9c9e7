//! Whom somebody wants erased, and what another account says to that, as clients send it. Pure: time is an argument.

use schemas::{
    ErasureEvent, PersonDigest, PersonKey,
    access::Claims,
    events::{ERASURE_WAIT_HOURS, ErasureAction, ErasureAsk, ErasureBasis, ErasureDeclineReason, VERSION, is_district},
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::IngestError,
    fields::{Field, Object, Text, check_plain_text, one_of, optional_inner},
    person::{self, DOCUMENT, DocumentRequest, Keys, PERSON},
    routes::commands::REQUEST_ID,
    scope::check_district,
    venue_fields::DISTRICT,
};

/// Longest number of what shows the basis, in characters.
const MAX_EVIDENCE_CHARS: usize = 64;

/// Who is to be erased, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureRequest<'a> {
    /// Identity of the request: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// District of the office that took the person's request or the order, a six-digit code of GB/T 2260. With the code of a
    /// city or province, which ends in 00, a supervisor without a district decides.
    #[schema(minimum = 110_000, maximum = 829_999)]
    district: u32,
    /// Who, by key; or `document`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    person: Option<PersonKey>,
    /// Who, by document; or `person`.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// On what basis (PIPL, article 47).
    basis: ErasureBasis,
    /// Number of the request, decision or order that shows it, up to 64 characters, without the number of a person. It is
    /// kept for good.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1, max_length = 64)]
    evidence: Text<'a>,
}

impl<'a> Object<'a> for ErasureRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<u32>("district", || DISTRICT.to_owned()),
        PERSON,
        DOCUMENT,
        Field::required::<ErasureBasis>("basis", || one_of(ErasureBasis::ALL.iter().map(|word| word.as_str()))),
        Field::required::<String>("evidence", || "expected a text".to_owned()),
    ];
}

/// Whether it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ErasureOutcome {
    /// It does, and cannot be undone.
    Confirm,
    /// It does not.
    Decline,
}

/// What another account says to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureDecisionRequest<'a> {
    /// Identity of the decision: sent again with the same one, it is still one.
    #[serde(default)]
    request_id: Option<Uuid>,
    /// Whether it happens.
    outcome: ErasureOutcome,
    /// Who is erased, by key, as the evidence says; or `document`. One of them must be there with `confirm`, neither with
    /// `decline`. When it is not the person that was asked for, nothing happens, and it is noted as refused.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    person: Option<PersonKey>,
    /// Who is erased, by document; or `person`.
    #[serde(borrow, default, deserialize_with = "optional_inner")]
    document: Option<DocumentRequest<'a>>,
    /// Why not; must be there with `decline`, and with nothing else.
    #[serde(default)]
    reason: Option<ErasureDeclineReason>,
}

impl<'a> Object<'a> for ErasureDecisionRequest<'a> {
    const FIELDS: &'static [Field] = &[
        REQUEST_ID,
        Field::required::<ErasureOutcome>("outcome", || one_of(["confirm", "decline"])),
        PERSON,
        DOCUMENT,
        Field::optional::<Option<ErasureDeclineReason>>("reason", reasons),
    ];
}

fn reasons() -> String {
    one_of(ErasureDeclineReason::ALL.iter().map(|reason| reason.as_str()))
}

impl ErasureRequest<'_> {
    /// The event that asks, which waits for another account.
    ///
    /// # Errors
    /// When a field holds what cannot be, or the district is outside the token's; the error names the field.
    pub fn check(self, sender: &Claims, keys: Keys<'_>, now_ms: i64) -> Result<ErasureEvent, IngestError> {
        if !is_district(self.district) {
            return Err(IngestError::invalid("district", DISTRICT));
        }
        check_district(&sender.scope, self.district, "district")?;
        check_plain_text("evidence", &self.evidence, MAX_EVIDENCE_CHARS)?;
        let person = person::resolve(self.person, self.document.as_ref(), keys)?;
        let erasure = ErasureEvent::derive_id(self.district, &sender.sub, self.request_id.unwrap_or_else(Uuid::now_v7));
        let ask = ErasureAsk {
            by: sender.sub.clone(),
            person,
            basis: self.basis,
            evidence: self.evidence.to_string(),
            expires_at_ms: now_ms.saturating_add(ERASURE_WAIT_HOURS * 3_600_000),
        };
        Ok(ErasureEvent { v: VERSION, erasure, at_ms: now_ms, action: ErasureAction::Ask(Box::new(ask)) })
    }
}

impl ErasureDecisionRequest<'_> {
    /// The decision, and the identity of the command.
    ///
    /// # Errors
    /// When the person or the reason does not go with the outcome; the error names the field.
    pub fn check(self, sender: &Claims, keys: Keys<'_>) -> Result<(Uuid, ErasureAction), IngestError> {
        let (command, by) = (self.request_id.unwrap_or_else(Uuid::now_v7), sender.sub.clone());
        let only_with =
            |field, outcome| Err(IngestError::invalid(field, format!("expected only with the outcome `{outcome}`")));
        let action = match (self.outcome, self.reason) {
            (ErasureOutcome::Confirm, None) => {
                let digests = person::all_keys(self.person, self.document.as_ref(), keys)?;
                let digests = digests.into_iter().map(PersonDigest::of).collect();
                ErasureAction::Confirm { command, by, digests }
            }
            (ErasureOutcome::Confirm, Some(_)) => return only_with("reason", "decline"),
            (ErasureOutcome::Decline, _) if self.person.is_some() => return only_with("person", "confirm"),
            (ErasureOutcome::Decline, _) if self.document.is_some() => return only_with("document", "confirm"),
            (ErasureOutcome::Decline, None) => return Err(IngestError::missing("reason", reasons())),
            (ErasureOutcome::Decline, Some(reason)) => ErasureAction::Decline { command, by, reason },
        };
        Ok((command, action))
    }
}
