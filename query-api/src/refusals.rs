//! What routes refuse, for the API document. What a route has beyond it, it says itself; 401 and 403 come with the guard.

use std::collections::BTreeMap;

use service::openapi::refusals;
use utoipa::{
    IntoResponses,
    openapi::{RefOr, Response},
};

/// Of routes that read fields and ask ClickHouse.
pub struct Refusals;
/// Of routes that read by a release.
pub struct ReleaseRefusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals(&[("422", "A field is wrong"), ("503", "Not now")])
    }
}

impl IntoResponses for ReleaseRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let why = "`release-required`, `release-unknown`, `release-of-another-account`, `release-not-given`, \
                   `release-without-reason`, `release-expired` or `release-does-not-cover`; `identities-closed` where \
                   identities are asked for and not opened; or not with this token";
        refusals(&[("403", why)])
    }
}
