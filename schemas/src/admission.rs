//! The admission policy: who may enter, and why not. A pure function over the city profile.
//!
//! It knows nothing of where health comes from; what is not known is passed in as not known, and refuses.

use crate::{CityProfile, Colour, Exemption, Reason, Reasons, TestResult, UnixSeconds, Verdict};

/// What is known of a person's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The last colour that the authority set.
    pub colour: Colour,
    /// From when it is in force.
    pub since: UnixSeconds,
    /// Until when it is valid; `UnixSeconds::MAX` without an end.
    pub expires_at: UnixSeconds,
    /// The result of the last test.
    pub test_result: TestResult,
    /// When the last test was sampled; meaningless without one.
    pub test_sampled_at: UnixSeconds,
}

impl Health {
    /// Nothing is known of the person.
    pub const UNKNOWN: Self = Self {
        colour: Colour::Unknown,
        since: UnixSeconds::MIN,
        expires_at: UnixSeconds::MAX,
        test_result: TestResult::None,
        test_sampled_at: 0,
    };

    /// The colour in force at a time: unknown before it was set and after it expired.
    pub fn colour_at(&self, at: UnixSeconds) -> Colour {
        if (self.since..self.expires_at).contains(&at) { self.colour } else { Colour::Unknown }
    }
}

/// One person at one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Class of the venue.
    pub class: &'a str,
    /// When the scan was made.
    pub at: UnixSeconds,
    /// Exemption that is claimed.
    pub exemption: Exemption,
    /// Whether the person declared fever, cough or contact with a case.
    pub symptoms: bool,
}

/// Verdict and reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the person may enter.
    pub verdict: Verdict,
    /// Every reason that counted, not only the first.
    pub reasons: Reasons,
    /// The colour in force.
    pub colour: Colour,
}

