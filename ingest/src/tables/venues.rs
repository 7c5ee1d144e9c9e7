//! One row of the venue table, made small: two million of them are held.

use std::io::{self, Read};

use schemas::{
    CityProfile, Place, UnixSeconds, VenueEvent, VenueId,
    admission::{Class, Policy},
    city::{FormKind, VenueKind},
    events::VenueStatus,
};

use super::{ordered::Row, sharded::order_of, snapshot::Stored, spot::Spot};

/// What the gateway needs to know of a venue. Its texts share one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// Name, address, door and organisation, one after the other.
    texts: Box<str>,
    id: VenueId,
    /// Number of the decision that this follows, from 1; 0 when there was none.
    revision: u32,
    /// District, six-digit code of GB/T 2260.
    pub district: u32,
    /// First second at which its code is valid.
    valid_from: u32,
    /// First second at which it is no longer.
    valid_until: u32,
    /// Place of its category in the city profile.
    category: u16,
    /// Where name, address and door end.
    ends: [u16; 3],
    /// Where it is.
    spot: Spot,
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

impl Stored for Venue {
    fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        for number in [self.id, self.revision, self.district, self.valid_from, self.valid_until, length] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.category].into_iter().chain(self.ends) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&[self.serial, u8::from(self.active)]);
        out.extend_from_slice(&self.spot.to_bytes());
        out.extend_from_slice(self.texts.as_bytes());
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let [id, revision, district, valid_from, valid_until, length] = numbers(from)?.map(u32::from_le_bytes);
        let [category, ends @ ..] = numbers::<4, 2>(from)?.map(u16::from_le_bytes);
        let [[serial], [active]] = numbers(from)?;
        let [spot] = numbers(from)?.map(Spot::from_bytes);
        let mut texts = vec![0; length as usize];
        from.read_exact(&mut texts)?;
        let texts = String::from_utf8(texts).map_err(io::Error::other)?.into_boxed_str();
        if !ends.is_sorted() || !ends.iter().all(|end| texts.is_char_boundary(usize::from(*end))) {
            return Err(io::Error::other("a venue's texts are cut wrongly"));
        }
        let active = active != 0;
        Ok(Self { texts, id, revision, district, valid_from, valid_until, category, ends, spot, serial, active })
    }
}

impl Venue {
    /// Reads a message of the directory; `None` when it cannot be used here. The processor reports those.
    pub fn try_from_message(city: &CityProfile, message: &[u8]) -> Option<(VenueId, Self)> {
        let event = VenueEvent::try_parse(message).ok()?;
        let category = city.categories.iter().position(|c| c.id == event.category)?;
        let [door, organisation] = [&event.door, &event.organisation].map(|text| text.as_deref().unwrap_or_default());
        let parts = [event.name.as_str(), &event.address, door, organisation];
        let (mut ends, mut length) = ([0; 3], 0);
        for (end, part) in ends.iter_mut().zip(parts) {
            length += part.len();
            *end = u16::try_from(length).ok()?;
        }
        let venue = Self {
            // Made in one piece of the right length: a text that has grown keeps, when it is cut, up to twice its room.
            texts: parts.concat().into(),
            id: event.venue,
            revision: event
                .revision
                .map_or(0, |revision| u32::try_from(revision).map_or(u32::MAX, |r| r.saturating_add(1))),
            district: event.district,
            valid_from: event.valid_from.map_or(0, seconds),
            valid_until: event.valid_until.map_or(u32::MAX, seconds),
            category: u16::try_from(category).ok()?,
            ends,
            spot: Spot::new(event.latitude, event.longitude),
            serial: event.serial,
            active: event.status == VenueStatus::Active,
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

    /// Name as on the poster.
    pub fn name(&self) -> &str {
        self.text(0)
    }

    /// Detailed address.
    pub fn address(&self) -> &str {
        self.text(1)
    }

    /// Door or point, where there is one.
    pub fn door(&self) -> Option<&str> {
        Some(self.text(2)).filter(|door| !door.is_empty())
    }

    /// Unified social credit code of its organisation.
    pub fn organisation(&self) -> Option<&str> {
        Some(self.text(3)).filter(|code| !code.is_empty())
    }

    /// The texts one after the other: name, address, door, organisation.
    fn text(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { usize::from(self.ends[place - 1]) };
        self.ends.get(place).map_or(&self.texts[start..], |end| &self.texts[start..usize::from(*end)])
    }

    /// Where it is, to within two metres; not every one tells.
    pub fn place(&self) -> Option<Place> {
        self.spot.place()
    }

    /// Its category's id.
    pub fn category<'c>(&self, city: &'c CityProfile) -> &'c str {
        city.categories.get(usize::from(self.category)).map_or("", |c| &c.id)
    }

    /// What its code stands for.
    pub fn kind(&self, city: &CityProfile) -> VenueKind {
        city.categories.get(usize::from(self.category)).map_or(VenueKind::Place, |c| c.kind)
    }

    /// The form that who scans its code fills in first.
    pub fn form(&self, city: &CityProfile) -> FormKind {
        FormKind::of(self.kind(city))
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

/// Some numbers of a snapshot, as their bytes.
fn numbers<const COUNT: usize, const BYTES: usize>(from: &mut impl Read) -> io::Result<[[u8; BYTES]; COUNT]> {
    let mut numbers = [[0; BYTES]; COUNT];
    from.read_exact(numbers.as_flattened_mut())?;
    Ok(numbers)
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
        assert_eq!((venue.name(), venue.address(), venue.door()), ("茶馆", "福州路1号", None));
        assert_eq!(venue.organisation(), None);
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
    fn a_snapshot_keeps_the_whole_row_and_none_that_is_cut_short() {
        let event = serde_json::json!({"door": "东门", "organisation": "91310000MA1FL0000N", "revision": 3,
            "latitude": 31.2304, "longitude": 121.4737, "valid_from": 1_654_056_000, "valid_until": 1_654_056_060});
        for venue in [row(serde_json::json!({})), row(event)] {
            let mut snapshot = Vec::new();
            venue.write(&mut snapshot);
            assert_eq!(Venue::read(&mut snapshot.as_slice()).expect("reads"), venue);
            for end in 0..snapshot.len() {
                assert!(Venue::read(&mut &snapshot[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn the_texts_are_given_back_apart() {
        let venue = row(serde_json::json!({"door": "东门", "organisation": "91310000MA1FL0000N"}));
        assert_eq!((venue.name(), venue.address(), venue.door()), ("茶馆", "福州路1号", Some("东门")));
        assert_eq!(venue.organisation(), Some("91310000MA1FL0000N"));
        assert_eq!(row(serde_json::json!({"organisation": "91310000MA1FL0000N"})).door(), None);
    }

    #[test]
    fn a_row_takes_244_bytes_at_most() {
        // Slots are two thirds full at least; texts of 60, 60 and 18 bytes take 160 as malloc rounds them up.
        assert!(size_of::<Option<Venue>>() * 3 / 2 + 160 <= 244, "{}", size_of::<Option<Venue>>());
    }
}
