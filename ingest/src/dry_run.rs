//! What the gateway makes of the bytes of a request, as far as that takes neither Kafka nor a clock nor a second venue:
//! the way in for fuzz targets (`benches/fuzz`). Nothing in the gateway calls it.

use std::num::NonZeroU32;

use anyhow::Context;
use axum::{body::Body, extract::Request, http::header};
use bytes::Bytes;
use schemas::{
    CityProfile, KeyRing, ScanEvent, VenueEvent, VenueId,
    access::{Claims, Role, Scope},
    admission::{Health, Policy},
};
use service::{Problem, code::CodeSigner};

use crate::{
    body::read_ndjson,
    config::{City, LimitConfig},
    error::IngestError,
    fields::read,
    ndjson::{Finished, count_lines, lines},
    person::Nobody,
    routes::ScanReceipt,
    scan::ScanRequest,
    tables::Venue,
    wording::Sentences,
};

/// A gateway with one venue, to which a device sends. Nobody has a health code or is registered.
#[derive(Debug)]
pub struct DryRun {
    city: City,
    limits: LimitConfig,
    sender: Claims,
    number: VenueId,
    venue: Venue,
}

impl DryRun {
    /// A gateway of a built-in city. `keys` is the ring of all its keys.
    ///
    /// # Errors
    /// When there is no such city, or the venue's category is none of it.
    pub fn try_new(city: &str, keys: &KeyRing, venue: &VenueEvent) -> anyhow::Result<Self> {
        let profile = CityProfile::try_built_in(city)?;
        let message = serde_json::to_vec(venue)?;
        let (number, venue) = Venue::try_from_message(&profile, &message).context("the venue does not fit the city")?;
        let text = String::new;
        Ok(Self {
            city: City {
                policy: Policy::new(&profile),
                sentences: Sentences::new(&profile),
                profile,
                codes: CodeSigner { keys: keys.clone(), base_url: "HTTPS://CODE.EXAMPLE/V/".to_owned() },
                person_keys: keys.clone(),
                identity_keys: keys.clone(),
            },
            limits: LimitConfig {
                limit_scans_per_second: NonZeroU32::MAX,
                limit_scans_burst: NonZeroU32::MAX,
                limit_connections: 1,
                limit_client_connections: 1,
                limit_body_mib: 16,
                late_after_s: 600,
                max_scan_age_days: 366,
                max_ahead_s: 60,
            },
            sender: Claims {
                iss: text(),
                aud: text(),
                sub: text(),
                role: Role::Device,
                scope: Scope::default(),
                iat: 0,
                nbf: 0,
                exp: 0,
                jti: text(),
            },
            number,
            venue,
        })
    }

    /// The message that a scan becomes.
    ///
    /// # Errors
    /// What its sender would be told.
    pub fn scan(&self, line: &[u8], now_ms: i64) -> Result<ScanEvent, Box<Problem>> {
        self.accept(line, now_ms).map_err(told)
    }

    /// The answer to a batch of scans.
    ///
    /// # Errors
    /// What its sender would be told, when it is refused as a whole.
    pub fn batch(&self, body: &[u8], now_ms: i64) -> Result<Vec<u8>, Box<Problem>> {
        count_lines(body).map_err(told)?;
        let outcome = |(number, line)| (number, self.accept(line, now_ms).map(|event| ScanReceipt::of(&event)));
        Ok(Finished(lines(body).map(outcome).collect()).answer())
    }

    /// A batch's body, decompressed.
    ///
    /// # Errors
    /// What its sender would be told.
    pub async fn body(body: Bytes, encoding: &'static str) -> Result<Bytes, Box<Problem>> {
        let request = Request::builder()
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .header(header::CONTENT_ENCODING, encoding)
            .body(Body::from(body));
        let request = request.map_err(|_| told(IngestError::Internal))?;
        read_ndjson(request).await.map_err(told)
    }

    fn accept(&self, line: &[u8], now_ms: i64) -> Result<ScanEvent, IngestError> {
        let request = read::<ScanRequest<'_>>(line)?;
        let scan = request.check(&self.sender, &self.city, &self.limits, &Nobody, now_ms)?;
        let venue = Some(&self.venue).filter(|_| self.number == scan.venue);
        let mut event = scan.accept(venue, Health::UNKNOWN, &self.city, &self.limits, now_ms)?.event;
        event.freight = scan.freight_at(&self.venue, &self.city)?;
        Ok(event)
    }
}

fn told(error: IngestError) -> Box<Problem> {
    Box::new(error.problem())
}
