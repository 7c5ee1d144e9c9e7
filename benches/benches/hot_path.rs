//! What the gateway does for every scan, without HTTP and Kafka: verify a code, derive a person key, write and read
//! the event, decide; and know its token again.

use std::hint::black_box;

use anyhow::Context;
use criterion::Criterion;
use schemas::access::{Role, Scope};
use schemas::admission::{Arrival, Health, Policy, decide};
use schemas::{
    CityProfile, Colour, Direction, Document, DocumentType, Exemption, KeyRing, Method, PersonKey, Reasons, ScanEvent,
    TestResult, VenueCode, Verdict,
};
use service::AccessConfig;
use service::access::{Issuer, KeySet, SigningKey, Verifier};

const AT: i64 = 1_654_056_000;
const VENUE: u32 = 123_456;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    hot_path(&mut criterion)?;
    token(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn hot_path(criterion: &mut Criterion) -> anyhow::Result<()> {
    let ring = KeyRing::try_parse(&format!("1:{}", "0a".repeat(32)))?;
    let code = VenueCode { venue: VENUE, serial: 1 }.sign(&ring).to_string();
    criterion.bench_function("code_verify", |b| b.iter(|| VenueCode::verify(black_box(&code), &ring)));

    let number = "34052419800101001X";
    criterion.bench_function("document_check_and_person_key", |b| {
        b.iter(|| Document::try_new(DocumentType::IdCard, black_box(number)).map(|d| PersonKey::derive(&ring, &d)));
    });

    let document = Document::try_new(DocumentType::IdCard, number)?;
    let person = PersonKey::derive(&ring, &document);
    let event = ScanEvent {
        v: ScanEvent::version(),
        event_id: ScanEvent::derive_id(person, VENUE, AT, Method::VenueCode, Direction::Entry),
        person,
        venue: VENUE,
        method: Method::VenueCode,
        direction: Direction::Entry,
        scanned_at: AT,
        accepted_at_ms: AT * 1000,
        verdict: Verdict::Admit,
        reasons: Reasons::NONE,
        colour: Colour::Green,
        exemption: Exemption::None,
        far_from_venue: false,
        freight: None,
    };
    criterion.bench_function("scan_identity", |b| {
        b.iter(|| ScanEvent::derive_id(black_box(person), VENUE, AT, Method::VenueCode, Direction::Entry));
    });
    let mut buffer = Vec::with_capacity(512);
    criterion.bench_function("scan_event_serialise", |b| {
        b.iter(|| {
            buffer.clear();
            black_box(&event).write_json(&mut buffer);
        });
    });
    let message = serde_json::to_vec(&event)?;
    ScanEvent::try_parse(&message).context("the message that is parsed must be valid")?;
    criterion.bench_function("scan_event_parse", |b| b.iter(|| ScanEvent::try_parse(black_box(&message))));

    let policy = Policy::new(&CityProfile::try_built_in("shanghai")?);
    let class = policy.class("public").context("a class of the city")?;
    let health = Health {
        colour: Colour::Green,
        since: AT - 86_400,
        expires_at: i64::MAX,
        test_result: TestResult::Negative,
        test_sampled_at: AT - 3_600,
    };
    criterion.bench_function("admission_decide", |b| {
        b.iter(|| {
            let arrival = Arrival { class, at: black_box(AT), claim: None, symptoms: false };
            decide(&policy, &arrival, &health)
        });
    });
    Ok(())
}

/// What the guard does before each scan; the first time of a token costs a signature.
fn token(criterion: &mut Criterion) -> anyhow::Result<()> {
    let issuer = Issuer::new(SigningKey::generate("bench")?);
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), KeySet::rotate(None, Some(issuer.key.public()), &[])?)?;
    let config = AccessConfig {
        token_keys_file: file.path().to_owned(),
        token_issuer: issuer.issuer.clone(),
        token_audience: issuer.audience.clone(),
        token_leeway_s: 30,
        token_max_lifetime_s: 86_400,
    };
    let verifier = Verifier::try_new(&config)?;
    let issue = |sub: &str| -> anyhow::Result<hyper::HeaderMap> {
        let token = issuer.issue(Role::Device, sub, Scope::default(), AT, 3600)?;
        Ok([(hyper::header::AUTHORIZATION, format!("Bearer {token}").parse()?)].into_iter().collect())
    };
    let known = issue("sentinel-7")?;
    verifier.check(&known, 0, AT).context("the token must hold")?;
    criterion.bench_function("token_known", |b| b.iter(|| verifier.check(black_box(&known), 0, AT)));
    // More than a thread remembers, so that none is known when its turn comes again.
    let many = (0..40_000).map(|n| issue(&n.to_string())).collect::<anyhow::Result<Vec<_>>>()?;
    let mut next = many.iter().cycle();
    criterion.bench_function("token_new", |b| b.iter(|| next.next().map(|token| verifier.check(token, 0, AT))));
    Ok(())
}
