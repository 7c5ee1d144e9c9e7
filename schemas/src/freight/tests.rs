use proptest::prelude::*;

use super::*;
use crate::{Colour, Method, PlateKey, Verdict, events::VERSION};

const START: UnixSeconds = 1_653_000_000;
const KEPT_S: i64 = 31 * 24 * 3600;
const DISTRICT: u32 = 410_202;
const CHECKPOINTS: [VenueId; 2] = [1, 2];
const DESTINATIONS: [VenueId; 2] = [8, 9];

fn vehicle() -> PlateKey {
    "2123456789abcdef".parse().expect("valid")
}

fn person(number: u8) -> PersonKey {
    PersonKey::from_u64(1 << 60 | u64::from(number)).expect("valid")
}

fn trip_id(number: u8) -> Uuid {
    TripEvent::trip_id(DISTRICT, vehicle(), person(0), Uuid::from_u128(u128::from(number)))
}

fn event(minute: i64, action: TripAction) -> TripEvent {
    TripEvent { v: VERSION, vehicle: vehicle(), at_ms: (START + minute * 60) * 1000, action }
}

/// A trip to the first destination, due an hour after it was declared, unless changed.
fn declare_with(number: u8, minute: i64, change: impl FnOnce(&mut Declaration)) -> TripEvent {
    let mut declaration = Declaration {
        trip: trip_id(number),
        driver: person(0),
        checkpoint: Some(CHECKPOINTS[0]),
        destination: DESTINATIONS[0],
        district: DISTRICT,
        expected_return: None,
        expected_arrival: None,
        expected_leave: None,
        due_at: START + minute * 60 + 3600,
        symptoms: false,
        risk: false,
        sealed: "1.a.b".to_owned(),
    };
    change(&mut declaration);
    event(minute, TripAction::Declare(Box::new(declaration)))
}

fn declare(number: u8, minute: i64) -> TripEvent {
    declare_with(number, minute, |_| {})
}

fn cancel(number: u8, minute: i64, by: u8) -> TripEvent {
    let command = Uuid::from_u128(u128::from(number) << 64 | minute as u128);
    event(minute, TripAction::Cancel { trip: trip_id(number), command, by: Some(person(by)) })
}

fn overdue(number: u8, minute: i64) -> TripEvent {
    event(minute, TripAction::Overdue { trip: trip_id(number) })
}

fn scanned(number: u8, minute: i64, venue: VenueId, verdict: Verdict) -> Scanned {
    Scanned {
        at: START + minute * 60,
        scan: scan_id(number),
        person: person(number),
        venue,
        district: DISTRICT,
        method: Method::VenueCode,
        verdict,
        colour: if verdict == Verdict::Refuse { Colour::Red } else { Colour::Green },
    }
}

fn scan_id(number: u8) -> Uuid {
    Uuid::from_u128(1000 + u128::from(number))
}

fn enter(number: u8, minute: i64) -> TripEvent {
    event(minute, TripAction::CheckpointScanned(scanned(number, minute, CHECKPOINTS[0], Verdict::Admit)))
}

fn arrive_at(number: u8, minute: i64, venue: VenueId) -> TripEvent {
    event(minute, TripAction::DestinationScanned(scanned(number, minute, venue, Verdict::Admit)))
}

fn arrive(number: u8, minute: i64) -> TripEvent {
    arrive_at(number, minute, DESTINATIONS[0])
}

fn after(events: &[TripEvent]) -> Trips {
    let mut vehicle = Vehicle::default();
    events.iter().for_each(|event| vehicle.note(event, KEPT_S));
    vehicle.trips()
}

/// State of the nth trip and outcomes of the scans, in the order of their numbers.
fn outcome(number: u8, events: &[TripEvent]) -> (TripState, Vec<&'static str>) {
    let trips = after(events);
    (trips.trips[&trip_id(number)].state, trips.scans.values().map(|scan| scan.outcome.as_str()).collect())
}