/// Decides whether a person may enter (S3: green and a negative test within 48 h at public venues, green at
/// residential compounds, urgent medical care and other special cases excepted).
///
/// Yellow, red and a positive test refuse whatever exemption is claimed. Where no rule is in force nothing is
/// asked beyond that; the reason says so.
pub fn decide(city: &CityProfile, arrival: &Arrival<'_>, health: &Health) -> Decision {
    let colour = health.colour_at(arrival.at);
    let rule = city.rule_at(arrival.class, arrival.at);
    let mut reasons = Reasons::NONE;
    let mut lifted = Reasons::NONE;

    match colour {
        Colour::Yellow => reasons.insert(Reason::ColourYellow),
        Colour::Red => reasons.insert(Reason::ColourRed),
        Colour::Green | Colour::Unknown => {}
    }
    if health.test_result == TestResult::Positive && health.test_sampled_at <= arrival.at {
        reasons.insert(Reason::TestPositive);
    }
    if arrival.symptoms {
        reasons.insert(Reason::Symptoms);
    }

    if let Some(rule) = rule {
        if colour == Colour::Unknown && !rule.colours.contains(&colour) {
            let expired = health.colour != Colour::Unknown && health.expires_at <= arrival.at;
            lifted.insert(if expired { Reason::HealthExpired } else { Reason::HealthUnknown });
        }
        if let Some(hours) = rule.test_within_hours {
            let known = health.test_result != TestResult::None && health.test_sampled_at <= arrival.at;
            if !known {
                lifted.insert(Reason::TestMissing);
            } else if arrival.at - health.test_sampled_at > i64::from(hours) * 3600 {
                lifted.insert(Reason::TestTooOld);
            }
        }
    }

    let may_exempt =
        arrival.exemption != Exemption::None && rule.is_some_and(|r| r.exemptions.contains(&arrival.exemption));
    let admitted = reasons.is_empty() && (lifted.is_empty() || may_exempt);
    let exempted = admitted && !lifted.is_empty();
    reasons = Reasons::from_bits(reasons.bits() | lifted.bits());
    if exempted {
        reasons.insert(Reason::Exempted);
    }
    if rule.is_none() {
        reasons.insert(Reason::NoRule);
    }
    Decision { verdict: if admitted { Verdict::Admit } else { Verdict::Refuse }, reasons, colour }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2022-06-01 12:00 in Shanghai, when S3's rule is in force.
    const NOW: UnixSeconds = 1_654_056_000;
    const HOUR: i64 = 3600;

    fn shanghai() -> CityProfile {
        CityProfile::try_built_in("shanghai").expect("valid")
    }

    fn arrival(class: &str) -> Arrival<'_> {
        Arrival { class, at: NOW, exemption: Exemption::None, symptoms: false }
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

    fn refused_for(class: &str, health: Health) -> Vec<Reason> {
        let decision = decide(&shanghai(), &arrival(class), &health);
        assert_eq!(decision.verdict, Verdict::Refuse);
        decision.reasons.iter().collect()
    }

    #[test]
    fn green_with_a_test_of_exactly_48_hours_may_enter_and_one_second_more_may_not() {
        assert_eq!(decide(&shanghai(), &arrival("public"), &healthy()).verdict, Verdict::Admit);
        let older = Health { test_sampled_at: NOW - 48 * HOUR - 1, ..healthy() };
        assert_eq!(refused_for("public", older), [Reason::TestTooOld]);
        assert_eq!(decide(&shanghai(), &arrival("residential"), &older).verdict, Verdict::Admit);
    }

    #[test]
    fn what_is_not_known_refuses_and_says_what_is_missing() {
        assert_eq!(refused_for("public", Health::UNKNOWN), [Reason::HealthUnknown, Reason::TestMissing]);
        assert_eq!(refused_for("residential", Health { expires_at: NOW, ..healthy() }), [Reason::HealthExpired]);
        let not_yet = Health { since: NOW + 1, ..healthy() };
        assert_eq!(refused_for("residential", not_yet), [Reason::HealthUnknown]);
    }

    #[test]
    fn an_exemption_lifts_a_missing_test_but_never_a_colour() {
        let claimed = Arrival { exemption: Exemption::UrgentMedical, ..arrival("public") };
        let decision = decide(&shanghai(), &claimed, &Health { test_result: TestResult::None, ..healthy() });
        assert_eq!(decision.verdict, Verdict::Admit);
        assert_eq!(decision.reasons.iter().collect::<Vec<_>>(), [Reason::TestMissing, Reason::Exempted]);
        let red = Health { colour: Colour::Red, ..healthy() };
        assert_eq!(decide(&shanghai(), &claimed, &red).verdict, Verdict::Refuse);
    }

    #[test]
    fn before_the_first_rule_nothing_is_asked_and_the_reason_says_so() {
        let early = Arrival { at: NOW - 400 * 24 * HOUR, ..arrival("public") };
        let decision = decide(&shanghai(), &early, &Health::UNKNOWN);
        assert_eq!((decision.verdict, decision.reasons.contains(Reason::NoRule)), (Verdict::Admit, true));
    }

    proptest! {
        #[test]
        fn nobody_enters_with_a_risk_and_a_refusal_always_has_a_reason(
            colour in 0u8..4, test in 0u8..3, age in 0i64..100, exemption in 0u8..3, symptoms: bool, public: bool, days in -60i64..30,
        ) {
            let health = Health {
                colour: Colour::from_number(colour).expect("in range"),
                test_result: TestResult::from_number(test).expect("in range"),
                test_sampled_at: NOW + days * 24 * HOUR - age * HOUR,
                since: UnixSeconds::MIN,
                expires_at: UnixSeconds::MAX,
            };
            let at = NOW + days * 24 * HOUR;
            let exemption = Exemption::from_number(exemption).expect("in range");
            let class = if public { "public" } else { "residential" };
            let decision = decide(&shanghai(), &Arrival { class, at, exemption, symptoms }, &health);
            let risk = symptoms || matches!(health.colour, Colour::Yellow | Colour::Red) || health.test_result == TestResult::Positive;
            prop_assert!(!(risk && decision.verdict == Verdict::Admit));
            prop_assert!(decision.verdict == Verdict::Admit || !decision.reasons.is_empty());
            // More health never refuses: what is admitted stays admitted with a fresh green and negative.
            let best = Health { colour: Colour::Green, test_result: TestResult::Negative, test_sampled_at: at, ..health };
            let with_best = decide(&shanghai(), &Arrival { class, at, exemption, symptoms }, &best);
            prop_assert!(symptoms || with_best.verdict == Verdict::Admit);
        }
    }
}
