//! Names of this service's metrics; each doc line is the help text.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use schemas::ddl::SCAN_TABLES;

/// Scans stored in ClickHouse.
pub const STORED: &str = "processor_scans_stored_total";
/// Messages that repeated an earlier scan and were not stored again.
pub const REPEATED: &str = "processor_scans_repeated_total";
/// Messages sent to dead-letters.
pub const DEAD_LETTERS: &str = "processor_dead_letters_total";
/// Scans that ClickHouse refused and that are in dead-letters.
pub const REFUSED: &str = "processor_scans_refused_total";
/// Rows found missing after an unclear insert and stored again, per table.
pub const REPAIRED: &str = "processor_rows_repaired_total";
/// Rows found stored more than once, per table; always 0 unless something is wrong.
pub const DOUBLED: &str = "processor_rows_doubled_total";
/// Requests to ClickHouse that failed or whose outcome was unclear, and were tried again.
pub const RETRIES: &str = "processor_insert_retries_total";
/// Seconds that storing one batch took.
pub const STORE_SECONDS: &str = "processor_store_seconds";
/// Seconds from the gateway's acceptance of the oldest scan of a batch until the batch was stored.
pub const FRESHNESS_SECONDS: &str = "processor_freshness_seconds";
/// Messages of `scans` not stored yet, per partition.
pub const LAG: &str = "processor_lag_messages";
/// Age of the oldest message of `scans` not stored yet, in seconds, per partition; 0 when all are stored.
pub const BEHIND_SECONDS: &str = "processor_behind_seconds";
/// Since when nothing can be stored, in seconds since 1970, per partition; 0 while it can.
pub const CANNOT_STORE_SINCE: &str = "processor_cannot_store_since_seconds";
/// Partitions of `scans` held by this instance.
pub const PARTITIONS: &str = "processor_partitions";
/// Records of commands that a state machine has applied, with all that follows from them out, per machine.
pub const FOLDED: &str = "processor_records_folded_total";
/// 1 while what follows from records cannot leave, per machine and partition.
pub const HELD_UP: &str = "processor_held_up";
/// When a state machine last looked for commands, in seconds since 1970, per machine and partition; 0 when not held here.
pub const TURNED_AT: &str = "processor_machine_turned_at_seconds";
/// Partitions of a state machine held by this instance, per machine.
pub const MACHINE_PARTITIONS: &str = "processor_machine_partitions";

/// Alerts about scans sent to the districts' books; one that is sent again counts again.
pub const ALERTS_RAISED: &str = "processor_alerts_raised_total";
/// Alerts that are not disposed of, by state (raised, escalated, acknowledged) and age, per partition.
pub const ALERTS_OPEN: &str = "processor_alerts_open";
/// Bulk changes of health codes that wait for a second account, per partition.
pub const PROPOSALS_OPEN: &str = "processor_health_proposals_open";
/// Since when the oldest of them waits, in seconds since 1970, per partition; 0 while none does.
pub const PROPOSALS_WAITING_SINCE: &str = "processor_health_proposals_waiting_since_seconds";
/// Reminders that are not settled, by state (sent, answered, escalated), per partition.
pub const REMINDERS_OPEN: &str = "processor_reminders_open";
/// Scans that came when they were past and of which nothing was kept.
pub const PAST: &str = "processor_scans_past_total";
/// Scans of people who were erased after them, of which nothing was kept.
pub const OF_ERASED: &str = "processor_scans_of_erased_total";
/// Rows that were removed because their person was erased, per table.
pub const ERASED_ROWS: &str = "processor_rows_erased_total";
/// Erasures that were confirmed and are not carried out yet.
pub const ERASURES_OPEN: &str = "processor_erasures_open";
/// Since when the oldest of them waits, in seconds since 1970; 0 while none does.
pub const ERASURES_WAITING_SINCE: &str = "processor_erasures_waiting_since_seconds";
/// Rows that were forgotten because they were past, per table.
pub const FORGOTTEN: &str = "processor_rows_forgotten_total";
/// Before which nothing is left in any table that goes with the city's retention, in seconds since 1970.
pub const HORIZON: &str = "processor_retention_horizon_seconds";
/// When that was last looked after, in seconds since 1970.
pub const FORGOT_AT: &str = "processor_retention_at_seconds";
/// 1 where nothing is ever forgotten (`--retention off`).
pub const RETENTION_OFF: &str = "processor_retention_off";

/// When how far the audit log is was last told to Kafka, in seconds since 1970.
pub const ANCHORED_AT: &str = "processor_audit_anchored_at_seconds";

