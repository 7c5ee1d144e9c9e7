//! Venue and health as of the scan.

use std::time::Duration;

use schemas::Colour;

use crate::fixture::{Fixture, NOON, health_event, person, scan_event};

async fn colour_of(fixture: &Fixture, who: u64) -> u64 {
    let person = person(who).to_u64();
    fixture.query_u64(&format!("SELECT toUInt64(any(colour)) FROM scans_by_person WHERE person_id = {person}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_has_the_colour_in_force_when_it_was_made() {
    let fixture = Fixture::new(1).await;
    fixture.health(&health_event(1, Colour::Green, NOON - 1000)).await;
    fixture.health(&health_event(1, Colour::Red, NOON + 1000)).await;
    fixture.health(&health_event(2, Colour::Yellow, NOON - 1000)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let running = fixture.start().await;
    // Person 1 turned red after the scan, which arrives late; nothing is known of person 3.
    fixture.scans(&[scan_event(1, 1, NOON), scan_event(2, 2, NOON), scan_event(3, 3, NOON)]).await;
    fixture.wait_for_counts(3).await;
    let colours = [colour_of(&fixture, 1).await, colour_of(&fixture, 2).await, colour_of(&fixture, 3).await];
    assert_eq!(colours, [Colour::Green as u64, Colour::Yellow as u64, Colour::Unknown as u64]);
    let district = fixture.query_u64("SELECT toUInt64(any(district)) FROM scans_by_venue WHERE venue_id = 2").await;
    assert_eq!(district, 310_102);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_change_that_arrives_later_does_not_rewrite_an_earlier_scan() {
    let fixture = Fixture::new(1).await;
    fixture.health(&health_event(1, Colour::Green, NOON - 1000)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let accepted_before = scan_event(1, 1, NOON);
    tokio::time::sleep(Duration::from_millis(20)).await;
    // In force since before the scan, but known only after it was accepted, and before it is processed.
    fixture.health(&health_event(1, Colour::Red, NOON - 500)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let accepted_after = scan_event(1, 2, NOON);
    fixture.scans(&[accepted_before, accepted_after]).await;
    let running = fixture.start().await;
    fixture.wait_for_counts(2).await;
    let colour = |venue: u32| format!("SELECT toUInt64(any(colour)) FROM scans_by_venue WHERE venue_id = {venue}");
    assert_eq!(fixture.query_u64(&colour(1)).await, Colour::Green as u64);
    assert_eq!(fixture.query_u64(&colour(2)).await, Colour::Red as u64);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_processed_is_a_dead_letter_and_the_rest_is_stored() {
    let fixture = Fixture::new(1).await;
    let mut newer = serde_json::to_value(scan_event(1, 1, NOON)).expect("serialises");
    newer["v"] = 99.into();
    fixture.scan(&scan_event(1, 1, NOON)).await;
    fixture.produce_bytes(&fixture.topics.scans, "k", b"{\"broken").await;
    fixture.produce(&fixture.topics.scans, "k", &newer).await;
    fixture.scan(&scan_event(1, 4_000_000, NOON)).await;
    fixture.scan(&scan_event(1, 2, NOON)).await;
    fixture.produce_bytes(&fixture.topics.health, "k", b"[]").await;
    fixture.produce_bytes(&fixture.topics.venues, "k", b"[]").await;
    let running = fixture.start().await;
    fixture.wait_for_counts(2).await;
    fixture.settle().await;
    running.stop().await;
    // Read again after a restart, none of them is complained of twice.
    let running = fixture.start().await;
    fixture.settle().await;
    running.stop().await;

    let mut letters: Vec<_> =
        fixture.dead_letters().into_iter().map(|l| (l.topic, l.offset, l.reason, l.value_hex)).collect();
    letters.sort();
    let scans = &fixture.topics.scans;
    let of_scans: Vec<_> = letters.iter().filter(|l| l.0 == *scans).collect();
    assert_eq!(of_scans.iter().map(|l| l.1).collect::<Vec<_>>(), [1, 2, 3], "{letters:?}");
    assert_eq!(of_scans[0].3, "7b2262726f6b656e", "the original bytes are kept");
    assert!(of_scans[1].2.contains("version 99"), "{}", of_scans[1].2);
    assert!(of_scans[2].2.contains("venue 4000000 is not in the directory"), "{}", of_scans[2].2);
    assert_eq!(letters.len(), 5, "and one each of health and venues: {letters:?}");
}
