//! The demonstration in words and tables.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use schemas::{PersonKey, TestResult, VenueId};

use super::{Crowd, DemoArgs};
use crate::gateway::ScanAnswer;
use crate::query::{Contact, Trace};
use crate::terminal::{Table, grouped};

const TOP_CONTACTS: usize = 8;

pub(super) fn opening(args: &DemoArgs) -> String {
    format!(
        "场所码演示 Venue code: a demonstration\n  {} venues, {} people, {} scans over {} days; everything is simulated\n\n",
        grouped(args.venues.into()),
        grouped(args.people.into()),
        grouped(args.scans),
        args.days
    )
}

pub(super) fn at_the_door(healthy: &ScanAnswer, infected: &ScanAnswer, utc_offset_minutes: i32) -> String {
    let mut text = format!("\n入场 At the door of {}, {}\n", healthy.venue.name, healthy.venue.address);
    for (who, answer) in [("a healthy person", healthy), ("the infected person", infected)] {
        let reasons: Vec<&str> = answer.reasons.iter().map(|r| r.as_str()).collect();
        let because = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        let test = answer.last_test.as_ref().filter(|t| t.result != TestResult::None).map_or_else(
            || "no test known".to_owned(),
            |test| {
                format!(
                    "last test {} sampled {}",
                    test.result,
                    local(test.sampled_at, utc_offset_minutes, "%Y-%m-%d %H:%M")
                )
            },
        );
        let _ = writeln!(text, "  {who}: {}{because}; code {}, {test}", answer.verdict, answer.colour);
        let _ = writeln!(text, "    {}", answer.message.zh);
        let _ = writeln!(text, "    {}", answer.message.en);
        let _ = writeln!(text, "    receipt {}", answer.receipt);
    }
    text.push('\n');
    text
}

pub(super) fn stored(sent: u64, waited: Duration) -> String {
    let seconds = waited.as_secs_f64();
    format!("\n存储 Stored\n  all {} scans, each once, {seconds:.1} s after the last answer\n", grouped(sent))
}

pub(super) fn trace(trace: &Trace, person: PersonKey, window_minutes: u32, took: Duration) -> String {
    let names: HashMap<VenueId, &str> =
        trace.visits.iter().filter_map(|v| Some((v.venue, v.venue_name.as_deref()?))).collect();
    let encounters: usize = trace.contacts.iter().map(|c| c.encounters.len()).sum();
    let mut text = format!("\n密接追踪 Contacts of the infected person {person}, within {window_minutes} minutes\n");
    let _ = writeln!(
        text,
        "  {} visits to {} venues, {} contacts in {} encounters; answered in {:.0} ms",
        grouped(trace.visits.len() as u64),
        names.len(),
        grouped(trace.contacts.len() as u64),
        grouped(encounters as u64),
        took.as_secs_f64() * 1000.0,
    );
    let mut table = Table::new(&["contact", "encounters", "minutes", "most at"]);
    for contact in trace.contacts.iter().take(TOP_CONTACTS) {
        table.row(vec![
            contact.person.to_string(),
            contact.encounters.len().to_string(),
            format!("{:.1}", contact.overlap_minutes_total),
            most_frequent(contact, &names),
        ]);
    }
    text.push_str(&table.render());
    let more = trace.contacts.len().saturating_sub(TOP_CONTACTS);
    if more > 0 {
        let _ = writeln!(text, "  and {} more", grouped(more as u64));
    }
    text.push_str("  与独立计算一致 The same as an independent count: every visit, contact, encounter and minute\n");
    text
}

pub(super) fn footfall(crowds: &[Crowd], utc_offset_minutes: i32) -> String {
    let local = |at: DateTime<Utc>| FixedOffset::east_opt(utc_offset_minutes * 60).map(|o| at.with_timezone(&o));
    let written =
        |at: DateTime<Utc>, format: &str| local(at).map_or_else(String::new, |t| t.format(format).to_string());
    let mut text = String::from("\n客流 Footfall of the busiest venues\n");
    let mut table = Table::new(&["number", "venue", "scans per day (people)", "busiest hour", "ms"]);
    for crowd in crowds {
        let days: Vec<String> = crowd
            .days
            .iter()
            .map(|d| format!("{} {} ({})", written(d.start, "%m-%d"), grouped(d.scans), grouped(d.persons)))
            .collect();
        let busiest = crowd.hours.iter().max_by_key(|h| h.scans).map_or_else(String::new, |hour| {
            format!("{} {} scans", written(hour.start, "%m-%d %H:00"), grouped(hour.scans))
        });
        let took = format!("{:.0}", crowd.took.as_secs_f64() * 1000.0);
        table.row(vec![crowd.venue.to_string(), crowd.name.clone(), days.join(", "), busiest, took]);
    }
    text.push_str(&table.render());
    text.push_str("  与独立计算一致 The same as an independent count: every hour and day\n");
    text
}

pub(super) fn closing() -> String {
    "\n演示完成 Done: every answer agreed with the independent count\n".to_owned()
}

/// A time by the city's clock.
fn local(at: DateTime<Utc>, utc_offset_minutes: i32, format: &str) -> String {
    let offset = FixedOffset::east_opt(utc_offset_minutes * 60);
    offset.map_or_else(String::new, |offset| at.with_timezone(&offset).format(format).to_string())
}

/// The venue of most encounters; of equals the first.
fn most_frequent(contact: &Contact, names: &HashMap<VenueId, &str>) -> String {
    let mut counts: Vec<(usize, VenueId)> = Vec::new();
    for encounter in &contact.encounters {
        match counts.iter_mut().find(|(_, venue)| *venue == encounter.venue) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, encounter.venue)),
        }
    }
    let most = counts.iter().rev().max_by_key(|(count, _)| *count).map(|(_, venue)| *venue);
    most.map_or_else(String::new, |venue| names.get(&venue).map_or_else(|| venue.to_string(), |n| (*n).to_owned()))
}
