//! The answer to one scan.

use schemas::{
    Colour, Reasons, TestResult, UnixSeconds, VenueId, Verdict,
    freight::{ScanOutcome, TripState},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    scan::Accepted,
    tables::{Feeds, TripSeen, Venue},
    time::Rfc3339,
    wording::{Message, Sentences, Told},
};

/// What the person at the door is told, with the receipt of the scan (S0, S3).
///
/// Every field is always there. One that is null has no value: no test is known, say. What the gateway cannot tell just
/// now is in `unavailable`, whatever its field shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScanAnswer<'a> {
    /// Identity of the scan.
    receipt: Uuid,
    /// Whether the person may enter; `recorded` when the scan came too late for a verdict.
    verdict: Verdict,
    /// Why.
    #[schema(value_type = Vec<schemas::Reason>)]
    reasons: Reasons,
    /// The colour in force.
    colour: Colour,
    /// Where.
    venue: ScanVenue<'a>,
    /// When.
    #[schema(value_type = String, example = "2022-06-01T04:00:00Z")]
    scanned_at: Rfc3339,
    /// The last test; null when none is known.
    last_test: Option<LastTest>,
    /// From when the colour is in force; null when none is.
    #[schema(value_type = Option<String>, example = "2022-05-30T16:00:00Z")]
    health_since: Option<Rfc3339>,
    /// Seconds since the gateway's last message of the health feed: how fresh its knowledge is.
    health_age_s: Option<i64>,
    /// Fields that are temporarily not available. An app shows that instead of their values.
    #[schema(value_type = Vec<UnavailableField>)]
    unavailable: Unavailable,
    /// What the scan is for the trip of its lorry; null outside the freight loop, and of a scan on the way out.
    trip: Option<ScanTrip>,
    /// A sentence to show.
    message: &'a Message,
    /// The text to speak.
    speech: &'a Message,
}

/// The venue as shown.
#[derive(Debug, Serialize, ToSchema)]
struct ScanVenue<'a> {
    /// Its number.
    id: VenueId,
    /// Its name.
    name: &'a str,
    /// Its address.
    address: &'a str,
    /// Its door or point; null where the venue has one code.
    door: Option<&'a str>,
}

/// The last test that is known.
#[derive(Debug, Serialize, ToSchema)]
struct LastTest {
    /// When it was sampled.
    #[schema(value_type = String, example = "2022-06-01T00:00:00Z")]
    sampled_at: Rfc3339,
    /// Its result.
    result: TestResult,
}

/// What a scan is for a lorry.
#[derive(Debug, Serialize, ToSchema)]
struct ScanTrip {
    /// Whether the lorry may go on: not while somebody of its crew is refused (S4).
    vehicle: Verdict,
    /// What the scan was.
    outcome: ScanOutcome,
    /// The trip; null when none of the lorry's is open.
    trip: Option<Uuid>,
    /// How far the trip is after the scan.
    state: Option<TripState>,
}

/// A field of the answer that may be temporarily not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UnavailableField {
    /// The colour in force.
    Colour,
    /// From when it is in force.
    HealthSince,
    /// How fresh it is.
    HealthAgeS,
    /// The last test.
    LastTest,
    /// The trip of the lorry.
    Trip,
}

/// Which fields the gateway cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unavailable {
    colour: bool,
    age: bool,
    test: bool,
    trip: bool,
}

/// What is known of the trip of a scan's lorry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TripTold {
    /// There is no lorry.
    NotAsked,
    /// It is temporarily not available.
    Unavailable,
    /// This.
    Seen(TripSeen),
}

impl Serialize for Unavailable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = [
            (self.colour, UnavailableField::Colour),
            (self.colour, UnavailableField::HealthSince),
            (self.age, UnavailableField::HealthAgeS),
            (self.test, UnavailableField::LastTest),
            (self.trip, UnavailableField::Trip),
        ];
        serializer.collect_seq(fields.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, field)| field))
    }
}

impl<'a> ScanAnswer<'a> {
    /// The answer to an accepted scan.
    pub fn new(accepted: &Accepted, venue: &'a Venue, feeds: Feeds, trip: TripTold, sentences: &'a Sentences) -> Self {
        let Accepted { event, health, test_within_hours } = accepted;
        let saying = sentences.pick(&Told {
            verdict: event.verdict,
            reasons: event.reasons,
            colour: event.colour,
            direction: event.direction,
            test_within_hours: *test_within_hours,
            knows_colours: feeds.health_age_s.is_some(),
            knows_tests: feeds.has_tests,
        });
        let since = (event.colour != Colour::Unknown && health.since > UnixSeconds::MIN).then_some(health.since);
        // What came too late for a verdict is not looked up.
        let late = event.verdict == Verdict::Recorded;
        Self {
            receipt: event.event_id,
            verdict: event.verdict,
            reasons: event.reasons,
            colour: event.colour,
            venue: ScanVenue { id: event.venue, name: venue.name(), address: venue.address(), door: venue.door() },
            scanned_at: Rfc3339(event.scanned_at),
            last_test: (health.test_result != TestResult::None)
                .then_some(LastTest { sampled_at: Rfc3339(health.test_sampled_at), result: health.test_result }),
            health_since: since.map(Rfc3339),
            health_age_s: feeds.health_age_s,
            unavailable: Unavailable {
                colour: late || feeds.health_age_s.is_none(),
                age: feeds.health_age_s.is_none(),
                test: late || !feeds.has_tests,
                trip: trip == TripTold::Unavailable,
            },
            trip: if let TripTold::Seen(seen) = trip { Some(ScanTrip::new(seen, event.verdict)) } else { None },
            message: &saying.message,
            speech: saying.speech(),
        }
    }
}

impl ScanTrip {
    fn new(seen: TripSeen, verdict: Verdict) -> Self {
        let (trip, state) = seen.trip.unzip();
        Self { vehicle: verdict, outcome: seen.outcome, trip, state }
    }
}
