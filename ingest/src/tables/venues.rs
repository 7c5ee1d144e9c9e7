//! One row of the venue table, made small: two million of them are held.

use schemas::{
    CityProfile, UnixSeconds, VenueEvent, VenueId,
    admission::{Class, Policy},
    city::FormKind,
    events::VenueStatus,
};

/// What the gateway needs to know of a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// Name as on the poster.
    pub name: Box<str>,
    /// Detailed address.
    pub address: Box<str>,
    /// Door or point.
    pub door: Option<Box<str>>,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// Unified social credit code of its organisation.
    organisation: Option<[u8; 18]>,
    /// Place of its category in the city profile.
    category: u16,
    /// Issue number of its current code.
    pub serial: u8,
    /// Whether it is in use.
    pub active: bool,
    /// First second at which its code is valid.
    valid_from: u32,
    /// First second at which it is no longer.
    valid_until: u32,
    /// Number of the decision that this follows, from 1; 0 when there was none.
    revision: u64,
}

impl Venue {
    /// Reads a message of the directory; `None` when it cannot be used here. The processor reports those.
    pub fn try_from_message(city: &CityProfile, message: &[u8]) -> Option<(VenueId, Self)> {
        let event = VenueEvent::try_parse(message).ok()?;
        let category = city.categories.iter().position(|c| c.id == event.category)?;
        let venue = Self {
            name: event.name.into(),
            address: event.address.into(),
            door: event.door.map(Into::into),
            district: event.district,
            organisation: event.organisation.and_then(|code| code.into_bytes().try_into().ok()),
            category: u16::try_from(category).ok()?,
            serial: event.serial,
            active: event.status == VenueStatus::Active,
            valid_from: event.valid_from.map_or(0, seconds),
            valid_until: event.valid_until.map_or(u32::MAX, seconds),
            revision: event.revision.map_or(0, |revision| revision.saturating_add(1)),
        };
        Some((event.venue, venue))
    }

    /// Whether it is taken instead of what is held of the venue: an older decision that is sent again changes nothing.
    pub const fn replaces(&self, held: &Self) -> bool {
        self.revision >= held.revision
    }

    /// Whether the registry decided it; a venue that was loaded it knows nothing of.
    pub const fn is_decided(&self) -> bool {
        self.revision > 0
    }

    /// Whether its code is valid at a time.
    pub fn is_valid_at(&self, at: UnixSeconds) -> bool {
        at >= i64::from(self.valid_from) && !self.is_over_at(at)
    }

    /// Whether the time of its code is over.
    pub fn is_over_at(&self, at: UnixSeconds) -> bool {
        self.valid_until != u32::MAX && at >= i64::from(self.valid_until)
    }

    /// Unified social credit code of its organisation.
    pub fn organisation(&self) -> Option<&str> {
        self.organisation.as_ref().and_then(|code| std::str::from_utf8(code).ok())
    }

    /// Its category's id.
    pub fn category<'c>(&self, city: &'c CityProfile) -> &'c str {
        city.categories.get(usize::from(self.category)).map_or("", |c| &c.id)
    }

    /// The form that who scans its code fills in first.
    pub fn form(&self, city: &CityProfile) -> FormKind {
        city.categories.get(usize::from(self.category)).map_or(FormKind::Venue, |c| FormKind::of(c.kind))
    }

    /// Its category's class.
    pub fn class(&self, policy: &Policy) -> Option<Class> {
        policy.class_of(self.category)
    }
}

/// Seconds since 1970 in 32 bits, clamped.
fn seconds(at: UnixSeconds) -> u32 {
    u32::try_from(at.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_directory_becomes_a_row_unless_its_category_is_of_another_city() {
        let city = CityProfile::try_built_in("shanghai").expect("valid");
        let mut message = serde_json::json!({"v": 1, "venue": 7, "serial": 2, "status": "revoked", "name": "茶馆",
            "category": "catering", "district": 310_101, "address": "福州路1号"});
        let (id, venue) = Venue::try_from_message(&city, message.to_string().as_bytes()).expect("reads");
        assert_eq!((id, venue.serial, venue.active), (7, 2, false));
        let policy = Policy::new(&city);
        assert_eq!((venue.category(&city), venue.class(&policy)), ("catering", policy.class("public")));
        message["category"] = "teahouse".into();
        assert_eq!(Venue::try_from_message(&city, message.to_string().as_bytes()), None);
    }

    fn row(more: serde_json::Value) -> Venue {
        let city = CityProfile::try_built_in("shanghai").expect("valid");
        let mut message = serde_json::json!({"v": 1, "venue": 7, "serial": 2, "status": "active", "name": "茶馆",
            "category": "catering", "district": 310_101, "address": "福州路1号"});
        for (field, value) in more.as_object().expect("an object") {
            message[field] = value.clone();
        }
        Venue::try_from_message(&city, message.to_string().as_bytes()).expect("reads").1
    }

    #[test]
    fn the_newest_decision_holds_and_a_loaded_venue_replaces_only_a_loaded_one() {
        let [loaded, first, second] =
            [serde_json::json!({}), serde_json::json!({"revision": 0}), serde_json::json!({"revision": 1})].map(row);
        assert!(loaded.replaces(&loaded) && first.replaces(&loaded) && second.replaces(&first));
        assert!(second.replaces(&second), "sent again");
        assert!(!first.replaces(&second) && !loaded.replaces(&first));
    }

    #[test]
    fn the_code_of_an_event_is_valid_from_its_start_to_before_its_end() {
        let event = row(serde_json::json!({"valid_from": 1_654_056_000, "valid_until": 1_654_056_060}));
        let valid = |at| event.is_valid_at(at);
        assert!(!valid(1_654_055_999) && valid(1_654_056_000) && valid(1_654_056_059) && !valid(1_654_056_060));
        assert!(!event.is_over_at(1_654_055_999) && event.is_over_at(1_654_056_060));
        assert!([0, 1_654_056_000, i64::MAX].into_iter().all(|at| row(serde_json::json!({})).is_valid_at(at)));
    }

    #[test]
    fn a_row_is_small() {
        assert!(size_of::<Venue>() <= 96, "{}", size_of::<Venue>());
    }
}
