//! What the registry takes from the city profile.

use schemas::city::{Application, ChannelKind, CodePer, Review};

/// How a city decides applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether applications wait for a review; else a code is issued at once (S1).
    pub reviewed: bool,
    /// Whether each door has a code of its own (S2); else a venue has one (S4).
    pub per_door: bool,
    /// Whether what repeats another application is rejected (S4).
    pub reject_duplicates: bool,
    /// How many codes an organisation may have by the mobile channel (S0: 20).
    pub mobile_quota: u32,
    /// How many by the portal.
    pub portal_quota: u32,
}

impl Rules {
    /// The rules of a city. A channel that it does not have gives no codes.
    pub fn of(application: &Application) -> Self {
        let quota = |channel| application.channel(channel).map_or(0, |channel| channel.quota);
        Self {
            reviewed: application.review == Review::Reviewed,
            per_door: application.code_per == CodePer::Door,
            reject_duplicates: application.reject_duplicates,
            mobile_quota: quota(ChannelKind::Mobile),
            portal_quota: quota(ChannelKind::Portal),
        }
    }

    /// How many codes an organisation may have by a channel.
    pub const fn quota(&self, channel: ChannelKind) -> u32 {
        match channel {
            ChannelKind::Mobile => self.mobile_quota,
            ChannelKind::Portal => self.portal_quota,
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::CityProfile;

    use super::*;

    #[test]
    fn each_city_decides_as_its_notice_says() {
        let rules = |city| Rules::of(&CityProfile::try_built_in(city).expect("valid").application);
        assert_eq!((rules("shanghai").reviewed, rules("shanghai").mobile_quota), (true, 20), "S0");
        assert!(rules("shanghai").portal_quota > 20, "S0");
        assert!(!rules("shandong").reviewed, "S1");
        assert!(rules("fuyang").per_door, "S2");
        assert!(!rules("kaifeng").per_door && rules("kaifeng").reject_duplicates, "S4");
    }
}
