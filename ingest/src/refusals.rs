//! What routes refuse, for the API document: one list for what takes an object, one for batches, one for look-ups. What a
//! route has beyond its list it says itself. 401 and 403 come with the guard.

use std::collections::BTreeMap;

use service::openapi::refusals;
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};

/// Of routes that take one JSON object.
pub struct ObjectRefusals;
/// Of routes that take lines.
pub struct BatchRefusals;
/// Of routes that take nothing.
pub struct LookUpRefusals;

const TOO_MANY: &str = "`too-many-requests`, with `RateLimit-Policy`, or `too-many-bad-tokens`";

impl IntoResponses for ObjectRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "`malformed-json`"),
            ("408", "`body-incomplete`: it did not come in time"),
            ("413", "`body-too-large`: more than 64 KiB"),
            ("415", "`unsupported-media-type` or `unsupported-encoding`"),
            ("422", "`not-an-object`, `unknown-field`, `missing-field` or `invalid-field`"),
            ("429", TOO_MANY),
            ("503", "`kafka-unavailable`, `queue-full`, `overloaded` or `not-ready`"),
        ])
    }
}

impl IntoResponses for BatchRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[
            ("400", "`malformed-body`: it does not decompress"),
            ("408", "`body-incomplete`: it did not come in time"),
            ("413", "`body-too-large`: more than 8 MiB, or `too-many-lines`: more than 10,000"),
            ("415", "`unsupported-media-type` or `unsupported-encoding`"),
            ("429", TOO_MANY),
            ("503", "`overloaded` or `not-ready`; of the feeds also `kafka-unavailable`"),
        ])
    }
}

impl IntoResponses for LookUpRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[("429", TOO_MANY), ("503", "`not-ready`")])
    }
}
