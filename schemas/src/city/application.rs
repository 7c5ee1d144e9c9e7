//! Who gets venue codes, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Bilingual;

/// How codes are applied for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Whether somebody looks at an application first.
    pub review: Review,
    /// What gets a code of its own.
    pub code_per: CodePer,
    /// Whether an application whose data is that of another one is rejected (S4).
    pub reject_duplicates: bool,
    /// Organisations that may apply; all kinds, when empty.
    #[serde(default)]
    pub organisations: Vec<OrganisationKind>,
    /// Provinces in one of which an organisation must be registered, as its credit code says (S0: 注册地为上海市); anywhere,
    /// when empty. Those that national authorities register may be anywhere, which is for the review to see.
    #[serde(default)]
    pub registered_in: Vec<u32>,
    /// Who may apply for the organisation.
    pub applicants: Vec<Applicant>,
    /// Ways to apply.
    pub channels: Vec<Channel>,
}

/// Whether somebody looks at an application before a code is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// Approved or rejected by a reviewer (S0, S2, S4).
    Reviewed,
    /// Issued when it is complete (S1).
    AtOnce,
}

/// What gets a code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CodePer {
    /// Each door (S2: 一门一码).
    Door,
    /// Each venue (S4: 一所一码).
    Venue,
}

/// Kinds of organisations (S0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrganisationKind {
    /// 政府机关.
    Government,
    /// 公共服务机构.
    PublicService,
    /// 企业.
    Company,
    /// 个体工商户.
    SoleTrader,
    /// Any other.
    Other,
}

/// Somebody who may apply for an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applicant {
    /// Identifier, used by channels.
    pub id: String,
    /// Name as shown, in the words of the notice.
    pub name: Bilingual,
}

/// A way to apply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Which.
    pub id: ChannelKind,
    /// Name as shown.
    pub name: Bilingual,
    /// Codes that an organisation may get this way.
    pub quota: u32,
    /// Ids of the applicants that it is open to.
    pub applicants: Vec<String>,
}

/// The ways to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// The city's phone app or mini programs.
    Mobile,
    /// The city's web portal.
    Portal,
}

impl Application {
    /// The rules of a channel; `None` when the city does not have it.
    pub fn channel(&self, id: ChannelKind) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }
}
