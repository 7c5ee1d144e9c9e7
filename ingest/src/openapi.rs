//! The API document: what the routes do not say of themselves.

use utoipa::{OpenApi, openapi::extensions::Extensions};

use crate::limit::Quota;

/// What is published of shedding.
const OVERLOAD: &str = " When more comes than can be kept at once, scans beyond that are answered at once with 503 `overloaded`, or with \
    429 `too-many-at-once` when their client has more than its even share; batches wait for their turn for up to 5 s. All \
    of these have `Retry-After`, and nothing of what they refuse was kept.";

#[derive(OpenApi)]
#[openapi(
    info(title = "VenueCode ingest", description = "Everything that writes. A 2xx answer means that Kafka has it on all in-sync replicas, or that it is on disk in the spool while Kafka is out of reach (scans only). \
        Every error is `application/problem+json` (RFC 9457) and names the field that is wrong."),
    tags(
        (name = "scans", description = "Scans at the door"),
        (name = "feeds", description = "Health codes, tests and venues, as the authorities send them"),
        (name = "codes", description = "Venue codes"),
        (name = "people", description = "Registering people before or at their first scan; what is registered is encrypted here"),
        (name = "applications", description = "Applying for venue codes, reviews, revoking and issuing anew"),
        (name = "trips", description = "Trips of lorries, declared in advance"),
        (name = "erasures", description = "Everything that is kept of one person goes: asked for by one account, confirmed by another"),
        (name = "releases", description = "What may be read of anyone's movements: asked for by one account, released by another"),
        (name = "reminders", description = "Reminders of codes that are missing, not used or not looked after"),
        (name = "alerts", description = "What a district's office does about abnormal scans"),
    )
)]
struct Document;

/// The document, with the published limit.
pub fn document(quota: Quota) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let limit = format!(
        " The holder of a token may send {} scans (or lines, or look-ups) per second, and {} at once; above that the answer is 429 with `Retry-After`.",
        quota.per_second, quota.burst
    );
    let description = document.info.description.get_or_insert_default();
    description.push_str(&limit);
    description.push_str(OVERLOAD);
    let published = serde_json::json!({ "scans_per_second": quota.per_second, "burst": quota.burst });
    document.info.extensions = Some(Extensions::builder().add("x-rate-limit", published).build());
    document
}