/// S4 二.2: declared in advance, scanned at the checkpoint, closed at the destination.
#[test]
fn a_trip_is_declared_entered_and_closed() {
    assert_eq!(outcome(1, &[declare(1, 0)]), (TripState::Declared, vec![]));
    assert_eq!(outcome(1, &[declare(1, 0), enter(1, 5)]), (TripState::Entered, vec!["entered"]));
    let whole = [declare(1, 0), enter(1, 5), arrive(2, 20)];
    assert_eq!(outcome(1, &whole), (TripState::Closed, vec!["entered", "closed"]));
    let trip = after(&whole).trips[&trip_id(1)].clone();
    assert_eq!(trip.entered.map(|scan| (scan.scan, scan.at)), Some((scan_id(1), START + 300)));
    assert_eq!(trip.closed.map(|scan| (scan.scan, scan.at)), Some((scan_id(2), START + 1200)));
}

#[test]
fn a_destination_before_the_checkpoint_closes_nothing() {
    assert_eq!(outcome(1, &[declare(1, 0), arrive(1, 5)]), (TripState::Declared, vec!["not_entered"]));
    let entered_after = [declare(1, 0), arrive(1, 5), enter(2, 6)];
    assert_eq!(outcome(1, &entered_after), (TripState::Entered, vec!["not_entered", "entered"]));
    // It was scanned before, and only became known later.
    let known_late = [declare(1, 0), arrive(1, 5), enter(2, 4)];
    assert_eq!(outcome(1, &known_late), (TripState::Closed, vec!["closed", "entered"]));
}

#[test]
fn another_destination_closes_nothing_and_is_undeclared_there() {
    let elsewhere = [declare(1, 0), enter(1, 5), arrive_at(2, 20, DESTINATIONS[1])];
    assert_eq!(outcome(1, &elsewhere), (TripState::Entered, vec!["entered", "other_destination"]));
    let trips = after(&elsewhere);
    assert!(trips.scans[&scan_id(2)].is_undeclared() && !trips.scans[&scan_id(1)].is_undeclared());
}

#[test]
fn a_lorry_without_a_trip_is_undeclared_wherever_it_is_scanned() {
    for lone in [enter(1, 5), arrive(1, 5)] {
        let trips = after(&[lone]);
        assert!(trips.scans[&scan_id(1)].is_undeclared() && trips.trips.is_empty());
    }
    // A declaration that is made afterwards does not cover it, one that was made before and came late does.
    assert_eq!(outcome(1, &[enter(1, 5), declare(1, 6)]), (TripState::Declared, vec!["undeclared"]));
    assert_eq!(outcome(1, &[enter(1, 5), declare(1, 4)]), (TripState::Entered, vec!["entered"]));
}

#[test]
fn a_second_trip_is_refused_while_one_is_open_and_taken_when_that_is_overdue() {
    let second = [declare(1, 0), declare(2, 10), enter(1, 15), arrive(2, 20)];
    assert_eq!(outcome(2, &second).0, TripState::Refused);
    assert_eq!(outcome(1, &second).0, TripState::Closed);
    assert_eq!(after(&second).trips[&trip_id(2)].instead_of, Some(trip_id(1)));
    assert_eq!(outcome(2, &[declare(1, 0), enter(1, 5), arrive(2, 20), declare(2, 30)]).0, TripState::Declared);
    assert_eq!(outcome(2, &[declare(1, 0), cancel(1, 5, 0), declare(2, 10)]).0, TripState::Declared);
    let next_day = [declare(1, 0), enter(1, 5), declare(2, 60), enter(2, 65), arrive(3, 70)];
    assert_eq!((outcome(1, &next_day).0, outcome(2, &next_day).0), (TripState::Abandoned, TripState::Closed));
}

#[test]
fn whoever_of_the_crew_is_scanned_again_changes_nothing() {
    let crew = [declare(1, 0), enter(1, 5), enter(2, 5), enter(3, 9), arrive(4, 20), arrive(5, 20), enter(6, 40)];
    let outcomes = vec!["entered", "repeated", "repeated", "closed", "repeated", "repeated"];
    assert_eq!(outcome(1, &crew), (TripState::Closed, outcomes));
    // Until the lorry was to leave; what comes after is another trip, which nobody declared.
    assert_eq!(outcome(1, &[declare(1, 0), enter(1, 5), arrive(2, 20), enter(3, 61)]).1[2], "undeclared");
    let stays = declare_with(1, 0, |declaration| declaration.expected_leave = Some(START + 7200));
    assert_eq!(outcome(1, &[stays, enter(1, 5), arrive(2, 20), enter(3, 61)]).1[2], "repeated");
}

