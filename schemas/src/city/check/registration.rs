//! People, methods, forms and applications.

use super::{CityProfile, Findings};
use crate::{
    Method,
    city::{FieldType, Form},
};

const DAY_MINUTES: u16 = 24 * 60;

pub(super) fn check(city: &CityProfile, findings: &mut Findings) {
    people(city, findings);
    scanning(city, findings);
    form("venue_form", &city.venue_form, findings);
    if let Some(freight_form) = &city.freight_form {
        form("freight_form", freight_form, findings);
    }
    freight(city, findings);
    application(city, findings);
}

fn people(city: &CityProfile, findings: &mut Findings) {
    findings.ids("people", city.people.iter().map(|group| group.id.as_str()));
    for (nth, group) in city.people.iter().enumerate() {
        if let (Some(from), Some(under)) = (group.from_age, group.under_age)
            && from >= under
        {
            findings
                .add(format!("people.{nth}.under_age"), format!("is {under}: expected more than `from_age`, {from}"));
        }
        for (field, age) in [("under_age", group.under_age), ("from_age", group.from_age)] {
            if let Some(age) = age {
                findings.within(format!("people.{nth}.{field}"), age, 1, 120);
            }
        }
    }
}

fn scanning(city: &CityProfile, findings: &mut Findings) {
    let scanning = &city.scanning;
    findings.list("scanning.methods", &scanning.methods);
    for (field, method) in [("reverse_scan_for", Method::ReverseScan), ("manual_for", Method::Manual)] {
        let path = format!("scanning.{field}");
        let groups = scanning.only_for(method).unwrap_or_default();
        let known = city.people.iter().map(|group| group.id.as_str());
        findings.references(&path, groups, "people", known);
        if scanning.methods.contains(&method) {
            findings.list(&path, groups);
        } else if !groups.is_empty() {
            findings.add(path, format!("is given, but `scanning.methods` has no {method}: expected both or none"));
        }
    }
    if let Some(minutes) = scanning.either_or_minutes {
        findings.within("scanning.either_or_minutes", minutes, 1, DAY_MINUTES);
    }
    if let Some(last_four) = scanning.last_four {
        findings.within("scanning.last_four.failures", last_four.failures, 1, 100);
        findings.within("scanning.last_four.lock_minutes", last_four.lock_minutes, 1, DAY_MINUTES);
    }
}

fn form(path: &str, form: &Form, findings: &mut Findings) {
    findings.ids(&format!("{path}.fields"), form.fields.iter().map(|field| field.id.as_str()));
    if !form.fields.iter().any(|field| field.kind == FieldType::Document && field.required) {
        findings.add(format!("{path}.fields"), "have no document: expected one of type `document` that is required");
    }
    for (nth, field) in form.fields.iter().enumerate() {
        if field.declares.is_some() && !field.kind.is_question() {
            let message = "is for questions: expected type `yes_no` or `temperature_normal`";
            findings.add(format!("{path}.fields.{nth}.declares"), message);
        }
    }
}

fn freight(city: &CityProfile, findings: &mut Findings) {
    match (&city.freight_form, &city.freight) {
        (Some(form), Some(freight)) => {
            if !form.fields.iter().any(|field| field.kind == FieldType::Plate && field.required) {
                findings.add("freight_form.fields", "have no plate: expected one of type `plate` that is required");
            }
            findings.within("freight.overdue_after_minutes", freight.overdue_after_minutes, 0, DAY_MINUTES);
        }
        (Some(_), None) => findings.add("freight_form", "is given, but `freight` is not: expected both or none"),
        (None, Some(_)) => findings.add("freight", "is given, but `freight_form` is not: expected both or none"),
        (None, None) => {}
    }
}

fn application(city: &CityProfile, findings: &mut Findings) {
    let application = &city.application;
    findings.ids("application.applicants", application.applicants.iter().map(|applicant| applicant.id.as_str()));
    if application.channels.is_empty() {
        findings.add("application.channels", "is empty: expected at least one");
    }
    for (nth, province) in application.registered_in.iter().enumerate() {
        findings.within(format!("application.registered_in.{nth}"), *province, 11, 82);
    }
    for (nth, channel) in application.channels.iter().enumerate() {
        let path = format!("application.channels.{nth}");
        if application.channels[..nth].iter().any(|earlier| earlier.id == channel.id) {
            findings.add(format!("{path}.id"), "is there twice: expected each channel once");
        }
        if channel.quota == 0 {
            findings.add(format!("{path}.quota"), "is zero: expected at least 1");
        }
        findings.list(&format!("{path}.applicants"), &channel.applicants);
        let known = application.applicants.iter().map(|applicant| applicant.id.as_str());
        findings.references(&format!("{path}.applicants"), &channel.applicants, "application.applicants", known);
    }
}
