//! One row of the venue table, made small: two million of them are held.

use schemas::{
    CityProfile, VenueEvent, VenueId,
    admission::{Class, Policy},
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
    /// Place of its category in the city profile.
    category: u16,
    /// Issue number of its current code.
    pub serial: u8,
    /// Whether it is in use.
    pub active: bool,
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
            category: u16::try_from(category).ok()?,
            serial: event.serial,
            active: event.status == VenueStatus::Active,
        };
        Some((event.venue, venue))
    }

    /// Its category's id.
    pub fn category<'c>(&self, city: &'c CityProfile) -> &'c str {
        city.categories.get(usize::from(self.category)).map_or("", |c| &c.id)
    }

    /// Its category's class.
    pub fn class(&self, policy: &Policy) -> Option<Class> {
        policy.class_of(self.category)
    }
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
}
