//! City profiles: any text is a profile that works, or an error that tells where it is wrong.
//!
//! The input is TOML; or the number of a built-in city from 0 to 3, then edits, one a line: `12=text` puts the text in the
//! place of line 12, `12+text` behind it, `12-` takes it away. Counting goes round.

use schemas::{
    CityProfile, Colour, TestResult, UnixSeconds,
    admission::{Arrival, Health, Policy, decide},
    city::CityError,
};

const CITIES: [&str; 4] = [
    include_str!("../../../schemas/cities/shanghai.toml"),
    include_str!("../../../schemas/cities/shandong.toml"),
    include_str!("../../../schemas/cities/fuyang.toml"),
    include_str!("../../../schemas/cities/kaifeng.toml"),
];

/// Days from before any rule to long after all of them, by an odd number of seconds.
const TIMES: std::ops::RangeInclusive<UnixSeconds> = 1_500_000_000..=1_800_000_000;
const STEP: usize = 33_333_333;

/// Holds the input against the rules.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let city = text.chars().next().and_then(|c| c.to_digit(10)).and_then(|n| CITIES.get(n as usize));
    let text = city.map_or_else(|| text.to_owned(), |city| edited(city, &text[1..]));
    match CityProfile::try_parse(&text) {
        Ok(profile) => works(&profile),
        Err(error) => tells_where(&error, &text),
    }
}

fn edited(city: &str, edits: &str) -> String {
    let mut lines: Vec<String> = city.lines().map(str::to_owned).collect();
    for edit in edits.lines() {
        let end = edit.find(|c: char| !c.is_ascii_digit()).unwrap_or(edit.len());
        let (number, edit) = edit.split_at(end);
        let Ok(number) = number.parse::<usize>() else { continue };
        let at = number.saturating_sub(1) % lines.len().max(1);
        match edit.chars().next() {
            Some('=') if at < lines.len() => lines[at] = edit[1..].to_owned(),
            Some('+') => lines.insert((at + 1).min(lines.len()), edit[1..].to_owned()),
            Some('-') if at < lines.len() => {
                lines.remove(at);
            }
            _ => {}
        }
    }
    lines.join("\n")
}

/// What is taken can be asked anything that a gateway asks.
fn works(profile: &CityProfile) {
    let policy = Policy::new(profile);
    for (place, category) in profile.categories.iter().enumerate() {
        assert!(profile.class_of(&category.id).is_some(), "category {} has no class", category.id);
        assert!(profile.form(category.kind).is_some(), "category {} has no form", category.id);
        let class = u16::try_from(place).ok().and_then(|place| policy.class_of(place));
        let Some(class) = class else { panic!("category {} has no rules", category.id) };
        for at in TIMES.step_by(STEP) {
            let arrival = Arrival { class, at, claim: None, symptoms: false };
            let by_rule = profile.rule_at(&category.class, at).map(|rule| rule.test_within_hours);
            let decision = decide(&policy, &arrival, &red(at));
            assert!(!decision.reasons.is_empty(), "a red code is let in at {}", category.id);
            let decided = decide(&policy, &arrival, &Health::UNKNOWN);
            assert_eq!(decided.test_within_hours, by_rule.flatten(), "the rule of {} at {at}", category.id);
        }
    }
    for at in TIMES.step_by(STEP) {
        let day = profile.day_of(at);
        let midnight = day.map(|day| profile.midnight(day));
        assert!(midnight.is_some_and(|midnight| (midnight..midnight + 86_400).contains(&at)), "{at} is on no day");
    }
}

fn red(at: UnixSeconds) -> Health {
    Health {
        colour: Colour::Red,
        since: at - 1,
        expires_at: UnixSeconds::MAX,
        test_result: TestResult::Negative,
        test_sampled_at: at - 1,
    }
}

/// Whoever wrote the file learns the line of each mistake, and the line is there.
fn tells_where(error: &CityError, text: &str) {
    let message = error.to_string();
    let lines = text.split('\n').count();
    match error {
        CityError::Toml(_) => {
            let (_, behind) = message.split_once("line ").unwrap_or_default();
            let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
            let line = digits.parse::<usize>().unwrap_or_default();
            assert!((1..=lines).contains(&line), "no line of {lines} in: {message}");
        }
        CityError::Invalid(contradictions) => {
            assert!(!contradictions.0.is_empty(), "wrong, and nothing is");
            for contradiction in &contradictions.0 {
                assert!((1..=lines).contains(&contradiction.line), "no line of {lines} in: {message}");
                assert!(contradiction.message.contains(": "), "no path in: {message}");
            }
        }
        CityError::Unknown { .. } => panic!("a text is no name: {message}"),
    }
}
