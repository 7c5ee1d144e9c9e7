use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use super::*;
use crate::{
    CityProfile, Exemption,
    city::{AdmissionRule, Lifts},
};

/// 2022-06-01 12:00 in China, when the rules of every city are in force.
const NOW: UnixSeconds = 1_654_056_000;
const HOUR: i64 = 3600;

fn city(name: &str) -> CityProfile {
    CityProfile::try_built_in(name).expect("valid")
}

fn healthy() -> Health {
    Health {
        colour: Colour::Green,
        since: NOW - 100 * HOUR,
        expires_at: UnixSeconds::MAX,
        test_result: TestResult::Negative,
        test_sampled_at: NOW - 48 * HOUR,
    }
}

/// What somebody is told who comes to a class of venues now.
fn told(name: &str, class: &str, claim: Option<&str>, health: Health) -> (Verdict, Vec<Reason>) {
    let policy = Policy::new(&city(name));
    let claim = claim.map(|id| policy.claim(id).expect("an exemption of the city"));
    let class = policy.class(class).expect("a class of the city");
    let decision = decide(&policy, &Arrival { class, at: NOW, claim, symptoms: false }, &health);
    (decision.verdict, decision.reasons.iter().collect())
}

const ADMITTED: (Verdict, Vec<Reason>) = (Verdict::Admit, Vec::new());

/// S3: 进入公共场所须凭“随申码”绿码和48小时内核酸检测阴性证明；出入居民小区，须凭“随申码”绿码.
#[test]
fn shanghai_asks_for_48_hours_at_public_venues_and_for_green_at_home() {
    assert_eq!(told("shanghai", "public", None, healthy()), ADMITTED);
    let older = Health { test_sampled_at: NOW - 48 * HOUR - 1, ..healthy() };
    assert_eq!(told("shanghai", "public", None, older), (Verdict::Refuse, vec![Reason::TestTooOld]));
    assert_eq!(told("shanghai", "transport", None, older), (Verdict::Refuse, vec![Reason::TestTooOld]));
    assert_eq!(told("shanghai", "residential", None, older), ADMITTED);
}

/// S3: 有紧急就医等特殊情形的除外.
#[test]
fn in_shanghai_an_exemption_lifts_what_is_missing_but_never_a_colour() {
    let untested = Health { test_result: TestResult::None, ..healthy() };
    for claim in ["urgent_medical", "other"] {
        let exempted = (Verdict::Admit, vec![Reason::TestMissing, Reason::Exempted]);
        assert_eq!(told("shanghai", "public", Some(claim), untested), exempted);
        let unknown = (Verdict::Admit, vec![Reason::HealthUnknown, Reason::TestMissing, Reason::Exempted]);
        assert_eq!(told("shanghai", "public", Some(claim), Health::UNKNOWN), unknown);
        for (colour, reason) in [(Colour::Yellow, Reason::ColourYellow), (Colour::Red, Reason::ColourRed)] {
            let health = Health { colour, ..healthy() };
            assert_eq!(told("shanghai", "public", Some(claim), health), (Verdict::Refuse, vec![reason]));
        }
    }
}

/// S1, S2 (绿码通行) and S4 (“健康码”正常的车辆、人员予以放行) ask for green and for no test.
#[test]
fn the_other_cities_ask_for_green_alone() {
    let untested = Health { test_result: TestResult::None, ..healthy() };
    let everywhere = ["shandong", "fuyang", "kaifeng"].map(city);
    for (city, class) in everywhere.iter().flat_map(|city| city.classes.iter().map(move |class| (city, &class.id))) {
        assert_eq!(told(&city.city, class, None, untested), ADMITTED, "{} {class}", city.city);
        let unknown = told(&city.city, class, None, Health::UNKNOWN);
        assert_eq!(unknown, (Verdict::Refuse, vec![Reason::HealthUnknown]), "{} {class}", city.city);
        let yellow = told(&city.city, class, None, Health { colour: Colour::Yellow, ..untested });
        assert_eq!(yellow, (Verdict::Refuse, vec![Reason::ColourYellow]), "{} {class}", city.city);
    }
}

#[test]
fn no_exemption_can_be_claimed_at_a_freight_checkpoint_of_kaifeng() {
    let claim = Some("urgent_medical");
    assert_eq!(told("kaifeng", "public", claim, Health::UNKNOWN).0, Verdict::Admit);
    assert_eq!(told("kaifeng", "freight_checkpoint", claim, Health::UNKNOWN).0, Verdict::Refuse);
}

#[test]
fn what_is_not_known_refuses_and_says_what_is_missing() {
    let refused = |class, health| told("shanghai", class, None, health).1;
    assert_eq!(refused("public", Health::UNKNOWN), [Reason::HealthUnknown, Reason::TestMissing]);
    assert_eq!(refused("residential", Health { expires_at: NOW, ..healthy() }), [Reason::HealthExpired]);
    assert_eq!(refused("residential", Health { since: NOW + 1, ..healthy() }), [Reason::HealthUnknown]);
}

/// S0 took effect on 5 April 2022, S3 on 23 May; both at midnight in Shanghai.
#[test]
fn a_rule_starts_at_midnight_and_before_the_first_nothing_is_asked() {
    let policy = Policy::new(&city("shanghai"));
    let class = policy.class("public").expect("a class");
    let at = |at| decide(&policy, &Arrival { class, at, claim: None, symptoms: false }, &Health::UNKNOWN);
    let (april, may) = (1_649_088_000, 1_653_235_200);
    assert_eq!(at(april - 1).reasons.iter().collect::<Vec<_>>(), [Reason::NoRule]);
    assert_eq!(at(april - 1).verdict, Verdict::Admit);
    assert_eq!(at(april).reasons.iter().collect::<Vec<_>>(), [Reason::HealthUnknown]);
    assert_eq!(at(may - 1).test_within_hours, None);
    assert_eq!(at(may).test_within_hours, Some(48));
}

