//! What a topic holds: how its messages are checked before one is sent back, and which key they travel under.

use std::error::Error;

use schemas::events::{EventError, json_schemas};
use schemas::{AlertEvent, ApplicationEvent, HealthEvent, ScanEvent, TestEvent, Topics, TripEvent, VenueEvent, topics};
use serde::de::DeserializeOwned;

/// The kind of message that a topic holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Scans.
    Scan,
    /// Health-code changes.
    Health,
    /// Test results.
    Test,
    /// Venues: the newest message of a venue is what holds.
    Venue,
    /// Commands about venue codes: each is decided once, in the order of the log.
    Application,
    /// Alerts and what offices do about them.
    Alert,
    /// What is said of lorries and their trips.
    Trip,
}

impl EventKind {
    /// The kind that `topic` holds; `None` for one that no letter is sent back to.
    #[must_use]
    pub fn of(topic: &str, names: &Topics) -> Option<Self> {
        [
            (&names.scans, Self::Scan),
            (&names.health, Self::Health),
            (&names.tests, Self::Test),
            (&names.venues, Self::Venue),
            (&names.applications, Self::Application),
            (&names.alerts, Self::Alert),
            (&names.trips, Self::Trip),
        ]
        .into_iter()
        .find_map(|(name, kind)| (name == topic).then_some(kind))
    }

    /// Checks a value and gives the key under which such a message travels.
    ///
    /// # Errors
    /// What is wrong with it, naming the field.
    pub fn check(self, value: &[u8]) -> Result<String, String> {
        match self {
            Self::Scan => read(value, ScanEvent::try_parse).map(|event| event.person.to_string()),
            Self::Health => read(value, HealthEvent::try_parse).map(|event| event.person.to_string()),
            Self::Test => read(value, TestEvent::try_parse).map(|event| event.person.to_string()),
            Self::Venue => read(value, VenueEvent::try_parse).map(|event| event.venue.to_string()),
            Self::Application => read(value, ApplicationEvent::try_parse).map(|event| event.organisation),
            Self::Alert => read(value, AlertEvent::try_parse).map(|event| event.district.to_string()),
            Self::Trip => read(value, TripEvent::try_parse).map(|event| event.vehicle.to_string()),
        }
    }

    /// The fields of such a message, from its published schema.
    #[must_use]
    pub fn fields(self) -> Vec<String> {
        let name = match self {
            Self::Scan => topics::SCANS,
            Self::Health => topics::HEALTH,
            Self::Test => topics::TESTS,
            Self::Venue => topics::VENUES,
            Self::Application => topics::APPLICATIONS,
            Self::Alert => topics::ALERTS,
            Self::Trip => topics::TRIPS,
        };
        let schema = json_schemas().into_iter().find(|(topic, _)| *topic == name).map(|(_, schema)| schema);
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object().cloned());
        properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
    }
}

fn read<T: DeserializeOwned>(value: &[u8], parse: fn(&[u8]) -> Result<T, EventError>) -> Result<T, String> {
    // The message's own check says only that it is none; where exactly is what is needed here.
    let mut json = serde_json::Deserializer::from_slice(value);
    if let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut json) {
        let field = error.path().to_string();
        return Err(if field == "." {
            error.into_inner().to_string()
        } else {
            format!("field `{field}`: {}", error.inner())
        });
    }
    // `EventError::Json` is left only for what follows the value.
    parse(value).map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scan() -> Value {
        json!({"v": 1, "event_id": "018f0000-0000-7000-8000-000000000001", "person": "1123456789abcdef", "venue": 7,
            "method": "venue_code", "direction": "entry", "scanned_at": 1_653_000_000, "accepted_at_ms": 1_653_000_000_123_i64,
            "verdict": "admit", "colour": "green"})
    }

    fn problem(change: impl FnOnce(&mut Value)) -> String {
        let mut value = scan();
        change(&mut value);
        EventKind::Scan.check(value.to_string().as_bytes()).expect_err("it is wrong")
    }

    #[test]
    fn a_good_value_gives_its_key() {
        assert_eq!(EventKind::Scan.check(scan().to_string().as_bytes()), Ok("1123456789abcdef".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_by_field() {
        assert!(problem(|scan| scan["colour"] = "blue".into()).starts_with("field `colour`: unknown variant `blue`"));
        assert!(problem(|scan| scan["venue"] = "seven".into()).starts_with("field `venue`: "));
        assert!(problem(|scan| scan["scanned_at"] = 5.into()).starts_with("field `scanned_at` is not a time"));
        let missing = problem(|scan| {
            scan.as_object_mut().expect("an object").remove("direction");
        });
        assert!(missing.starts_with("missing field `direction`"), "{missing}");
        assert!(EventKind::Scan.check(b"{\"v\":1").is_err());
        let twice = format!("{}{}", scan(), scan());
        assert!(EventKind::Scan.check(twice.as_bytes()).expect_err("two values").contains("trailing"));
    }

    #[test]
    fn every_kind_has_its_fields_and_no_other_topic_has_a_kind() {
        let names = Topics::new("p.");
        for (topic, _) in json_schemas() {
            let kind = EventKind::of(&format!("p.{topic}"), &names);
            // A registration is sealed, so nothing of it can be corrected: who made it does so again. A record about a bulk change, a
            // release or a reminder says who asked for or decided it, which is nobody's to correct: it is sent again through
            // the gateway.
            let none = [
                topics::DEAD_LETTERS,
                topics::IDENTITIES,
                topics::HEALTH_PROPOSALS,
                topics::RELEASES,
                topics::REMINDERS,
                topics::ERASURES,
                topics::AUDIT_ANCHORS,
            ];
            assert_eq!(kind.is_none(), none.contains(&topic), "{topic}");
            assert!(kind.is_none_or(|kind| kind.fields().contains(&"v".to_owned())), "{topic}");
        }
        assert_eq!(EventKind::of("scans", &names), None);
    }
}
