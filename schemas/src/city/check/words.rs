//! Texts in both languages, posters and wording.

use super::{CityProfile, Findings};
use crate::city::{Bilingual, PosterWords, wording::placeholders};

pub(super) fn check(city: &CityProfile, findings: &mut Findings) {
    for (path, text) in texts(city) {
        both(&path, [&text.zh, &text.en], findings);
    }
    poster(city, findings);
    wording(city, findings);
}

fn poster(city: &CityProfile, findings: &mut Findings) {
    findings.list("poster.sizes", &city.poster.sizes);
    findings.list("poster.apps", &city.poster.apps);
    findings.list("poster.venue.instructions", &city.poster.venue.instructions);
    let colours = &city.poster.colours;
    for (field, colour) in
        [("primary", &colours.primary), ("accent", &colours.accent), ("on_primary", &colours.on_primary)]
    {
        let digits = colour.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            findings.add(format!("poster.colours.{field}"), format!("`{colour}` is no colour: expected #rrggbb"));
        }
    }
}

fn wording(city: &CityProfile, findings: &mut Findings) {
    for (key, sentence, allowed) in city.wording.all() {
        let path = format!("wording.{key}");
        both(&path, [&sentence.zh, &sentence.en], findings);
        let speech = sentence.speech.iter().flat_map(|speech| [("speech.zh", &speech.zh), ("speech.en", &speech.en)]);
        for (place, text) in [("zh", &sentence.zh), ("en", &sentence.en)].into_iter().chain(speech) {
            let path = format!("{path}.{place}");
            let Some(names) = placeholders(text) else {
                findings.add(path, "has a brace without its other half: expected placeholders such as {hours}");
                continue;
            };
            for name in names.iter().filter(|name| !allowed.contains(name)) {
                let allowed =
                    if allowed.is_empty() { "none".to_owned() } else { format!("{{{}}}", allowed.join("}, {")) };
                findings.add(path.clone(), format!("{{{name}}} is not known here: expected {allowed}"));
            }
            if key == "refuse" && !names.contains(&"reasons") {
                findings.add(path, "does not say why: expected {reasons} in it");
            }
        }
    }
}

fn both(path: &str, texts: [&str; 2], findings: &mut Findings) {
    for (language, text) in ["zh", "en"].into_iter().zip(texts) {
        if text.trim().is_empty() {
            findings.add(format!("{path}.{language}"), "is empty: expected a text");
        }
    }
}

/// Every text with its path, those of `wording` apart.
fn texts(city: &CityProfile) -> Vec<(String, &Bilingual)> {
    let (poster, application) = (&city.poster, &city.application);
    let mut texts = vec![("name".to_owned(), &city.name)];
    texts.extend(numbered("classes", ".name", city.classes.iter().map(|class| &class.name)));
    texts.extend(numbered("groups", ".name", city.groups.iter().map(|group| &group.name)));
    texts.extend(numbered("categories", ".name", city.categories.iter().map(|category| &category.name)));
    let includes = city.categories.iter().enumerate().filter_map(|(nth, c)| Some((nth, c.includes.as_ref()?)));
    texts.extend(includes.map(|(nth, text)| (format!("categories.{nth}.includes"), text)));
    texts.extend(numbered("exemptions", ".name", city.exemptions.iter().map(|exemption| &exemption.name)));
    texts.extend(numbered("people", ".name", city.people.iter().map(|group| &group.name)));
    texts.extend(numbered("application.applicants", ".name", application.applicants.iter().map(|a| &a.name)));
    texts.extend(numbered("application.channels", ".name", application.channels.iter().map(|c| &c.name)));
    texts.extend(numbered("venue_form.fields", ".label", city.venue_form.fields.iter().map(|field| &field.label)));
    let freight_fields = city.freight_form.iter().flat_map(|form| &form.fields);
    texts.extend(numbered("freight_form.fields", ".label", freight_fields.map(|field| &field.label)));
    texts.extend(numbered("poster.apps", "", poster.apps.iter()));
    texts.extend(poster_texts("poster.venue", &poster.venue));
    texts.extend(poster.freight.iter().flat_map(|words| poster_texts("poster.freight", words)));
    texts
}

fn poster_texts<'c>(path: &str, words: &'c PosterWords) -> Vec<(String, &'c Bilingual)> {
    let mut texts = vec![(format!("{path}.title"), &words.title), (format!("{path}.sentence"), &words.sentence)];
    texts.extend(numbered(&format!("{path}.instructions"), "", words.instructions.iter()));
    texts
}

fn numbered<'c>(
    list: &str,
    field: &str,
    texts: impl Iterator<Item = &'c Bilingual>,
) -> impl Iterator<Item = (String, &'c Bilingual)> {
    texts.enumerate().map(move |(nth, text)| (format!("{list}.{nth}{field}"), text))
}
