//! What somebody did about a case, as the logs of alerts, releases, erasures and bulk changes have it.

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Account.
    pub by: String,
    /// In milliseconds since 1970.
    pub at_ms: i64,
}

/// The account as a row has it: empty when nobody did it.
pub fn by(deed: Option<&Deed>) -> &str {
    deed.map_or("", |deed| deed.by.as_str())
}
