//! Topics, their keys and how they are made.

use crate::{retention::Retention, stores};

/// Scans, keyed by person.
pub const SCANS: &str = "scans";
/// Health-code changes, keyed by person.
pub const HEALTH: &str = "health";
/// Bulk changes of health codes until a second account releases them, keyed by proposal.
pub const HEALTH_PROPOSALS: &str = "health-proposals";
/// Test results, keyed by person.
pub const TESTS: &str = "tests";
/// Venue directory, keyed by venue.
pub const VENUES: &str = "venues";
/// Commands about venue codes, keyed by organisation.
pub const APPLICATIONS: &str = "applications";
/// Abnormal scans and what was done about them, keyed by district.
pub const ALERTS: &str = "alerts";
/// Declared trips of lorries and where they were scanned, keyed by plate.
pub const TRIPS: &str = "trips";
/// Who may read whose movements, and why: asked for and released; keyed by release.
pub const RELEASES: &str = "releases";
/// Reminders of what is to be mended about venue codes, keyed by district.
pub const REMINDERS: &str = "reminders";
/// Whose data is to go, and whose has gone; keyed by erasure.
pub const ERASURES: &str = "erasures";
/// How far the chains of the audit log are, keyed by chain.
pub const AUDIT_ANCHORS: &str = "audit-anchors";
/// Who people are, encrypted; keyed by person and form.
pub const IDENTITIES: &str = "identities";
/// What could not be processed, keyed by source topic.
pub const DEAD_LETTERS: &str = "dead-letters";
/// The sink's ledger: ranges of `scans` written down before they are stored. Partition n speaks of `scans`
/// partition n.
pub const SCAN_RANGES: &str = "scan-ranges";

/// Bytes of ledger kept per partition; the newest record is all that is needed.
const LEDGER_RETENTION_BYTES: &str = "67108864";

/// One topic as it is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Full name, with the prefix.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Topic settings.
    pub settings: Vec<(&'static str, String)>,
}

/// The names of one deployment's topics: a prefix keeps several apart on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// [`SCANS`] with the prefix.
    pub scans: String,
    /// [`HEALTH`] with the prefix.
    pub health: String,
    /// [`HEALTH_PROPOSALS`] with the prefix.
    pub health_proposals: String,
    /// [`TESTS`] with the prefix.
    pub tests: String,
    /// [`VENUES`] with the prefix.
    pub venues: String,
    /// [`APPLICATIONS`] with the prefix.
    pub applications: String,
    /// [`ALERTS`] with the prefix.
    pub alerts: String,
    /// [`TRIPS`] with the prefix.
    pub trips: String,
    /// [`RELEASES`] with the prefix.
    pub releases: String,
    /// [`REMINDERS`] with the prefix.
    pub reminders: String,
    /// [`ERASURES`] with the prefix.
    pub erasures: String,
    /// [`AUDIT_ANCHORS`] with the prefix.
    pub audit_anchors: String,
    /// [`IDENTITIES`] with the prefix.
    pub identities: String,
    /// [`DEAD_LETTERS`] with the prefix.
    pub dead_letters: String,
    /// [`SCAN_RANGES`] with the prefix.
    pub scan_ranges: String,
}

impl Topics {
    /// The topics whose names start with `prefix`, which may be empty.
    pub fn new(prefix: &str) -> Self {
        let name = |topic: &str| format!("{prefix}{topic}");
        Self {
            scans: name(SCANS),
            health: name(HEALTH),
            health_proposals: name(HEALTH_PROPOSALS),
            tests: name(TESTS),
            venues: name(VENUES),
            applications: name(APPLICATIONS),
            alerts: name(ALERTS),
            trips: name(TRIPS),
            releases: name(RELEASES),
            reminders: name(REMINDERS),
            erasures: name(ERASURES),
            audit_anchors: name(AUDIT_ANCHORS),
            identities: name(IDENTITIES),
            dead_letters: name(DEAD_LETTERS),
            scan_ranges: name(SCAN_RANGES),
        }
    }

    /// How each topic is created: kept as [`stores::TOPICS`] says. `scans`, `health`, `tests` and the ledger share
    /// `partitions`, so that one instance has a person's scans and health together. Where the broker has no
    /// `compaction_lag`, health and tests are kept for good instead of being compacted.
    pub fn specs(&self, partitions: i32, compaction_lag: bool, retention: Retention) -> Vec<TopicSpec> {
        let prefix = self.scans.strip_suffix(SCANS).unwrap_or_default();
        let spec = |topic: &stores::Topic| {
            let mut settings = topic.kept.settings(retention, compaction_lag);
            if topic.name == SCAN_RANGES {
                settings.push(("retention.bytes", LEDGER_RETENTION_BYTES.to_owned()));
            }
            let partitions = if [AUDIT_ANCHORS, DEAD_LETTERS, ERASURES].contains(&topic.name) { 1 } else { partitions };
            TopicSpec { name: format!("{prefix}{}", topic.name), partitions, settings }
        };
        stores::TOPICS.iter().map(spec).collect()
    }
}
