//! What the gateway does for every scan, without HTTP and Kafka: verify a code, derive a person key, write and read
//! the event, decide.

use std::hint::black_box;

use anyhow::Context;
use criterion::Criterion;
use schemas::admission::{Arrival, Health, Policy, decide};
use schemas::{
    CityProfile, Colour, Direction, Document, DocumentType, Exemption, KeyRing, Method, PersonKey, Reasons, ScanEvent,
    TestResult, VenueCode, Verdict,
};

const AT: i64 = 1_654_056_000;
const VENUE: u32 = 123_456;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    hot_path(&mut criterion)?;
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
    };
    criterion.bench_function("scan_identity", |b| {
        b.iter(|| ScanEvent::derive_id(black_box(person), VENUE, AT, Method::VenueCode, Direction::Entry));
    });
    let mut buffer = Vec::with_capacity(512);
    criterion.bench_function("scan_event_serialise", |b| {
        b.iter(|| {
            buffer.clear();
            serde_json::to_writer(&mut buffer, black_box(&event))
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
