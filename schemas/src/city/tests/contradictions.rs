//! Each check, with a profile that is broken in just that place.

use super::*;

/// City, text, what stands there instead, and what the error says. The error is on the line of the change.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    ("shanghai", "city = \"shanghai\"", "city = \"Shang Hai\"", "city: `Shang Hai` is no identifier"),
    ("shanghai", "zh = \"上海\"", "zh = \" \"", "name.zh: is empty: expected a text"),
    ("shanghai", "utc_offset_minutes = 480", "utc_offset_minutes = 1440", "is not an offset: expected -1439 to 1439"),
    ("shanghai", "retention_days = 30", "retention_days = 0", "is 0: expected at least 2"),
    ("shanghai", "retention_days = 30", "retention_days = 1", "is 1: expected at least 2"),
    (
        "shanghai",
        "retention_days = 30",
        "plausibility = { max_km_per_hour = 0 }\nretention_days = 30",
        "plausibility.max_km_per_hour: is 0: expected 10 to 5000",
    ),
    (
        "shanghai",
        "halving_minutes = 15",
        "halving_minutes = 1441",
        "tracing.halving_minutes: is 1441: expected 1 to 1440",
    ),
    ("shanghai", "hop_percent = 50", "hop_percent = 0", "tracing.hop_percent: is 0: expected 1 to 100"),
    (
        "shanghai",
        "retention_days = 30",
        "plausibility = { far_m = 99 }\nretention_days = 30",
        "plausibility.far_m: is 99: expected 100 to 100000",
    ),
    (
        "shanghai",
        "registered_in = [31]",
        "registered_in = [3101]",
        "application.registered_in.0: is 3101: expected 11 to 82",
    ),
    // Classes.
    (
        "shanghai",
        "{ id = \"lodging\", name = { zh = \"住宿",
        "{ id = \"public\", name = { zh = \"住宿",
        "`public` is there twice",
    ),
    (
        "shanghai",
        "dwell_minutes = 60, dwell_cap",
        "dwell_minutes = 0, dwell_cap",
        "dwell_minutes: is 0: expected 1 to 240",
    ),
    (
        "shanghai",
        "dwell_minutes = 60, dwell_cap",
        "dwell_minutes = 241, dwell_cap",
        "dwell_minutes: is 241: expected 1 to 240",
    ),
    ("shanghai", "dwell_cap_minutes = 240", "dwell_cap_minutes = 20000", "is 20000: expected 1 to 10080"),
    (
        "shanghai",
        "dwell_cap_minutes = 240 }",
        "dwell_cap_minutes = 240, opening_hours = { opens = \"06:00:00\", closes = \"06:00:00\" } }",
        "opens and closes at the same time",
    ),
    ("kaifeng", "{ id = \"transport\", name", "{ id = \"idle\", name", "class `idle` has no rule"),
    ("kaifeng", "overdue_after_minutes = 60", "overdue_after_minutes = 1441", "is 1441: expected 0 to 1440"),
    // Groups and categories.
    ("shanghai", "{ id = \"finance\", name", "{ id = \"catering\", name", "groups.6.id: `catering` is there twice"),
    ("shanghai", "{ id = \"utility\", name", "{ id = \"nothing\", name", "`nothing` has no category"),
    ("shanghai", "{ id = \"bar_restaurant\"", "{ id = \"catering\"", "`catering` is there twice: expected each once"),
    (
        "shanghai",
        "group = \"catering\", class = \"public\", name = { zh = \"酒吧",
        "group = \"pubs\", class = \"public\", name = { zh = \"酒吧",
        "`pubs` is not defined in `groups`: expected one of residential_compound, lodging",
    ),
    (
        "shanghai",
        "group = \"catering\", class = \"public\", name = { zh = \"酒吧",
        "group = \"catering\", class = \"nowhere\", name = { zh = \"酒吧",
        "`nowhere` is not defined in `classes`: expected one of public, residential",
    ),
    (
        "shanghai",
        "group = \"logistics\", class = \"public\", name = { zh = \"快递",
        "group = \"logistics\", class = \"public\", kind = \"freight_destination\", name = { zh = \"快递",
        "there is no `freight_form`",
    ),
    (
        "shanghai",
        "group = \"logistics\", class = \"public\", name = { zh = \"快递",
        "group = \"logistics\", class = \"public\", kind = \"freight_destination\", name = { zh = \"快递",
        "there is no `poster.freight`",
    ),
    ("shanghai", "zh = \"酒吧餐饮\"", "zh = \"\"", "name.zh: is empty"),
    ("shanghai", "en = \"zoos and botanical gardens\"", "en = \"\"", "includes.en: is empty"),
    // Rules and exemptions.
    ("shandong", "colours = [\"green\"]", "colours = [\"green\", \"red\"]", "admits red, which no notice does"),
    ("shandong", "colours = [\"green\"]", "colours = [\"green\", \"yellow\"]", "admits yellow, which no notice does"),
    ("shandong", "colours = [\"green\"]", "colours = [\"unknown\"]", "do not admit green"),
    ("shandong", "colours = [\"green\"]", "colours = []", "is empty: expected at least one"),
    ("shandong", "colours = [\"green\"]", "colours = [\"green\", \"green\"]", "is there twice"),
    (
        "shandong",
        "colours = [\"green\"]",
        "until = \"2021-12-31\"\ncolours = [\"green\"]",
        "2021-12-31 is before `from`: expected 2022-01-01 or later",
    ),
    ("shanghai", "test_within_hours = 48", "test_within_hours = 0", "is 0: expected 1 to 744"),
    ("shanghai", "test_within_hours = 48", "test_within_hours = 745", "is 745: expected 1 to 744"),
    ("shanghai", "from = \"2022-05-23\"", "from = \"2022-04-05\"", "class `public` has two rules from 2022-04-05"),
    (
        "shandong",
        "classes = [\"public\", \"residential\"",
        "classes = [\"nowhere\", \"residential\"",
        "`nowhere` is not defined in `classes`",
    ),
    (
        "kaifeng",
        "classes = [\"freight_checkpoint\", ",
        "classes = [\"freight_checkpoint\", \"freight_checkpoint\", ",
        "is there twice",
    ),
    (
        "fuyang",
        "exemptions = [\"urgent_medical\"]",
        "exemptions = [\"urgent_medical\", \"mayor\"]",
        "`mayor` is not defined in `exemptions`: expected one of urgent_medical",
    ),
    (
        "shanghai",
        "id = \"other\"\nname = { zh = \"其他特殊",
        "id = \"mayor\"\nname = { zh = \"其他特殊",
        "`mayor` is not a stored word: expected `stored_as` of urgent_medical or other",
    ),
    (
        "shanghai",
        "id = \"other\"\nname = { zh = \"其他特殊",
        "id = \"mayor\"\nname = { zh = \"其他特殊",
        "`mayor` is in no rule",
    ),
    ("fuyang", "lifts = [\"colour_unknown\"]", "lifts = []", "lifts: is empty"),
    // People and methods.
    ("shanghai", "under_age = 18", "under_age = 0", "is 0: expected 1 to 120"),
    ("shanghai", "from_age = 60", "from_age = 130", "is 130: expected 1 to 120"),
    ("shanghai", "under_age = 18", "under_age = 18\nfrom_age = 20", "is 18: expected more than `from_age`, 20"),
    ("shanghai", "id = \"senior\"", "id = \"minor\"", "`minor` is there twice"),
    ("shanghai", "methods = [\"venue_code\", ", "methods = [\"venue_code\", \"venue_code\", ", "is there twice"),
    (
        "shanghai",
        "reverse_scan_for = [\"minor\", ",
        "reverse_scan_for = [\"giant\", ",
        "`giant` is not defined in `people`",
    ),
    (
        "kaifeng",
        "manual_for = [\"elderly\", \"child\", \"no_smartphone\"]",
        "manual_for = []",
        "is empty: expected at least one",
    ),
    (
        "fuyang",
        "reverse_scan_for = [",
        "manual_for = [\"no_smartphone\"]\nreverse_scan_for = [",
        "`scanning.methods` has no manual: expected both or none",
    ),
    ("shanghai", "either_or_minutes = 10", "either_or_minutes = 0", "is 0: expected 1 to 1440"),
    ("kaifeng", "failures = 5", "failures = 0", "failures: is 0: expected 1 to 100"),
    ("kaifeng", "lock_minutes = 30", "lock_minutes = 0", "lock_minutes: is 0: expected 1 to 1440"),
    // Forms.
    (
        "shandong",
        "type = \"text\", required = true, label = { zh = \"姓名\"",
        "type = \"text\", required = true, declares = \"risk\", label = { zh = \"姓名\"",
        "is for questions: expected type `yes_no`",
    ),
    (
        "kaifeng",
        "{ id = \"phone\", type = \"phone\"",
        "{ id = \"plate\", type = \"phone\"",
        "freight_form.fields.3.id: `plate` is there twice",
    ),
    ("kaifeng", "en = \"Is your temperature normal?\"", "en = \"\"", "label.en: is empty"),
    // Applications.
    ("shanghai", "quota = 20\n", "quota = 0\n", "is zero: expected at least 1"),
    (
        "shanghai",
        "applicants = [\"legal_person\", \"agent\"]",
        "applicants = [\"legal_person\", \"friend\"]",
        "`friend` is not defined in `application.applicants`",
    ),
    ("shanghai", "applicants = [\"legal_person\", \"agent\"]", "applicants = []", "is empty: expected at least one"),
    ("shanghai", "id = \"portal\"", "id = \"mobile\"", "expected each channel once"),
    // Posters and wording.
    ("fuyang", "primary = \"#1b6e42\"", "primary = \"green\"", "`green` is no colour: expected #rrggbb"),
    ("fuyang", "sizes = [\"a4\", ", "sizes = [\"a4\", \"a4\", ", "is there twice"),
    ("fuyang", "{ zh = \"同行多人", "{ zh = \"\", en = \"\" },\n{ zh = \"同行多人", "instructions.1.zh: is empty"),
    ("fuyang", "zh = \"绿码通行\", en", "zh = \"{name}，绿码通行\", en", "{name} is not known here: expected none"),
    ("kaifeng", "zh = \"{reasons}，不能", "zh = \"{reasons，不能", "has a brace without its other half"),
    ("kaifeng", "zh = \"{reasons}，不能", "zh = \"不能", "does not say why: expected {reasons} in it"),
    (
        "kaifeng",
        "zh = \"{reasons}，不能",
        "zh = \"{hours}{reasons}，不能",
        "{hours} is not known here: expected {reasons}",
    ),
];

