//! Who may do what: roles, the claims of a token, and the tables of routes that services hold requests against.
//!
//! Pure: signatures, keys and HTTP are in `service::access`. Whatever is not allowed here is refused.

mod claims;
mod scope;
mod table;

use serde::{Deserialize, Serialize};

pub use claims::{Claims, ClaimsError, Expected};
pub use scope::{Limit, Scope, covers, is_city_wide, is_district_prefix};
pub use table::{Refusal, Rule, Table};

/// What somebody, or something, is trusted with. A token has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A digital sentinel, or the app of the staff at a door: sends the scans of whoever passes (S0, S3).
    Device,
    /// A person: scans codes for themselves (S2).
    Citizen,
    /// The operator of an organisation's venues: sees their own doors (S0).
    Operator,
    /// Reviews applications for venue codes.
    Reviewer,
    /// A district office: sees its district and handles its alerts.
    District,
    /// Traces contacts.
    Epidemiologist,
    /// Releases what an epidemiologist asks for.
    Supervisor,
    /// A screen that polls counts.
    Dashboard,
    /// Watches how codes are used (S4).
    Regulator,
    /// An authority's or laboratory's feed of health codes and tests.
    Feed,
    /// Runs the service: loads the venue directory.
    Admin,
    /// Sees what became of bulk changes, releases and erasures.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[
        Self::Device,
        Self::Citizen,
        Self::Operator,
        Self::Reviewer,
        Self::District,
        Self::Epidemiologist,
        Self::Supervisor,
        Self::Dashboard,
        Self::Regulator,
        Self::Feed,
        Self::Admin,
        Self::Auditor,
    ];

    /// The word in a token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Citizen => "citizen",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::District => "district",
            Self::Epidemiologist => "epidemiologist",
            Self::Supervisor => "supervisor",
            Self::Dashboard => "dashboard",
            Self::Regulator => "regulator",
            Self::Feed => "feed",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The limit that a token of this role cannot be without: its holder acts for one person, one organisation or
    /// one district, and never for all.
    pub const fn required_limit(self) -> Option<Limit> {
        match self {
            Self::Citizen => Some(Limit::Person),
            Self::Operator => Some(Limit::Organisation),
            Self::District => Some(Limit::District),
            _ => None,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// A word that is no role.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected a role: device, citizen, operator, reviewer, district, epidemiologist, supervisor, dashboard, regulator, \
     feed, admin or auditor"
)]
pub struct RoleError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_one_word_wherever_it_is_written() {
        for role in Role::ALL {
            assert_eq!(serde_json::json!(role), serde_json::json!(role.as_str()));
            assert_eq!(role.as_str().parse(), Ok(*role));
            assert!(RoleError.to_string().contains(role.as_str()), "{role}");
        }
        assert_eq!("root".parse::<Role>(), Err(RoleError));
    }
}
