//! Commands about venue codes: applied for, reviewed, withdrawn, revoked, issued anew (S0, S1, S4).
//!
//! The gateway checks a command's form and writes it down; the registry decides it, in the order of the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventError, Versioned, check_time, is_district, read};
use crate::{
    PersonKey, UnixSeconds, VenueId,
    access::{Limit, Scope, covers},
    city::{ChannelKind, OrganisationKind, VenueKind},
    organisation::is_credit_code,
};

/// One command. Topic `applications`, key: credit code of the organisation.
///
/// Nothing here names a person: the applicant is a key, the responsible person and phone are sealed by the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApplicationEvent {
    /// Message version.
    pub v: u8,
    /// Identity of the command; of a submission it is also the application's. Sent again, it is still one command.
    pub command: Uuid,
    /// Unified social credit code of the organisation (GB 32100).
    pub organisation: String,
    /// When the gateway took it, in milliseconds since 1970.
    pub at_ms: i64,
    /// What is to be done.
    pub action: ApplicationAction,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ApplicationAction {
    /// Applies for a code.
    Submit(Box<Submission>),
    /// Takes an application back that is not decided yet.
    Withdraw {
        /// The application.
        application: Uuid,
    },
    /// Approves or rejects an application.
    Review {
        /// The application.
        application: Uuid,
        /// Why it is rejected; approved, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rejected: Option<Rejection>,
        /// What the reviewer says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// District that the reviewer is confined to: a code of GB/T 2260 or its first digits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<u32>,
    },
    /// Ends the use of a venue's code.
    Revoke {
        /// The venue.
        venue: VenueId,
        /// District that the sender is confined to, as in a review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<u32>,
    },
    /// Issues a venue's code anew, which revokes the older posters.
    Reissue {
        /// The venue.
        venue: VenueId,
        /// District that the sender is confined to, as in a review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<u32>,
    },
}

impl ApplicationAction {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Withdraw { .. } => "withdraw",
            Self::Review { .. } => "review",
            Self::Revoke { .. } => "revoke",
            Self::Reissue { .. } => "reissue",
        }
    }
}

/// What is applied for, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Submission {
    /// Which way it came; each has a quota of its own (S0).
    pub channel: ChannelKind,
    /// Who applies.
    pub applicant: PersonKey,
    /// As what, an id of the city profile.
    pub applicant_kind: String,
    /// Name of the organisation.
    pub organisation_name: String,
    /// Its kind.
    pub organisation_kind: OrganisationKind,
    /// What the code is for.
    pub kind: VenueKind,
    /// Category, an id of the city profile.
    pub category: String,
    /// Name as on the poster.
    pub name: String,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// Detailed address.
    pub address: String,
    /// Door or point, where the city gives each its own code (S2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Latitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Longitude in degrees, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// First second of a temporary event (S2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<UnixSeconds>,
    /// First second after a temporary event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<UnixSeconds>,
    /// Responsible person and phone (S4), encrypted by the gateway.
    pub sealed: String,
}

words! {
    /// Why an application is rejected; `quota` and `numbers_used_up` only by the registry itself.
    Rejection {
        /// The address is vague (S4).
        VagueAddress = "vague_address",
        /// The data is wrong (S4).
        WrongData = "wrong_data",
        /// The organisation or the venue is not in this city (S0).
        NotInThisCity = "not_in_this_city",
        /// The same place has been applied for already (S4).
        Duplicate = "duplicate",
        /// The organisation has as many codes by this channel as it may (S0).
        Quota = "quota",
        /// The registry has no venue number left.
        NumbersUsedUp = "numbers_used_up",
        /// Another reason, in the note.
        Other = "other",
    }
}

words! {
    /// How far an application is.
    ApplicationState {
        /// Waiting for review.
        Submitted = "submitted",
        /// Approved: it has a venue and a code.
        Approved = "approved",
        /// Rejected; it may be applied for again.
        Rejected = "rejected",
        /// Taken back before it was decided.
        Withdrawn = "withdrawn",
        /// Was approved; its code is revoked.
        Revoked = "revoked",
    }
}

words! {
    /// Why a command was not carried out.
    Refusal {
        /// Only an application that waits for review can be reviewed or withdrawn.
        AlreadyDecided = "already_decided",
        /// Only the code of an approved application can be revoked or issued anew.
        NotInUse = "not_in_use",
        /// The venue is outside the sender's district.
        OutsideDistrict = "outside_district",
        /// The code has been issued 256 times; revoke it and apply again.
        SerialsUsedUp = "serials_used_up",
    }
}

impl Versioned for ApplicationEvent {
    fn v(&self) -> u8 {
        self.v
    }
}

impl ApplicationEvent {
    /// Reads and checks a message.
    ///
    /// # Errors
    /// When it is no command of a version known here, or a field holds what cannot be.
    pub fn try_parse(message: &[u8]) -> Result<Self, EventError> {
        let event: Self = read(message)?;
        if !is_credit_code(&event.organisation) {
            return Err(EventError::Field { field: "organisation", problem: "is not a credit code (GB 32100)" });
        }
        check_time("at_ms", event.at_ms / 1000)?;
        if let ApplicationAction::Submit(submission) = &event.action {
            submission.check()?;
        }
        Ok(event)
    }

    /// The command as a holder of a scope may send it: within its organisation, its district and its person.
    ///
    /// # Errors
    /// The limit that leaves it out, or that cannot be held to.
    pub fn limited(mut self, scope: &Scope) -> Result<Self, Limit> {
        if scope.venues.is_some() {
            return Err(Limit::Venues);
        }
        if scope.organisation.as_ref().is_some_and(|own| *own != self.organisation) {
            return Err(Limit::Organisation);
        }
        match &mut self.action {
            ApplicationAction::Submit(submission) => {
                if scope.district.is_some_and(|area| !covers(area, submission.district)) {
                    return Err(Limit::District);
                }
                if scope.person.is_some_and(|own| own != submission.applicant) {
                    return Err(Limit::Person);
                }
            }
            ApplicationAction::Withdraw { .. } if scope.district.is_some() => return Err(Limit::District),
            ApplicationAction::Withdraw { .. } => {}
            ApplicationAction::Review { within, .. }
            | ApplicationAction::Revoke { within, .. }
            | ApplicationAction::Reissue { within, .. } => *within = scope.district,
        }
        Ok(self)
    }

    /// The identity of the application that an organisation sends as `request`, so that no organisation can name
    /// another one's.
    pub fn application_id(organisation: &str, request: Uuid) -> Uuid {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"application\0").update(organisation.as_bytes()).update(request.as_bytes());
        let mut head = [0u8; 16];
        head.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Uuid::new_v8(head)
    }
}

impl Submission {
    fn check(&self) -> Result<(), EventError> {
        if !is_district(self.district) {
            return Err(EventError::Field { field: "district", problem: "is not a six-digit code (GB/T 2260)" });
        }
        match (self.kind, self.starts_at, self.ends_at) {
            (VenueKind::Event, Some(starts_at), Some(ends_at)) if starts_at < ends_at => {
                check_time("starts_at", starts_at)?;
                check_time("ends_at", ends_at)
            }
            (VenueKind::Event, ..) => {
                Err(EventError::Field { field: "ends_at", problem: "is not after `starts_at`, both given" })
            }
            (_, None, None) => Ok(()),
            _ => Err(EventError::Field { field: "starts_at", problem: "is only for events, as is `ends_at`" }),
        }
    }
}

#[cfg(test)]
mod tests;