fn text_of(city: &str) -> &'static str {
    BUILT_IN.iter().find(|(name, _)| *name == city).expect("built in").1
}

#[test]
fn a_contradiction_names_its_line_and_what_would_be_right() {
    let mut missed = Vec::new();
    for (city, from, to, expected) in BROKEN {
        let text = text_of(city);
        let at = text.find(from).unwrap_or_else(|| panic!("{city} has no {from}"));
        let line = text[..at].matches('\n').count() + 1;
        let broken = text.replacen(from, to, 1);
        let found = match CityProfile::try_parse(&broken) {
            Ok(_) => Vec::new(),
            Err(CityError::Invalid(Contradictions(found))) => found,
            Err(error) => panic!("{to}: {error}"),
        };
        let hit = found.iter().any(|f| f.line == line && f.message.contains(expected));
        if !hit {
            missed.push(format!("{to}: expected `{expected}` on line {line}, found {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{} of {}: {missed:#?}", missed.len(), BROKEN.len());
}

#[test]
fn what_is_left_out_is_told_where_it_belongs() {
    let without = |city: &str, from: &str, to: &str| {
        let text = text_of(city);
        let start = text.find(from).unwrap_or_else(|| panic!("no {from}"));
        let end = start + text[start..].find(to).unwrap_or_else(|| panic!("no {to}"));
        CityProfile::try_parse(&format!("{}{}", &text[..start], &text[end..])).expect_err(from).to_string()
    };
    let error = without("fuyang", "  { id = \"document\"", "]\n\n[poster]");
    assert!(error.contains("have no document: expected one of type `document` that is required"), "{error}");
    assert!(error.starts_with("line "), "{error}");
    let error = without("fuyang", "[[application.channels]]", "# Ours: S2 asks");
    assert!(error.contains("missing field `channels`"), "{error}");
}

#[test]
fn a_spelling_mistake_has_its_line() {
    let error = CityProfile::try_parse(&text_of("shanghai").replacen("retention_days", "retention_dayz", 1));
    assert!(error.unwrap_err().to_string().contains("line 6"));
}

#[test]
fn all_contradictions_are_told_at_once_in_the_order_of_lines() {
    let broken = text_of("shanghai").replacen("retention_days = 30", "retention_days = 0", 1);
    let broken = broken.replacen("test_within_hours = 48", "test_within_hours = 0", 1);
    let CityError::Invalid(Contradictions(found)) = CityProfile::try_parse(&broken).expect_err("broken") else {
        panic!("not a contradiction")
    };
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].line < found[1].line && found[0].message.starts_with("retention_days"), "{found:?}");
}