/// S4 二.3: who is refused does not enter, nor does the lorry.
#[test]
fn a_lorry_whose_driver_is_refused_is_held() {
    let refused = scanned(1, 5, CHECKPOINTS[0], Verdict::Refuse);
    let held = [declare(1, 0), event(5, TripAction::CheckpointScanned(refused))];
    assert_eq!(outcome(1, &held), (TripState::Declared, vec!["held"]));
    let later = [held.as_slice(), &[enter(2, 30)]].concat();
    assert_eq!(outcome(1, &later), (TripState::Entered, vec!["held", "entered"]));
}

#[test]
fn only_the_driver_takes_a_trip_back_and_only_before_it_enters() {
    let refusal = |events: &[TripEvent]| after(events).refused_cancels.values().next().map(|(_, refusal)| *refusal);
    assert_eq!(outcome(1, &[declare(1, 0), cancel(1, 5, 0)]).0, TripState::Cancelled);
    assert_eq!(refusal(&[declare(1, 0), cancel(1, 5, 7)]), Some(CancelRefusal::NotTheDriver));
    assert_eq!(refusal(&[declare(1, 0), enter(1, 4), cancel(1, 5, 0)]), Some(CancelRefusal::AlreadyEntered));
    assert_eq!(refusal(&[declare(1, 0), enter(1, 4), arrive(2, 4), cancel(1, 5, 0)]), Some(CancelRefusal::AlreadyOver));
    assert_eq!(outcome(1, &[declare(1, 0), cancel(1, 5, 0), enter(1, 6)]), (TripState::Cancelled, vec!["undeclared"]));
    assert_eq!(refusal(&[cancel(2, 5, 0)]), None);
}

#[test]
fn a_trip_is_overdue_when_it_was_due_and_not_over() {
    let is_overdue = |events: &[TripEvent]| after(events).trips[&trip_id(1)].overdue;
    assert!(!is_overdue(&[declare(1, 0)]), "time alone does nothing");
    assert!(is_overdue(&[declare(1, 0), overdue(1, 60)]));
    assert!(is_overdue(&[declare(1, 0), enter(1, 5), overdue(1, 60)]));
    assert!(!is_overdue(&[declare(1, 0), overdue(1, 59)]), "it was not due yet");
    // Closed late it was overdue; closed in time it was not, also when that came late.
    assert!(is_overdue(&[declare(1, 0), enter(1, 5), overdue(1, 61), arrive(2, 62)]));
    assert!(!is_overdue(&[declare(1, 0), enter(1, 5), overdue(1, 61), arrive(2, 60)]));
    assert!(!is_overdue(&[declare(1, 0), cancel(1, 5, 0), overdue(1, 61)]));
}

#[test]
fn what_is_older_than_its_log_is_forgotten() {
    let old = [declare(1, 0), enter(1, 5), arrive(2, 20)];
    let mut vehicle = Vehicle::default();
    old.iter().for_each(|event| vehicle.note(event, KEPT_S));
    vehicle.note(&enter(3, 31 * 24 * 60 + 30), KEPT_S);
    assert_eq!(vehicle.trips().trips.len(), 0);
    assert_eq!(vehicle.trips().scans.len(), 1);
    (0..2000).for_each(|n| {
        let minute = 31 * 24 * 60 + 31;
        let scanned = Scanned { scan: Uuid::from_u128(n), ..scanned(0, minute, 1, Verdict::Admit) };
        vehicle.note(&event(minute, TripAction::CheckpointScanned(scanned)), KEPT_S);
    });
    assert_eq!(vehicle.trips().scans.len(), MOST);
}

fn any_event() -> impl Strategy<Value = TripEvent> {
    let scan =
        (0u8..12, 0i64..90, 0usize..2, any::<bool>(), 0u8..4).prop_map(|(number, minute, at, arrives, verdict)| {
            let verdict = if verdict == 0 { Verdict::Refuse } else { Verdict::Admit };
            let venue = if arrives { DESTINATIONS[at] } else { CHECKPOINTS[at] };
            let scanned = scanned(number, minute, venue, verdict);
            let action =
                if arrives { TripAction::DestinationScanned(scanned) } else { TripAction::CheckpointScanned(scanned) };
            event(minute, action)
        });
    prop_oneof![
        3 => (0u8..4, 0i64..90).prop_map(|(number, minute)| declare(number, minute)),
        1 => (0u8..4, 0i64..90, 0u8..2).prop_map(|(number, minute, by)| cancel(number, minute, by)),
        1 => (0u8..4, 50i64..160).prop_map(|(number, minute)| overdue(number, minute)),
        8 => scan,
    ]
}

