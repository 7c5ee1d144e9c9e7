//! Compares what the query API answers with what the oracle says. Pure; a difference is told in words.

use std::collections::BTreeMap;
use std::ops::Range;

use schemas::{PersonKey, UnixSeconds};

use crate::oracle::chains::{Meeting, Reached};
use crate::oracle::{Encounter, Footfall, Oracle};
use crate::query::{Bucket, Trace, TracedEncounter};

/// Minutes are sent as decimal fractions.
const TOLERANCE_MINUTES: f64 = 0.01;
/// Products are made in another order.
const TOLERANCE_SCORE: f64 = 1e-9;

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

/// Checks who was reached over several hops: hop, cases, exposure, score and every meeting.
///
/// # Errors
/// What differs first.
pub fn chains(trace: &Trace, expected: &BTreeMap<u64, Reached>) -> Result<(), String> {
    if trace.truncated {
        return Err("it was cut off at a limit".to_owned());
    }
    let mut missing = expected.clone();
    for contact in &trace.contacts {
        let who = contact.person;
        let reached =
            missing.remove(&who.to_u64()).ok_or_else(|| format!("{who} is no contact, or is listed twice"))?;
        if contact.hop != reached.hop {
            return Err(format!("{who} in hop {} instead of {}", contact.hop, reached.hop));
        }
        if !contact.cases.iter().eq(reached.exposed.keys()) {
            return Err(format!(
                "{who} leads back to cases {:?} instead of {:?}",
                contact.cases,
                reached.exposed.keys()
            ));
        }
        if contact.exposed_at.timestamp() != reached.exposed_at() {
            return Err(format!(
                "{who} exposed at {} instead of {}",
                contact.exposed_at.timestamp(),
                reached.exposed_at()
            ));
        }
        if (contact.score - reached.score).abs() > TOLERANCE_SCORE {
            return Err(format!("{who} scores {} instead of {}", contact.score, reached.score));
        }
        let mut traced: Vec<_> = contact.encounters.iter().map(meeting).collect();
        traced.sort();
        let mut right: Vec<_> = reached.meetings.iter().map(of_oracle).collect();
        right.sort();
        let differs = |traced: &[MeetingKey]| {
            traced.iter().zip(&right).find(|(a, b)| a != b).map(|(a, b)| format!("{a:?} instead of {b:?}"))
        };
        if traced.len() != right.len() {
            return Err(format!("{} encounters with {who} instead of {}", traced.len(), right.len()));
        }
        if let Some(difference) = differs(&traced) {
            return Err(format!("encounters with {who}: {difference}"));
        }
    }
    if let Some(who) = missing.keys().next() {
        return Err(format!("{} contacts are missing, such as {who:016x}", missing.len()));
    }
    let in_order = trace.contacts.is_sorted_by_key(|c| {
        let seconds = (c.overlap_minutes_total * 60.0).round() as i64;
        (c.hop, std::cmp::Reverse(seconds), c.person)
    });
    if in_order { Ok(()) } else { Err("the contacts are not in the order of hops and overlaps".to_owned()) }
}

/// When, where, how long, by which rule, and with whom.
type MeetingKey = (i64, i64, u32, i64, String, Option<u64>);

fn meeting(e: &TracedEncounter) -> MeetingKey {
    let overlap_s = (e.overlap_minutes * 60.0).round() as i64;
    let source = e.source.map(PersonKey::to_u64);
    (e.index_at.timestamp(), e.contact_at.timestamp(), e.venue, overlap_s, e.rule.clone(), source)
}

fn of_oracle(m: &Meeting) -> MeetingKey {
    (m.index_at, m.contact_at, m.venue, m.overlap_s, m.rule.to_owned(), m.source)
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
                "hop": 1, "score": 1.0 - 0.5f64.powf(20.0 / 15.0), "exposed_at": time(T + 600), "cases": [0],
                "encounters": [{"venue": 7, "index_at": time(T), "contact_at": time(T + 600), "overlap_minutes": 20.0,
                    "rule": "window", "source": INDEX}]}],
            "shared": {"contacts": [], "venues": []},
            "truncated": false,
        })
    }

    fn check(answer: Value) -> Result<(), String> {
        let answer = serde_json::from_value(answer).expect("an answer");
        trace(&answer, &oracle(), key(INDEX), T - 1..T + 1, 30)
    }

    #[test]
    fn every_difference_between_chains_is_found() {
        let check = |answer: &Value| {
            let meeting = Meeting {
                index_at: T,
                contact_at: T + 600,
                venue: 7,
                source: Some(key(INDEX).to_u64()),
                overlap_s: 1_200,
                rule: "window",
            };
            let score = 1.0 - 0.5f64.powf(20.0 / 15.0);
            let exposed = BTreeMap::from([(0, T + 600)]);
            let reached = Reached { hop: 1, exposed, overlap_s: 1_200, score, meetings: vec![meeting] };
            let expected = BTreeMap::from([(key("1000000000000002").to_u64(), reached)]);
            chains(&serde_json::from_value(answer.clone()).expect("an answer"), &expected)
        };
        assert_eq!(check(&answer()), Ok(()));
        for (pointer, value) in [
            ("/truncated", json!(true)),
            ("/contacts", json!([])),
            ("/contacts/0/person", json!("1000000000000003")),
            ("/contacts/0/hop", json!(2)),
            ("/contacts/0/cases", json!([1])),
            ("/contacts/0/score", json!(0.5)),
            ("/contacts/0/exposed_at", answer()["contacts"][0]["encounters"][0]["index_at"].clone()),
            ("/contacts/0/encounters", json!([])),
            ("/contacts/0/encounters/0/rule", json!("next_scan")),
            ("/contacts/0/encounters/0/source", json!("1000000000000003")),
            ("/contacts/0/encounters/0/overlap_minutes", json!(19)),
        ] {
            let mut answer = answer();
            *answer.pointer_mut(pointer).expect("is there") = value;
            assert!(check(&answer).is_err(), "{pointer}");
        }
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
