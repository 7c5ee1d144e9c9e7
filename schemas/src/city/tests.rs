use super::*;

mod contradictions;
mod notices;

fn city(name: &str) -> CityProfile {
    CityProfile::try_built_in(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_built_in_city_is_valid_and_named_as_its_file() {
    for name in CityProfile::built_in_names() {
        assert_eq!(city(name).city, name);
    }
}

#[test]
fn an_unknown_city_is_told_which_there_are() {
    let error = CityProfile::try_built_in("atlantis").unwrap_err().to_string();
    let expected = "expected one of shanghai, shandong, fuyang, kaifeng, or the path of a .toml file";
    assert_eq!(error, format!("city `atlantis` is not known: {expected}"));
}

#[test]
fn a_rule_with_an_end_stands_in_front_of_an_older_one() {
    let mut city = city("shanghai");
    let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
    city.rules[0].until = None;
    city.rules[1].from = day("2022-05-23");
    city.rules[1].until = Some(day("2022-05-24"));
    let hours = |text: &str| city.rule_at("public", city.midnight(day(text))).and_then(|rule| rule.test_within_hours);
    let days = ["2022-05-22", "2022-05-23", "2022-05-24", "2022-05-25"];
    assert_eq!(days.map(hours), [None, Some(48), Some(48), None]);
    assert!(city.rule_at("public", city.midnight(day("2022-04-05")) - 1).is_none());
}
