//! Classes, groups and categories.

use super::{CityProfile, Findings};

/// A day, in minutes; nobody is believed to stay for longer in one go than a week.
const LONGEST_DWELL_MINUTES: u16 = 7 * 24 * 60;

pub(super) fn check(city: &CityProfile, findings: &mut Findings) {
    classes(city, findings);
    findings.ids("groups", city.groups.iter().map(|group| group.id.as_str()));
    for (nth, group) in city.groups.iter().enumerate() {
        if !city.categories.iter().any(|category| category.group == group.id) {
            findings.add(format!("groups.{nth}.id"), format!("`{}` has no category: expected one at least", group.id));
        }
    }
    findings.ids("categories", city.categories.iter().map(|category| category.id.as_str()));
    for (nth, category) in city.categories.iter().enumerate() {
        let groups = city.groups.iter().map(|group| group.id.as_str());
        findings.reference(format!("categories.{nth}.group"), &category.group, "groups", groups);
        let classes = city.classes.iter().map(|class| class.id.as_str());
        findings.reference(format!("categories.{nth}.class"), &category.class, "classes", classes);
    }
    if city.categories.len() > usize::from(u16::MAX) {
        findings.add("categories", "are too many: expected at most 65535");
    }
    if let Some(nth) = city.categories.iter().position(|category| category.kind.is_freight()) {
        let path = format!("categories.{nth}.kind");
        if city.freight_form.is_none() {
            findings.add(path.clone(), "is a freight kind, but there is no `freight_form`: expected one");
        }
        if city.poster.freight.is_none() {
            findings.add(path, "is a freight kind, but there is no `poster.freight`: expected one");
        }
    }
}

fn classes(city: &CityProfile, findings: &mut Findings) {
    findings.ids("classes", city.classes.iter().map(|class| class.id.as_str()));
    for (nth, class) in city.classes.iter().enumerate() {
        if !city.rules.iter().any(|rule| rule.classes.contains(&class.id)) {
            let message = format!("class `{}` has no rule: expected it in the `classes` of one of `rules`", class.id);
            findings.add(format!("classes.{nth}.id"), message);
        }
        findings.within(format!("classes.{nth}.dwell_cap_minutes"), class.dwell_cap_minutes, 1, LONGEST_DWELL_MINUTES);
        findings.within(format!("classes.{nth}.dwell_minutes"), class.dwell_minutes, 1, class.dwell_cap_minutes);
        if class.opening_hours.is_some_and(|hours| hours.opens == hours.closes) {
            let message = "opens and closes at the same time: expected two times, or no `opening_hours` if always open";
            findings.add(format!("classes.{nth}.opening_hours"), message);
        }
    }
}
