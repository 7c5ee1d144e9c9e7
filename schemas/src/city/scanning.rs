//! How people are registered at a door, and whom others may register.

use serde::Deserialize;

use crate::Method;

/// How people are registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanning {
    /// The methods that the city has.
    pub methods: Vec<Method>,
    /// Ids of the groups of people whose paper offline code staff may scan (S3).
    #[serde(default)]
    pub reverse_scan_for: Vec<String>,
    /// Ids of the groups of people whose details others may enter by hand (S0, S4).
    #[serde(default)]
    pub manual_for: Vec<String>,
    /// Two methods by one person at one point within so many minutes are one visit, since either the code or the
    /// sentinel is asked for, never both (S3); none, when absent.
    #[serde(default)]
    pub either_or_minutes: Option<u16>,
    /// After the first scan the last four characters of the document are enough (S4); not, when absent.
    #[serde(default)]
    pub last_four: Option<LastFour>,
}

/// When guessing at somebody's last four characters is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastFour {
    /// Wrong attempts in a row after which it locks.
    pub failures: u8,
    /// For how many minutes.
    pub lock_minutes: u16,
}

impl Scanning {
    /// Ids of the groups of people to whom a method is bound; `None` when everyone may use it.
    pub fn only_for(&self, method: Method) -> Option<&[String]> {
        match method {
            Method::ReverseScan => Some(&self.reverse_scan_for),
            Method::Manual => Some(&self.manual_for),
            Method::VenueCode | Method::SentinelHealthCode | Method::SentinelIdCard => None,
        }
    }
}
