//! The answer to one scan.

use schemas::{Colour, Reasons, TestResult, UnixSeconds, VenueId, Verdict};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    scan::Accepted,
    tables::Venue,
    time::Rfc3339,
    wording::{Message, Told, sentence},
};

/// What the person at the door is told, with the receipt of the scan.
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
    /// The last test that is known.
    last_test: Option<LastTest>,
    /// From when the colour is in force.
    #[schema(value_type = Option<String>, example = "2022-05-30T16:00:00Z")]
    health_since: Option<Rfc3339>,
    /// Seconds since the gateway's last message of the health feed: how fresh its knowledge is.
    health_age_s: Option<i64>,
    /// A sentence to show.
    message: Message,
    /// Chinese text to speak.
    #[schema(value_type = String, example = "绿码，请通行")]
    speech: std::borrow::Cow<'static, str>,
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

impl<'a> ScanAnswer<'a> {
    /// The answer to an accepted scan.
    pub fn new(accepted: &Accepted, venue: &'a Venue, health_age_s: Option<i64>) -> Self {
        let Accepted { event, health, test_within_hours } = accepted;
        let (message, speech) = sentence(&Told {
            verdict: event.verdict,
            reasons: event.reasons,
            colour: event.colour,
            direction: event.direction,
            test_within_hours: *test_within_hours,
        });
        let since = (event.colour != Colour::Unknown && health.since > UnixSeconds::MIN).then_some(health.since);
        Self {
            receipt: event.event_id,
            verdict: event.verdict,
            reasons: event.reasons,
            colour: event.colour,
            venue: ScanVenue { id: event.venue, name: venue.name(), address: venue.address() },
            scanned_at: Rfc3339(event.scanned_at),
            last_test: (health.test_result != TestResult::None)
                .then_some(LastTest { sampled_at: Rfc3339(health.test_sampled_at), result: health.test_result }),
            health_since: since.map(Rfc3339),
            health_age_s,
            message,
            speech,
        }
    }
}
