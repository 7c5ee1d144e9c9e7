//! Rules and exemptions.

use super::{CityProfile, Findings};
use crate::{Colour, admission::Policy};

/// A month: no notice looks further back.
const LONGEST_TEST_HOURS: u16 = 31 * 24;

pub(super) fn check(city: &CityProfile, findings: &mut Findings) {
    exemptions(city, findings);
    for (nth, rule) in city.rules.iter().enumerate() {
        let at = |field: &str| format!("rules.{nth}.{field}");
        findings.list(&at("classes"), &rule.classes);
        findings.references(&at("classes"), &rule.classes, "classes", city.classes.iter().map(|c| c.id.as_str()));
        findings.list(&at("colours"), &rule.colours);
        for (place, colour) in rule.colours.iter().enumerate() {
            if matches!(colour, Colour::Yellow | Colour::Red) {
                let message = format!("admits {colour}, which no notice does: expected `green`, or `unknown` as well");
                findings.add(format!("rules.{nth}.colours.{place}"), message);
            }
        }
        if !rule.colours.contains(&Colour::Green) {
            findings.add(at("colours"), "do not admit green: expected `green`");
        }
        if let Some(until) = rule.until.filter(|until| *until < rule.from) {
            findings.add(at("until"), format!("{until} is before `from`: expected {} or later", rule.from));
        }
        if let Some(hours) = rule.test_within_hours {
            findings.within(at("test_within_hours"), hours, 1, LONGEST_TEST_HOURS);
        }
        let known = city.exemptions.iter().map(|exemption| exemption.id.as_str());
        findings.references(&at("exemptions"), &rule.exemptions, "exemptions", known);
        for earlier in &city.rules[..nth] {
            let both = rule.classes.iter().find(|class| earlier.classes.contains(class));
            if let Some(class) = both.filter(|_| earlier.from == rule.from) {
                let message = format!("class `{class}` has two rules from {}: expected one", rule.from);
                findings.add(at("from"), message);
            }
        }
    }
}

fn exemptions(city: &CityProfile, findings: &mut Findings) {
    findings.ids("exemptions", city.exemptions.iter().map(|exemption| exemption.id.as_str()));
    if city.exemptions.len() > Policy::MAX_EXEMPTIONS {
        findings.add("exemptions", format!("are too many: expected at most {}", Policy::MAX_EXEMPTIONS));
    }
    for (nth, exemption) in city.exemptions.iter().enumerate() {
        if exemption.stored().is_none() {
            let message =
                format!("`{}` is not a stored word: expected `stored_as` of urgent_medical or other", exemption.id);
            findings.add(format!("exemptions.{nth}.id"), message);
        }
        findings.list(&format!("exemptions.{nth}.lifts"), &exemption.lifts);
        if !city.rules.iter().any(|rule| rule.exemptions.contains(&exemption.id)) {
            let message =
                format!("`{}` is in no rule: expected it in the `exemptions` of one of `rules`", exemption.id);
            findings.add(format!("exemptions.{nth}.id"), message);
        }
    }
}
