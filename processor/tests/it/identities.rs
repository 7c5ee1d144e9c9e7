//! Registrations as rows: the newest of each person and form, still sealed, whatever is killed or told again.

use std::time::Duration;

use rdkafka::producer::FutureRecord;
use schemas::{DocumentType, IdentityEvent, Tail, city::FormKind};

use crate::{
    fixture::{Fixture, NOON, PATIENCE, person},
    process::Process,
};

/// What holds.
const BOOK: &str = "SELECT concat(toString(person_id - 1152921504606846976), ' ', form, ' ', toString(v), ' ', document, \
         ' ', toString(registered_at - 1654056000), ' ', sealed) AS line FROM identities FINAL ORDER BY line";

fn registered(who: u64, form: FormKind, at: i64, sealed: &str) -> IdentityEvent {
    IdentityEvent {
        v: 1,
        person: person(who),
        form,
        document: DocumentType::Passport,
        registered_at: NOON + at,
        guardian: None,
        tail: Tail::from_u16(7).expect("14 bits"),
        sealed: sealed.to_owned(),
    }
}

async fn produce(fixture: &Fixture, event: &IdentityEvent) {
    fixture.produce(&fixture.topics.identities, &event.key(), event).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_registration_of_each_form_holds_whenever_it_is_killed() {
    const ROUNDS: i64 = 4;
    let fixture = Fixture::new(2).await;
    for round in 1..=ROUNDS {
        let process = Process::start(&fixture, &[]);
        for who in [1, 2] {
            produce(&fixture, &registered(who, FormKind::Venue, round, &format!("1.venue.{round}"))).await;
        }
        // Written anew under another key: it says the same time, and comes later.
        produce(&fixture, &registered(2, FormKind::Venue, round, &format!("2.venue.{round}"))).await;
        produce(&fixture, &registered(1, FormKind::Freight, -round, &format!("1.freight.{round}"))).await;
        fixture.produce_bytes(&fixture.topics.identities, "7", b"{}").await;
        let forgotten = FutureRecord::<str, [u8]>::to(&fixture.topics.identities).key("8/venue");
        fixture.producer.send(forgotten, PATIENCE).await.expect("acknowledged");
        tokio::time::sleep(Duration::from_millis(200 * round.unsigned_abs())).await;
        process.kill();
    }
    let other_key = registered(3, FormKind::Venue, 0, "1.of.another");
    fixture.produce(&fixture.topics.identities, &person(4).to_string(), &other_key).await;
    let process = Process::start(&fixture, &[]);
    let expected = [
        format!("1 freight 1 passport {} 1.freight.{ROUNDS}", -ROUNDS),
        format!("1 venue 1 passport {ROUNDS} 1.venue.{ROUNDS}"),
        format!("2 venue 1 passport {ROUNDS} 2.venue.{ROUNDS}"),
    ];
    fixture.wait_for_lines(BOOK, &expected).await;
    fixture.settle().await;
    assert_eq!(fixture.lines(BOOK).await, expected);
    process.terminate();
    let letters = fixture.dead_letters();
    assert_eq!(letters.len() as i64, ROUNDS + 1, "one for each message that is no registration: {letters:?}");
}
