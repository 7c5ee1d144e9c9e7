//! The counts of one step of time, as they are answered.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{answer, export::Cell, store::BucketRow, suppression::Suppression};

/// The counts of one step of time. What is null is a small group, or would give one away.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bucket {
    /// Its start; hours and days begin by the city's clock.
    start: DateTime<Utc>,
    /// The counts.
    #[serde(flatten)]
    counts: Counts,
}

/// Counts of scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Scans, entries and exits alike.
    scans: u64,
    /// Distinct people, unless left out; null when they are a small group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    persons: Option<Option<u64>>,
    /// Scans by the colour in force at the scan.
    colours: ColourCounts,
    /// Scans by how they were made.
    methods: MethodCounts,
    /// Scans whose person was refused.
    refused: Option<u64>,
    /// Scans on the way out.
    exits: Option<u64>,
}

/// Scans by colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct ColourCounts {
    green: Option<u64>,
    yellow: Option<u64>,
    red: Option<u64>,
    /// No valid colour was known.
    unknown: Option<u64>,
}

/// Scans by method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct MethodCounts {
    venue_code: Option<u64>,
    sentinel_health_code: Option<u64>,
    sentinel_id_card: Option<u64>,
    reverse_scan: Option<u64>,
    manual: Option<u64>,
}

impl Counts {
    /// The counts as they are shown; `None` when they are those of a small group. `people` says whether distinct people
    /// were counted, and whether they are shown.
    pub fn new(row: &BucketRow, counted: bool, shown: bool, suppression: Suppression) -> Option<Self> {
        let is_small = counted && suppression.of(row.persons).is_none();
        let scans = suppression.of(row.scans).filter(|_| !is_small)?;
        // Of a count and what it leaves of the scans only the one is shown; both must be no small group.
        let part = |count: u64| suppression.parts([count, row.scans.saturating_sub(count)])[0];
        let rest = |parts: &[u64]| row.scans.saturating_sub(parts.iter().sum());
        let unknown = rest(&[row.green, row.yellow, row.red]);
        let [green, yellow, red, unknown] = suppression.parts([row.green, row.yellow, row.red, unknown]);
        let (health_code, id_card) = (row.sentinel_health_code, row.sentinel_id_card);
        let venue_code = rest(&[health_code, id_card, row.reverse_scan, row.manual]);
        let methods = [venue_code, health_code, id_card, row.reverse_scan, row.manual];
        let [venue_code, sentinel_health_code, sentinel_id_card, reverse_scan, manual] = suppression.parts(methods);
        Some(Self {
            scans,
            persons: (counted && shown).then(|| suppression.of(row.persons)),
            colours: ColourCounts { green, yellow, red, unknown },
            methods: MethodCounts { venue_code, sentinel_health_code, sentinel_id_card, reverse_scan, manual },
            refused: part(row.refused),
            exits: part(row.exits),
        })
    }
}

impl Bucket {
    /// The bucket of these counts, unless they are those of a small group.
    pub fn new(row: &BucketRow, counted: bool, shown: bool, suppression: Suppression) -> Option<Self> {
        let counts = Counts::new(row, counted, shown, suppression)?;
        Some(Self { start: answer::time(row.start), counts })
    }

    /// Its part of a row: what is not shown is empty there, too.
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let Counts { scans, persons, colours, methods, refused, exits } = &self.counts;
        let counts = [
            Some(*scans),
            persons.flatten(),
            colours.green,
            colours.yellow,
            colours.red,
            colours.unknown,
            methods.venue_code,
            methods.sentinel_health_code,
            methods.sentinel_id_card,
            methods.reverse_scan,
            methods.manual,
            *refused,
            *exits,
        ];
        std::iter::once(self.start.into()).chain(counts.map(Cell::from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> BucketRow {
        BucketRow {
            start: 0,
            scans: 57,
            persons: 31,
            green: 41,
            yellow: 1,
            red: 0,
            sentinel_health_code: 3,
            sentinel_id_card: 0,
            reverse_scan: 0,
            manual: 22,
            refused: 55,
            exits: 20,
        }
    }

    #[test]
    fn what_is_not_named_is_what_the_named_leave() {
        let counts = Counts::new(&row(), true, true, Suppression::NONE);
        let expected = json!({
            "scans": 57, "persons": 31, "refused": 55, "exits": 20,
            "colours": {"green": 41, "yellow": 1, "red": 0, "unknown": 15},
            "methods": {"venue_code": 32, "sentinel_health_code": 3, "sentinel_id_card": 0, "reverse_scan": 0,
                        "manual": 22}
        });
        assert_eq!(json!(counts), expected);
        assert_eq!(json!(Counts::new(&row(), true, false, Suppression::NONE))["persons"], json!(null));
    }

    #[test]
    fn a_screen_is_shown_no_small_group() {
        let counts = Counts::new(&row(), true, true, Suppression::below(10));
        let expected = json!({
            "scans": 50, "persons": 30, "refused": 50, "exits": 20,
            "colours": {"green": 40, "yellow": null, "red": null, "unknown": 10},
            "methods": {"venue_code": 30, "sentinel_health_code": null, "sentinel_id_card": null, "reverse_scan": null,
                        "manual": 20}
        });
        assert_eq!(json!(counts), expected);
        let few = BucketRow { persons: 9, ..row() };
        assert_eq!(Counts::new(&few, true, false, Suppression::below(10)), None, "many scans of few people");
        assert!(Counts::new(&few, false, false, Suppression::below(10)).is_some());
    }
}
