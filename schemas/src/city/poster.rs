//! What stands on a city's posters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Bilingual;

/// Words, colours and sizes of the posters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poster {
    /// For ordinary venues.
    pub venue: PosterWords,
    /// For freight checkpoints and destinations (S4: 专属场所码).
    #[serde(default)]
    pub freight: Option<PosterWords>,
    /// Apps that can scan the code.
    pub apps: Vec<Bilingual>,
    /// The city's colours.
    pub colours: PosterColours,
    /// Sizes that the city prints.
    pub sizes: Vec<PosterSize>,
}

/// The words of one poster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PosterWords {
    /// The title.
    pub title: Bilingual,
    /// A sentence from the notice.
    pub sentence: Bilingual,
    /// How to scan, step by step.
    pub instructions: Vec<Bilingual>,
}

/// Colours as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PosterColours {
    /// Behind the title.
    pub primary: String,
    /// Lines and emphasis.
    pub accent: String,
    /// Of the title, on `primary`.
    pub on_primary: String,
}

/// Sizes of posters, width by height (S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema)]
pub enum PosterSize {
    /// 21 × 29.7 cm, for shop windows.
    #[serde(rename = "a4")]
    A4,
    /// 60 × 90 cm (约两开), beside doors.
    #[serde(rename = "60x90")]
    Sheet60x90,
    /// 80 × 180 cm (展架), stands at entrances.
    #[serde(rename = "80x180")]
    Stand80x180,
}

impl PosterSize {
    /// Width and height in millimetres.
    pub const fn millimetres(self) -> (u16, u16) {
        match self {
            Self::A4 => (210, 297),
            Self::Sheet60x90 => (600, 900),
            Self::Stand80x180 => (800, 1800),
        }
    }
}