proptest! {
    /// Any order and any repetition of the same events ends in the same.
    #[test]
    fn order_and_repetition_make_no_difference(
        events in proptest::collection::vec(any_event(), 0..24),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..24),
        shuffled in any::<u64>(),
    ) {
        let mut again: Vec<TripEvent> = events.clone();
        again.extend(picks.iter().filter(|_| !events.is_empty()).map(|pick| pick.get(&events).clone()));
        // A shuffle that the seed alone decides.
        again.sort_by_cached_key(|event| {
            blake3::hash(format!("{shuffled}{}", serde_json::to_string(event).expect("serialises")).as_bytes()).to_hex().to_string()
        });
        prop_assert_eq!(after(&again), after(&events));
    }

    #[test]
    fn a_loop_is_closed_once_and_no_scan_serves_twice(mut events in proptest::collection::vec(any_event(), 0..40)) {
        let trips = after(&events);
        let mut served = std::collections::HashSet::new();
        for trip in trips.trips.values() {
            let is_closed = trip.state == TripState::Closed;
            prop_assert_eq!(trip.closed.is_some(), is_closed);
            prop_assert!(!is_closed || trip.entered.is_some(), "nothing is closed that has not entered");
            for stop in trip.entered.iter().chain(&trip.closed) {
                prop_assert!(served.insert(stop.scan), "one scan, two trips or both ends of one");
                prop_assert!(stop.verdict != Verdict::Refuse && stop.at >= trip.declared_at);
            }
            if let (Some(entered), Some(closed)) = (trip.entered, trip.closed) {
                prop_assert!(entered.at <= closed.at && closed.venue == trip.declaration.destination);
            }
        }
        prop_assert!(trips.trips.values().filter(|trip| trip.is_open()).count() <= 1, "one open trip of a lorry");

        // In the order of their times each trip is closed at most once, and stays so.
        events.sort_by_key(|event| event.at_ms);
        let mut vehicle = Vehicle::default();
        let mut closed = std::collections::HashMap::new();
        for event in events.chunk_by(|a, b| a.at_ms == b.at_ms) {
            event.iter().for_each(|event| vehicle.note(event, KEPT_S));
            for (id, trip) in vehicle.trips().trips {
                let by = trip.closed.map(|scan| scan.at);
                prop_assert!(closed.get(&id).is_none_or(|known| by.is_some() && by <= *known), "closed, then not");
                if by.is_some() {
                    closed.entry(id).or_insert(by);
                }
            }
        }
    }

    /// One trip alone, said in another way: closed by the first arrival after the first entry, unless taken back before.
    #[test]
    fn one_trip_is_what_its_scans_say(scans in proptest::collection::vec((0i64..60, any::<bool>(), 0usize..2), 0..12), back in 0i64..80) {
        let events: Vec<TripEvent> = (0u8..).zip(&scans).map(|(number, (minute, arrives, at))| {
            if *arrives { arrive_at(number, *minute, DESTINATIONS[*at]) } else { enter(number, *minute) }
        }).chain([declare(1, 0), cancel(1, back, 0)]).collect();
        let entered = scans.iter().filter(|scan| !scan.1).map(|scan| scan.0).min();
        let entered = entered.filter(|minute| *minute < back);
        let closed = scans.iter().filter(|scan| scan.1 && scan.2 == 0).map(|scan| scan.0);
        let closed = entered.and_then(|from| closed.filter(|minute| *minute >= from).min());
        let trip = after(&events).trips[&trip_id(1)].clone();
        let minute = |scan: Option<Scanned>| scan.map(|scan| (scan.at - START) / 60);
        prop_assert_eq!((minute(trip.entered), minute(trip.closed)), (entered, closed));
        prop_assert_eq!(trip.state == TripState::Cancelled, entered.is_none());
    }
}
