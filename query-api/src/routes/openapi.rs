//! The frame of the OpenAPI document.

use utoipa::OpenApi;

/// The frame that the routes are added to.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "VenueCode query API",
        description = "Reads stored scans: traces, visits, visitors, footfall and statistics; prints posters. Times are RFC 3339, \
                       truncated to whole seconds; ranges are half-open, [from, to). Every error is a problem detail \
                       (RFC 9457) that names the field that is wrong."
    ),
    components(schemas(super::live::LiveCounts)),
    tags((name = "scans", description = "Questions about scans"),
         (name = "footfall", description = "How many people go where"),
         (name = "applications", description = "Applications for venue codes"),
        (name = "health", description = "Bulk changes of health codes and who released them"),
        (name = "releases", description = "What may be read of anyone's movements, and what was"),
        (name = "erasures", description = "Who was erased, known by a digest alone, and the signed reports about it"),
        (name = "alerts", description = "Abnormal scans and lorries, for the districts' offices"),
        (name = "reminders", description = "What organisations were reminded of about venue codes, and what came of it"),
        (name = "trips", description = "Trips of lorries, and the checkpoints by which they enter"),
        (name = "venues", description = "Venues and their codes"))
)]
pub struct Document;
