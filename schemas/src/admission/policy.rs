//! A city's rules made ready for a scan: names looked up and days turned into seconds, once.

use crate::{
    CityProfile, Colour, Exemption, Reason, Reasons, UnixSeconds,
    city::{AdmissionRule, Lifts},
};

/// Place of a class in its city's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(u16);

/// Place of an exemption in its city's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim(u8);

/// The rules of a city, by class.
#[derive(Debug, Clone)]
pub struct Policy {
    class_names: Box<[Box<str>]>,
    /// By place of the category.
    class_of_category: Box<[Class]>,
    /// By class, the latest first.
    rules: Box<[Box<[Rule]>]>,
    exemptions: Box<[ReadyExemption]>,
}

/// A rule of one class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    from: UnixSeconds,
    /// First second after it.
    until: UnixSeconds,
    pub takes_unknown: bool,
    pub test_within_hours: Option<u16>,
    /// Bit n stands for the exemption in place n.
    exemptions: u64,
}

#[derive(Debug, Clone)]
struct ReadyExemption {
    id: Box<str>,
    stored: Exemption,
    lifts: Reasons,
}

impl Policy {
    /// Most exemptions that a profile may define.
    pub const MAX_EXEMPTIONS: usize = 64;

    /// Makes the rules of a checked profile ready. What a check would have refused is left out.
    pub fn new(city: &CityProfile) -> Self {
        let class = |id: &str| city.classes.iter().position(|c| c.id == id).and_then(|nth| u16::try_from(nth).ok());
        let rules_of = |class: &str| {
            let of_class = city.rules.iter().filter(|rule| rule.classes.iter().any(|c| c == class));
            let mut rules: Vec<_> = of_class.map(|rule| Rule::new(city, rule)).collect();
            rules.sort_by_key(|rule| std::cmp::Reverse(rule.from));
            rules.into()
        };
        let exemptions = city.exemptions.iter().map(|exemption| ReadyExemption {
            id: exemption.id.as_str().into(),
            stored: exemption.stored().unwrap_or(Exemption::Other),
            lifts: exemption.lifts.iter().flat_map(|lifts| lifted(*lifts)).collect(),
        });
        Self {
            class_names: city.classes.iter().map(|class| class.id.as_str().into()).collect(),
            class_of_category: city.categories.iter().filter_map(|c| class(&c.class).map(Class)).collect(),
            rules: city.classes.iter().map(|class| rules_of(&class.id)).collect(),
            exemptions: exemptions.collect(),
        }
    }

    /// The class of the category in this place of the profile.
    pub fn class_of(&self, category: u16) -> Option<Class> {
        self.class_of_category.get(usize::from(category)).copied()
    }

    /// A class by its id.
    pub fn class(&self, id: &str) -> Option<Class> {
        let nth = self.class_names.iter().position(|name| **name == *id)?;
        u16::try_from(nth).ok().map(Class)
    }

    /// An exemption by its id.
    pub fn claim(&self, id: &str) -> Option<Claim> {
        let nth = self.exemptions.iter().position(|exemption| *exemption.id == *id)?;
        u8::try_from(nth).ok().map(Claim)
    }

    /// Ids of the exemptions that may be claimed.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.exemptions.iter().map(|exemption| &*exemption.id)
    }

    /// What a claim is stored as.
    pub fn stored(&self, claim: Option<Claim>) -> Exemption {
        let exemption = claim.and_then(|claim| self.exemptions.get(usize::from(claim.0)));
        exemption.map_or(Exemption::None, |exemption| exemption.stored)
    }

    pub(super) fn rule_at(&self, class: Class, at: UnixSeconds) -> Option<&Rule> {
        self.rules.get(usize::from(class.0))?.iter().find(|rule| (rule.from..rule.until).contains(&at))
    }

    /// The reasons that a claim lifts under a rule.
    pub(super) fn lifted_by(&self, rule: &Rule, claim: Claim) -> Reasons {
        let exemption = self.exemptions.get(usize::from(claim.0)).filter(|_| rule.exemptions >> claim.0 & 1 == 1);
        exemption.map_or(Reasons::NONE, |exemption| exemption.lifts)
    }
}

impl Rule {
    fn new(city: &CityProfile, rule: &AdmissionRule) -> Self {
        let after = rule.until.and_then(|until| until.succ_opt());
        let claimable = (0..Policy::MAX_EXEMPTIONS)
            .zip(&city.exemptions)
            .filter(|(_, exemption)| rule.exemptions.contains(&exemption.id))
            .fold(0, |bits, (nth, _)| bits | 1 << nth);
        Self {
            from: city.midnight(rule.from),
            until: after.map_or(UnixSeconds::MAX, |day| city.midnight(day)),
            takes_unknown: rule.colours.contains(&Colour::Unknown),
            test_within_hours: rule.test_within_hours,
            exemptions: claimable,
        }
    }
}

const fn lifted(lifts: Lifts) -> [Reason; 2] {
    match lifts {
        Lifts::ColourUnknown => [Reason::HealthUnknown, Reason::HealthExpired],
        Lifts::Test => [Reason::TestMissing, Reason::TestTooOld],
    }
}