/// The rules, in the plainest words.
fn by_hand(
    city: &CityProfile,
    class: &str,
    at: UnixSeconds,
    claim: Option<&str>,
    ill: bool,
    health: &Health,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let colour = health.colour_at(at);
    let rule = city.rule_at(class, at);
    let sampled = health.test_result != TestResult::None && health.test_sampled_at <= at;
    let lifts = |what| {
        let exemption = city.exemptions.iter().find(|e| Some(e.id.as_str()) == claim);
        exemption.is_some_and(|e| e.lifts.contains(&what) && rule.is_some_and(|r| r.exemptions.contains(&e.id)))
    };
    if colour == Colour::Yellow {
        reasons.push(Reason::ColourYellow);
    }
    if colour == Colour::Red {
        reasons.push(Reason::ColourRed);
    }
    if sampled && health.test_result == TestResult::Positive {
        reasons.push(Reason::TestPositive);
    }
    if ill {
        reasons.push(Reason::Symptoms);
    }
    if rule.is_some_and(|r| colour == Colour::Unknown && !r.colours.contains(&Colour::Unknown))
        && !lifts(Lifts::ColourUnknown)
    {
        reasons.push(Reason::HealthUnknown);
    }
    if let Some(hours) = rule.and_then(|r| r.test_within_hours)
        && !(sampled && health.test_sampled_at + i64::from(hours) * HOUR >= at)
        && !lifts(Lifts::Test)
    {
        reasons.push(Reason::TestMissing);
    }
    reasons
}

fn rule() -> impl Strategy<Value = AdmissionRule> {
    let classes = prop::sample::subsequence(vec!["public".to_owned(), "residential".to_owned()], 1..=2);
    let exemptions = prop::sample::subsequence(vec!["urgent_medical".to_owned(), "other".to_owned()], 0..=2);
    let test = prop::option::of(1u16..100);
    (classes, 0u64..40, prop::option::of(0u64..20), any::<bool>(), test, exemptions).prop_map(
        |(classes, from, days, unknown, test_within_hours, exemptions)| {
            let from = NaiveDate::from_ymd_opt(2022, 5, 15).expect("a date") + Days::new(from);
            let until = days.map(|days| from + Days::new(days));
            let colours = if unknown { vec![Colour::Green, Colour::Unknown] } else { vec![Colour::Green] };
            AdmissionRule { classes, from, until, colours, test_within_hours, exemptions }
        },
    )
}

fn health() -> impl Strategy<Value = Health> {
    let colour = prop::sample::select(Colour::ALL);
    let result = prop::sample::select(TestResult::ALL);
    (colour, -200i64..200, prop::option::of(1i64..200), result, -200i64..50).prop_map(
        |(colour, since, valid, test_result, sampled)| Health {
            colour,
            since: NOW + since * HOUR,
            expires_at: valid.map_or(UnixSeconds::MAX, |hours| NOW + (since + hours) * HOUR),
            test_result,
            test_sampled_at: NOW + sampled * HOUR,
        },
    )
}

proptest! {
    #[test]
    fn the_policy_decides_as_the_rules_read_by_hand(
        rules in prop::collection::vec(rule(), 0..6), health in health(), at in -500i64..500,
        claim in prop::sample::select(vec![None, Some("urgent_medical"), Some("other")]),
        lifts in prop::sample::subsequence(vec![Lifts::ColourUnknown, Lifts::Test], 0..=2), ill: bool,
    ) {
        let mut city = city("shanghai");
        city.rules = rules;
        // Two rules of one class from one day are refused in a profile; which of them holds is not defined.
        let mut starts = std::collections::HashSet::new();
        city.rules.retain(|rule| starts.insert(rule.from));
        city.exemptions[0].lifts = lifts;
        let policy = Policy::new(&city);
        let at = NOW + at * HOUR;
        for name in ["public", "residential"] {
            let class = policy.class(name).expect("a class");
            let arrival = Arrival { class, at, claim: claim.and_then(|id| policy.claim(id)), symptoms: ill };
            let decision = decide(&policy, &arrival, &health);
            let refused = by_hand(&city, name, at, claim, ill, &health);
            prop_assert_eq!(decision.verdict == Verdict::Refuse, !refused.is_empty(), "{:?} {:?}", decision, refused);
            prop_assert_eq!(decision.reasons.contains(Reason::NoRule), city.rule_at(name, at).is_none());
            let risks = [Reason::ColourYellow, Reason::ColourRed, Reason::TestPositive, Reason::Symptoms];
            for risk in risks {
                prop_assert_eq!(decision.reasons.contains(risk), refused.contains(&risk), "{}", risk);
            }
            let exempted = decision.reasons.contains(Reason::Exempted);
            prop_assert!(!exempted || (decision.verdict == Verdict::Admit && claim.is_some()));
        }
    }
}

#[test]
fn a_claim_is_stored_as_the_profile_says() {
    let mut city = city("shanghai");
    city.exemptions[1].id = "ferry_crew".to_owned();
    city.exemptions[1].stored_as = Some(Exemption::Other);
    let policy = Policy::new(&city);
    assert_eq!(policy.stored(policy.claim("ferry_crew")), Exemption::Other);
    assert_eq!(policy.stored(policy.claim("urgent_medical")), Exemption::UrgentMedical);
    assert_eq!(policy.stored(None), Exemption::None);
}
