//! What the registry takes from the city profile.

use schemas::{CityProfile, events::Channel};

/// How a city decides applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether applications wait for a review; else a code is issued at once (S1).
    pub reviewed: bool,
    /// Whether each door has a code of its own (S2); else a venue has one (S4).
    pub per_door: bool,
    /// How many codes an organisation may have by the mobile channel (S0: 20).
    pub mobile_quota: u32,
    /// How many by the portal.
    pub portal_quota: u32,
}

impl Rules {
    /// The rules of a city.
    pub const fn of(_city: &CityProfile) -> Self {
        Self { reviewed: true, per_door: false, mobile_quota: 20, portal_quota: 200 }
    }

    /// How many codes an organisation may have by a channel.
    pub const fn quota(&self, channel: Channel) -> u32 {
        match channel {
            Channel::Mobile => self.mobile_quota,
            Channel::Portal => self.portal_quota,
        }
    }
}
