//! Compares what the query API answers with what the oracle says. Pure; a difference is told in words.

use std::collections::BTreeMap;
use std::ops::Range;

use schemas::{PersonKey, UnixSeconds};

use crate::oracle::{Encounter, Footfall, Oracle};
use crate::query::{Bucket, Trace};

/// Minutes are sent as decimal fractions.
const TOLERANCE_MINUTES: f64 = 0.01;

/// Checks visits, contacts, their encounters, their time together and their order.
///
/// # Errors
/// What differs first.
pub fn trace(
    trace: &Trace,
    oracle: &Oracle,
    person: PersonKey,
    range: Range<UnixSeconds>,
    window_minutes: u32,
) -> Result<(), String> {
    let window_s = i64::from(window_minutes) * 60;
    if trace.truncated {
        return Err("it was cut off at a limit".to_owned());
    }
    let mut visits: Vec<_> = trace.visits.iter().map(|v| (v.scanned_at.timestamp(), v.venue)).collect();
    visits.sort_unstable();
    let expected = oracle.visits(person.to_u64(), range.clone());
    if visits != expected {
        return Err(format!("{} visits instead of {}", visits.len(), expected.len()));
    }

    let mut expected = oracle.contacts(person.to_u64(), range, window_s);
    for contact in &trace.contacts {
        let Some(encounters) = expected.remove(&contact.person.to_u64()) else {
            return Err(format!("{} is no contact, or is listed twice", contact.person));
        };
        let mut traced: Vec<Encounter> = contact
            .encounters
            .iter()
            .map(|e| Encounter {
                venue: e.venue,
                index_at: e.index_at.timestamp(),
                contact_at: e.contact_at.timestamp(),
            })
            .collect();
        traced.sort_unstable();
        if traced != encounters {
            let (found, right) = (traced.len(), encounters.len());
            return Err(format!("{found} encounters with {}, of which there were {right}", contact.person));
        }
        let minutes = encounters.iter().map(|e| e.overlap_s(window_s)).sum::<i64>() as f64 / 60.0;
        if (contact.overlap_minutes_total - minutes).abs() > TOLERANCE_MINUTES {
            let found = contact.overlap_minutes_total;
            return Err(format!("{found} minutes with {} instead of {minutes}", contact.person));
        }
    }
    if let Some(missing) = expected.keys().next().copied().and_then(PersonKey::from_u64) {
        return Err(format!("{} contacts are missing, such as {missing}", expected.len()));
    }
    let in_order = trace.contacts.is_sorted_by(|a, b| {
        a.overlap_minutes_total > b.overlap_minutes_total
            || (a.overlap_minutes_total == b.overlap_minutes_total && a.person < b.person)
    });
    if in_order { Ok(()) } else { Err("the contacts are not in the order of their overlap".to_owned()) }
}

/// Checks the counts of every step of time.
///
/// # Errors
/// What differs first.
pub fn footfall(buckets: &[Bucket], expected: &BTreeMap<UnixSeconds, Footfall>) -> Result<(), String> {
    let counted: BTreeMap<UnixSeconds, Footfall> =
        buckets.iter().map(|b| (b.start.timestamp(), Footfall { scans: b.scans, persons: b.persons })).collect();
    if counted.len() != buckets.len() || counted.len() != expected.len() {
        return Err(format!("{} steps of time instead of {}", buckets.len(), expected.len()));
    }
    match expected.iter().find(|(start, step)| counted.get(start) != Some(step)) {
        None => Ok(()),
        Some((start, step)) => Err(format!("at {start}: {:?} instead of {step:?}", counted.get(start))),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;
    use crate::oracle::Sighting;

    const INDEX: &str = "1000000000000001";
    const T: i64 = 1_654_056_000;

    fn key(text: &str) -> PersonKey {
        text.parse().expect("a key")
    }

    /// The index person and a contact at one venue, ten minutes apart.
    fn oracle() -> Oracle {
        let at = |person: &str, at| Sighting { person: key(person).to_u64(), venue: 7, at };
        Oracle::new([at(INDEX, T), at("1000000000000002", T + 600)])
    }

    fn answer() -> Value {
        let time = |at| DateTime::from_timestamp(at, 0).expect("a time").to_rfc3339();
        json!({
            "visits": [{"venue": 7, "venue_name": null, "scanned_at": time(T), "method": "venue_code", "verdict": "admit", "colour": "green"}],
            "contacts": [{"person": "1000000000000002", "overlap_minutes_total": 20.0,
                "encounters": [{"venue": 7, "index_at": time(T), "contact_at": time(T + 600)}]}],
            "truncated": false,
        })
    }

    fn check(answer: Value) -> Result<(), String> {
        let answer = serde_json::from_value(answer).expect("an answer");
        trace(&answer, &oracle(), key(INDEX), T - 1..T + 1, 30)
    }

    #[test]
    fn the_right_answer_passes_and_every_difference_is_found() {
        assert_eq!(check(answer()), Ok(()));
        let with = |pointer: &str, value: Value| {
            let mut answer = answer();
            *answer.pointer_mut(pointer).expect("is there") = value;
            check(answer).unwrap_err()
        };
        assert_eq!(with("/truncated", true.into()), "it was cut off at a limit");
        assert_eq!(with("/visits", json!([])), "0 visits instead of 1");
        assert!(with("/contacts", json!([])).starts_with("1 contacts are missing"));
        assert!(with("/contacts/0/person", json!("1000000000000003")).ends_with("is no contact, or is listed twice"));
        assert!(with("/contacts/0/encounters", json!([])).starts_with("0 encounters"));
        assert!(with("/contacts/0/overlap_minutes_total", json!(21)).starts_with("21 minutes"));
    }
}