/// Every counter with its help text.
const COUNTERS: &[(&str, &str)] = &[
    (STORED, "Scans stored in ClickHouse"),
    (REPEATED, "Messages that repeated an earlier scan and were not stored again"),
    (DEAD_LETTERS, "Messages sent to dead-letters"),
    (REFUSED, "Scans that ClickHouse refused and that are in dead-letters"),
    (REPAIRED, "Rows found missing after an unclear insert and stored again, per table"),
    (DOUBLED, "Rows found stored more than once, per table; always 0 unless something is wrong"),
    (RETRIES, "Requests to ClickHouse that failed or whose outcome was unclear, and were tried again"),
    (PAST, "Scans that came when they were past and of which nothing was kept"),
    (OF_ERASED, "Scans of people who were erased after them, of which nothing was kept"),
    (ERASED_ROWS, "Rows that were removed because their person was erased, per table"),
    (FORGOTTEN, "Rows that were forgotten because they were past, per table"),
    (ALERTS_RAISED, "Alerts about scans sent to the districts' books; one that is sent again counts again"),
    (FOLDED, "Records of commands that a state machine has applied, with all that follows from them out, per machine"),
];

/// Every gauge with its help text.
const GAUGES: &[(&str, &str)] = &[
    (LAG, "Messages of scans not stored yet, per partition"),
    (BEHIND_SECONDS, "Age of the oldest message of scans not stored yet, per partition; 0 when all are stored"),
    (CANNOT_STORE_SINCE, "Since when nothing can be stored, in seconds since 1970, per partition; 0 while it can"),
    (PARTITIONS, "Partitions of scans held by this instance"),
    (HELD_UP, "1 while what follows from records cannot leave, per machine and partition"),
    (TURNED_AT, "When a machine last looked for commands, in seconds since 1970, per partition; 0 when not held here"),
    (ALERTS_OPEN, "Alerts that are not disposed of, by state (raised, escalated, acknowledged) and age, per partition"),
    (PROPOSALS_OPEN, "Bulk changes of health codes that wait for a second account, per partition"),
    (
        PROPOSALS_WAITING_SINCE,
        "Since when the oldest of them waits, in seconds since 1970, per partition; 0 while none does",
    ),
    (REMINDERS_OPEN, "Reminders that are not settled, by state (sent, answered, escalated), per partition"),
    (ERASURES_OPEN, "Erasures that were confirmed and are not carried out yet"),
    (ERASURES_WAITING_SINCE, "Since when the oldest of them waits, in seconds since 1970; 0 while none does"),
    (HORIZON, "Before which nothing is left in any table that goes with the city's retention, in seconds since 1970"),
    (FORGOT_AT, "When that was last looked after, in seconds since 1970"),
    (RETENTION_OFF, "1 where nothing is ever forgotten (--retention off)"),
    (ANCHORED_AT, "When how far the audit log is was last told to Kafka, in seconds since 1970"),
    (MACHINE_PARTITIONS, "Partitions of a state machine held by this instance, per machine"),
];

/// Every histogram, all of them of seconds, with its help text.
const HISTOGRAMS: &[(&str, &str)] = &[
    (STORE_SECONDS, "Seconds that storing one batch took"),
    (FRESHNESS_SECONDS, "Seconds from acceptance of the oldest scan of a batch until stored"),
];

/// Describes every metric to the recorder.
pub fn describe() {
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));
    HISTOGRAMS.iter().for_each(|(name, help)| describe_histogram!(*name, Unit::Seconds, *help));
    // An alert on the increase of a counter sees nothing if it is not there before its first increment.
    [DEAD_LETTERS, REFUSED, PAST, OF_ERASED].iter().for_each(|name| counter!(*name).increment(0));
    for table in SCAN_TABLES {
        [REPAIRED, DOUBLED].iter().for_each(|name| counter!(*name, "table" => *table).increment(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERTS: &str = include_str!("../../deploy/alerts/processor.yml");

    #[derive(serde::Deserialize)]
    struct File {
        groups: Vec<Group>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Group {
        name: String,
        rules: Vec<Rule>,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rule {
        alert: String,
        expr: String,
        #[serde(rename = "for")]
        lasting: Option<String>,
        labels: std::collections::BTreeMap<String, String>,
        annotations: std::collections::BTreeMap<String, String>,
    }

    #[test]
    fn alerts_are_rules_about_metrics_that_exist() {
        let file: File = serde_norway::from_str(ALERTS).expect("a file of rules");
        let known = || COUNTERS.iter().chain(GAUGES).chain(HISTOGRAMS).map(|(name, _)| *name);
        let mut seen = 0;
        for rule in file.groups.iter().inspect(|group| assert!(!group.name.is_empty())).flat_map(|group| &group.rules) {
            let words = rule.expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let named: Vec<&str> = words.filter(|word| word.starts_with("processor_")).collect();
            assert!(!named.is_empty(), "{} is about nothing", rule.alert);
            for name in named {
                let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
                assert!(known().any(|k| k == name || Some(k) == family), "{} names {name}", rule.alert);
            }
            assert!(["page", "ticket"].contains(&rule.labels["severity"].as_str()), "{}", rule.alert);
            assert!(rule.annotations.contains_key("summary"), "{}", rule.alert);
            assert!(rule.lasting.as_ref().is_none_or(|time| time.ends_with(['s', 'm', 'h'])), "{}", rule.alert);
            assert_eq!(rule.expr.matches('(').count(), rule.expr.matches(')').count(), "{}", rule.alert);
            seen += 1;
        }
        assert!(seen > 4);
    }
}
