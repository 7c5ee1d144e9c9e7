//! Everything in a profile that contradicts something else in it, or cannot be.

mod admission;
mod directory;
mod registration;
mod words;

use std::{collections::HashSet, fmt::Display};

use super::{CityProfile, place::Found};
use crate::retention::LEAST_DAYS;

/// Collects contradictions.
#[derive(Debug, Default)]
struct Findings(Vec<Found>);

/// All contradictions of a profile, in no particular order.
pub(super) fn contradictions(city: &CityProfile) -> Vec<Found> {
    let mut findings = Findings::default();
    findings.id("city".to_owned(), &city.city);
    if !(-1439..=1439).contains(&city.utc_offset_minutes) {
        findings.add("utc_offset_minutes", "is not an offset: expected -1439 to 1439");
    }
    if city.retention_days < LEAST_DAYS {
        let days = city.retention_days;
        findings
            .add("retention_days", format!("is {days}: expected at least {LEAST_DAYS}, or no scan could come late"));
    }
    let believed = &city.plausibility;
    findings.within("plausibility.max_km_per_hour", believed.max_km_per_hour, 10, 5_000);
    findings.within("plausibility.travel_slack_m", believed.travel_slack_m, 0, 100_000);
    findings.within("plausibility.burst_venues", believed.burst_venues, 1, 10_000);
    findings.within("plausibility.burst_minutes", believed.burst_minutes, 1, 24 * 60);
    findings.within("tracing.halving_minutes", city.tracing.halving_minutes, 1, 24 * 60);
    findings.within("tracing.hop_percent", city.tracing.hop_percent, 1, 100);
    findings.within("plausibility.far_m", believed.far_m, 100, 100_000);
    directory::check(city, &mut findings);
    admission::check(city, &mut findings);
    registration::check(city, &mut findings);
    words::check(city, &mut findings);
    findings.0
}

impl Findings {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Found { path: path.into(), message: message.into() });
    }

    /// An identifier travels in JSON, in rows and in metrics.
    fn id(&mut self, path: String, id: &str) {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
            self.add(path, format!("`{id}` is no identifier: expected 1 to 64 of a to z, 0 to 9 and _"));
        }
    }

    /// Identifiers of a list of tables: well-formed, and each there once.
    fn ids<'a>(&mut self, list: &str, ids: impl IntoIterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for (nth, id) in ids.into_iter().enumerate() {
            self.id(format!("{list}.{nth}.id"), id);
            if !seen.insert(id) {
                self.add(format!("{list}.{nth}.id"), format!("`{id}` is there twice: expected each once"));
            }
        }
    }

    /// A list that must not be empty and has nothing twice.
    fn list<T: PartialEq + std::fmt::Debug>(&mut self, path: &str, values: &[T]) {
        if values.is_empty() {
            self.add(path, "is empty: expected at least one");
        }
        for (nth, value) in values.iter().enumerate() {
            if values[..nth].contains(value) {
                self.add(format!("{path}.{nth}"), format!("{value:?} is there twice: expected each once"));
            }
        }
    }

    /// References to identifiers that are defined elsewhere.
    fn references<'a>(
        &mut self,
        path: &str,
        ids: &[String],
        defined_in: &str,
        defined: impl Iterator<Item = &'a str> + Clone,
    ) {
        for (nth, id) in ids.iter().enumerate() {
            self.reference(format!("{path}.{nth}"), id, defined_in, defined.clone());
        }
    }

    fn reference<'a>(&mut self, path: String, id: &str, defined_in: &str, defined: impl Iterator<Item = &'a str>) {
        let known: Vec<_> = defined.collect();
        if !known.contains(&id) {
            let known = known.join(", ");
            self.add(path, format!("`{id}` is not defined in `{defined_in}`: expected one of {known}"));
        }
    }

    fn within<T: PartialOrd + Display>(&mut self, path: impl Into<String>, value: T, least: T, most: T) {
        if value < least || value > most {
            self.add(path, format!("is {value}: expected {least} to {most}"));
        }
    }
}
