//! The admission policy: who may enter, and why not. A pure function over the city's rules.
//!
//! It knows nothing of where health comes from; what is not known is passed in as not known, and refuses.

mod policy;

pub use policy::{Claim, Class, Policy};

use crate::{Colour, Reason, Reasons, TestResult, UnixSeconds, Verdict};

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
pub struct Arrival {
    /// Class of the venue.
    pub class: Class,
    /// When the scan was made.
    pub at: UnixSeconds,
    /// Exemption that is claimed.
    pub claim: Option<Claim>,
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
    /// Hours within which the rule in force asks for a test.
    pub test_within_hours: Option<u16>,
}

/// Decides whether a person may enter (S3: green and a negative test within 48 h at public venues, green at
/// residential compounds, urgent medical care and other special cases excepted; S2 and S4: green).
///
/// Yellow, red, a positive test and symptoms refuse whatever exemption is claimed. Where no rule is in force nothing is
/// asked beyond that; the reason says so.
pub fn decide(policy: &Policy, arrival: &Arrival, health: &Health) -> Decision {
    let colour = health.colour_at(arrival.at);
    let rule = policy.rule_at(arrival.class, arrival.at);
    let mut risks = Reasons::NONE;
    let mut unmet = Reasons::NONE;

    match colour {
        Colour::Yellow => risks.insert(Reason::ColourYellow),
        Colour::Red => risks.insert(Reason::ColourRed),
        Colour::Green | Colour::Unknown => {}
    }
    if health.test_result == TestResult::Positive && health.test_sampled_at <= arrival.at {
        risks.insert(Reason::TestPositive);
    }
    if arrival.symptoms {
        risks.insert(Reason::Symptoms);
    }

    if let Some(rule) = rule {
        if colour == Colour::Unknown && !rule.takes_unknown {
            let expired = health.colour != Colour::Unknown && health.expires_at <= arrival.at;
            unmet.insert(if expired { Reason::HealthExpired } else { Reason::HealthUnknown });
        }
        if let Some(hours) = rule.test_within_hours {
            let known = health.test_result != TestResult::None && health.test_sampled_at <= arrival.at;
            if !known {
                unmet.insert(Reason::TestMissing);
            } else if arrival.at - health.test_sampled_at > i64::from(hours) * 3600 {
                unmet.insert(Reason::TestTooOld);
            }
        }
    }

    let lifted = match (rule, arrival.claim) {
        (Some(rule), Some(claim)) => policy.lifted_by(rule, claim),
        _ => Reasons::NONE,
    };
    let admitted = risks.is_empty() && unmet.bits() & !lifted.bits() == 0;
    let mut reasons = Reasons::from_bits(risks.bits() | unmet.bits());
    if admitted && !unmet.is_empty() {
        reasons.insert(Reason::Exempted);
    }
    if rule.is_none() {
        reasons.insert(Reason::NoRule);
    }
    Decision {
        verdict: if admitted { Verdict::Admit } else { Verdict::Refuse },
        reasons,
        colour,
        test_within_hours: rule.and_then(|rule| rule.test_within_hours),
    }
}

#[cfg(test)]
mod tests;
