//! One row of the venue table, made small: two million of them are held.

use std::io::{self, Read};

use schemas::{CityProfile, VenueEvent, VenueId, events::VenueStatus};

use super::{ordered::Row, sharded::order_of};

/// What stands before a venue's texts in a snapshot: id, district, category, lengths, serial, whether in use, length.
const VENUE_HEAD_BYTES: usize = 20;

/// What the gateway needs to know of a venue. Its texts share one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// Name, address and door, one after the other.
    texts: Box<str>,
    name_bytes: u16,
    address_bytes: u16,
    id: VenueId,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// Place of its category in the city profile.
    category: u16,
    /// Issue number of its current code.
    pub serial: u8,
    /// Whether it is in use.
    pub active: bool,
}

impl Row for Venue {
    fn order(&self) -> u64 {
        order_of(u64::from(self.id))
    }
}

impl Venue {
    /// Reads a message of the directory; `None` when it cannot be used here. The processor reports those.
    pub fn try_from_message(city: &CityProfile, message: &[u8]) -> Option<(VenueId, Self)> {
        let event = VenueEvent::try_parse(message).ok()?;
        let category = city.categories.iter().position(|c| c.id == event.category)?;
        let venue = Self {
            texts: [&event.name, &event.address, event.door.as_deref().unwrap_or_default()].concat().into(),
            name_bytes: u16::try_from(event.name.len()).ok()?,
            address_bytes: u16::try_from(event.address.len()).ok()?,
            id: event.venue,
            district: event.district,
            category: u16::try_from(category).ok()?,
            serial: event.serial,
            active: event.status == VenueStatus::Active,
        };
        Some((event.venue, venue))
    }

    /// Name as on the poster.
    pub fn name(&self) -> &str {
        &self.texts[..usize::from(self.name_bytes)]
    }

    /// Detailed address.
    pub fn address(&self) -> &str {
        &self.texts[usize::from(self.name_bytes)..self.door_at()]
    }

    /// Door or point, where there is one.
    pub fn door(&self) -> Option<&str> {
        Some(&self.texts[self.door_at()..]).filter(|door| !door.is_empty())
    }

    fn door_at(&self) -> usize {
        usize::from(self.name_bytes) + usize::from(self.address_bytes)
    }

    /// Adds it to a snapshot.
    pub fn write(&self, out: &mut Vec<u8>) {
        for number in [self.id, self.district] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.category, self.name_bytes, self.address_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[self.serial, u8::from(self.active)]);
        out.extend_from_slice(&u32::try_from(self.texts.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(self.texts.as_bytes());
    }

    /// Reads it from a snapshot.
    ///
    /// # Errors
    /// When the snapshot ends, or holds no venue there.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; VENUE_HEAD_BYTES];
        from.read_exact(&mut head)?;
        let two = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let four = |at: usize| u32::from(two(at)) | u32::from(two(at + 2)) << 16;
        let mut texts = vec![0; four(16) as usize];
        from.read_exact(&mut texts)?;
        let texts = String::from_utf8(texts).map_err(io::Error::other)?.into_boxed_str();
        let venue = Self {
            texts,
            name_bytes: two(10),
            address_bytes: two(12),
            id: four(0),
            district: four(4),
            category: two(8),
            serial: head[14],
            active: head[15] != 0,
        };
        let cuts = [usize::from(venue.name_bytes), venue.door_at()];
        let whole = cuts.iter().all(|at| venue.texts.is_char_boundary(*at));
        whole.then_some(venue).ok_or_else(|| io::Error::other("a venue's texts are cut wrongly"))
    }

    /// Its category's id.
    pub fn category<'c>(&self, city: &'c CityProfile) -> &'c str {
        city.categories.get(usize::from(self.category)).map_or("", |c| &c.id)
    }

    /// Its category's class.
    pub fn class<'c>(&self, city: &'c CityProfile) -> &'c str {
        city.categories.get(usize::from(self.category)).map_or("", |c| &c.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_leaves_room_for_a_revision_and_times_of_validity() {
        // 250 bytes in all, less 12 for those: slots are two thirds full at least, and texts take 144 with what malloc adds.
        assert!(size_of::<Option<Venue>>() * 3 / 2 + 144 <= 250 - 12 * 3 / 2);
    }

    #[test]
    fn a_message_of_the_directory_becomes_a_row_unless_its_category_is_of_another_city() {
        let city = CityProfile::try_built_in("shanghai").expect("valid");
        let mut message = serde_json::json!({"v": 1, "venue": 7, "serial": 2, "status": "revoked", "name": "茶馆",
            "category": "catering", "district": 310_101, "address": "福州路1号"});
        let (id, venue) = Venue::try_from_message(&city, message.to_string().as_bytes()).expect("reads");
        assert_eq!((id, venue.serial, venue.active), (7, 2, false));
        assert_eq!((venue.category(&city), venue.class(&city)), ("catering", "public"));
        assert_eq!((venue.name(), venue.address(), venue.door()), ("茶馆", "福州路1号", None));
        message["door"] = "东门".into();
        let (_, with_door) = Venue::try_from_message(&city, message.to_string().as_bytes()).expect("reads");
        assert_eq!((with_door.address(), with_door.door()), ("福州路1号", Some("东门")));
        let mut snapshot = Vec::new();
        with_door.write(&mut snapshot);
        assert_eq!(Venue::read(&mut snapshot.as_slice()).expect("reads"), with_door);
        for end in 0..snapshot.len() {
            assert!(Venue::read(&mut &snapshot[..end]).is_err(), "{end}");
        }
        message["category"] = "teahouse".into();
        assert_eq!(Venue::try_from_message(&city, message.to_string().as_bytes()), None);
    }
}
