use proptest::prelude::*;
use schemas::{
    AlertEvent, CityProfile, Colour, Method, PersonKey, Verdict,
    events::{AlertAction, Declaration, Scanned},
};
use serde_json::Value;

use super::*;

const START: UnixSeconds = 1_653_000_000;
const DISTRICT: u32 = 410_202;
const CHECKPOINT: u32 = 1;
const DESTINATION: u32 = 8;

fn vehicle(number: u64) -> PlateKey {
    PlateKey::from_u64(2 << 60 | number).expect("valid")
}

fn driver() -> PersonKey {
    "1123456789abcdef".parse().expect("valid")
}

fn trip(vehicle: PlateKey, number: u128) -> Uuid {
    TripEvent::trip_id(DISTRICT, vehicle, driver(), Uuid::from_u128(number))
}

fn event(vehicle: PlateKey, minute: i64, action: TripAction) -> TripEvent {
    TripEvent { v: VERSION, vehicle, at_ms: (START + minute * 60) * 1000, action }
}

/// A trip that is due an hour after it was declared.
fn declare(vehicle: PlateKey, number: u128, minute: i64) -> TripEvent {
    let declaration = Declaration {
        trip: trip(vehicle, number),
        driver: driver(),
        checkpoint: None,
        destination: DESTINATION,
        district: DISTRICT,
        expected_return: None,
        expected_arrival: None,
        expected_leave: None,
        due_at: START + minute * 60 + 3600,
        symptoms: false,
        risk: true,
        sealed: "1.secret".to_owned(),
    };
    event(vehicle, minute, TripAction::Declare(Box::new(declaration)))
}

fn scanned(vehicle: PlateKey, minute: i64, venue: u32) -> TripEvent {
    let scan = Uuid::from_u64_pair(vehicle.to_u64(), minute as u64 * 100 + u64::from(venue));
    let scanned = Scanned {
        at: START + minute * 60,
        scan,
        person: driver(),
        venue,
        district: DISTRICT,
        method: Method::VenueCode,
        verdict: Verdict::Admit,
        colour: Colour::Green,
    };
    let at_destination = venue == DESTINATION;
    let action =
        if at_destination { TripAction::DestinationScanned(scanned) } else { TripAction::CheckpointScanned(scanned) };
    event(vehicle, minute, action)
}

/// A loop that is fed event by event, and all that it puts out.
#[derive(Default)]
struct Run {
    rows: Vec<Value>,
    alerts: Vec<AlertEvent>,
}

fn new_loop() -> FreightLoop {
    FreightLoop::new("trips", "alerts", Retention::of(&CityProfile::try_built_in("kaifeng").expect("built in")))
}

impl Run {
    fn feed(&mut self, freight: &mut FreightLoop, event: &TripEvent) {
        let offset = (self.rows.len() + self.alerts.len()) as u64;
        let (key, value) = (event.vehicle.to_string(), serde_json::to_vec(event).expect("serialises"));
        let record = Record { offset, sent_at_ms: 0, key: key.as_bytes(), value: &value };
        let outputs = freight.apply(&record).expect("an event");
        self.rows.extend(outputs.rows.iter().map(|row| serde_json::from_slice(&row.json).expect("a row")));
        for message in &outputs.messages {
            let alert = AlertEvent::try_parse(&message.value).expect("an alert");
            assert_eq!((message.topic.as_str(), &message.key), ("alerts", &alert.district.to_string()));
            self.alerts.push(alert);
        }
    }

    /// Feeds what is due as its owner does.
    fn tick(&mut self, freight: &mut FreightLoop, minute: i64) -> usize {
        let due = freight.due((START + minute * 60) * 1000);
        for message in &due {
            self.feed(freight, &TripEvent::try_parse(&message.value).expect("an event"));
        }
        due.len()
    }

    fn steps(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row["step"].as_str().expect("a word")).collect()
    }

    fn kinds(&self) -> Vec<AlertKind> {
        let kind = |alert: &AlertEvent| match &alert.action {
            AlertAction::Raised(raised) => raised.kind,
            other => panic!("{other:?}"),
        };
        self.alerts.iter().map(kind).collect()
    }
}

fn run(events: &[TripEvent]) -> Run {
    let (mut freight, mut run) = (new_loop(), Run::default());
    events.iter().for_each(|event| run.feed(&mut freight, event));
    run
}

#[test]
fn each_step_of_a_trip_is_a_row_and_a_repetition_is_none() {
    let lorry = vehicle(1);
    let events = [declare(lorry, 1, 0), scanned(lorry, 5, CHECKPOINT), scanned(lorry, 20, DESTINATION)];
    let run = run(&[events.as_slice(), &events].concat());
    assert_eq!(run.steps(), ["declared", "entered", "closed"]);
    assert!(run.alerts.is_empty());
    let last = &run.rows[2];
    assert_eq!((last["closed_at"].as_i64(), last["risk"].as_bool()), (Some(START + 1200), Some(true)));
    assert_eq!((last["overdue"].as_bool(), last["entered_venue"].as_u64()), (Some(false), Some(1)));
    let text = serde_json::to_string(&run.rows).expect("serialises");
    assert!(!text.contains("secret"), "what is sealed goes into no row");
}

#[test]
fn a_lorry_that_nobody_declared_is_a_row_and_an_alert_once() {
    let lorry = vehicle(1);
    let lone = run(&[scanned(lorry, 5, CHECKPOINT), scanned(lorry, 5, CHECKPOINT)]);
    assert_eq!((lone.steps(), lone.kinds()), (vec!["undeclared"], vec![AlertKind::UndeclaredTrip]));
    let AlertAction::Raised(raised) = &lone.alerts[0].action else { panic!("no alert") };
    assert_eq!((raised.vehicle, raised.venue, raised.colour), (Some(lorry), CHECKPOINT, Some(Colour::Green)));
    // The declaration was made before, and came late.
    let explained = run(&[scanned(lorry, 5, CHECKPOINT), declare(lorry, 1, 0)]);
    assert_eq!(explained.steps(), ["undeclared", "entered", "explained"]);
    assert_eq!(explained.kinds().len(), 1);
    assert_eq!(explained.rows[0]["trip_id"], explained.rows[2]["trip_id"]);
}

#[test]
fn what_is_overdue_is_written_down_once_and_raises_one_alert() {
    let (mut freight, mut run) = (new_loop(), Run::default());
    let lorry = vehicle(1);
    run.feed(&mut freight, &declare(lorry, 1, 0));
    run.feed(&mut freight, &scanned(lorry, 5, CHECKPOINT));
    assert_eq!(run.tick(&mut freight, 59), 0);
    assert_eq!(run.tick(&mut freight, 60), 1);
    assert_eq!(run.tick(&mut freight, 61), 0, "it is known");
    let tick = event(lorry, 62, TripAction::Overdue { trip: trip(lorry, 1) });
    run.feed(&mut freight, &tick);
    assert_eq!(run.steps(), ["declared", "entered", "overdue"]);
    assert_eq!(run.kinds(), [AlertKind::OverdueTrip]);
    let AlertAction::Raised(raised) = &run.alerts[0].action else { panic!("no alert") };
    assert_eq!((raised.source, raised.venue, raised.method), (trip(lorry, 1), DESTINATION, None));
    // It arrives after all.
    run.feed(&mut freight, &scanned(lorry, 70, DESTINATION));
    assert_eq!((run.steps()[3], run.rows[3]["overdue"].as_bool()), ("closed", Some(true)));
    assert_eq!(run.tick(&mut freight, 1000), 0);
}

#[test]
fn nothing_is_due_of_a_trip_that_is_over_or_was_never_taken() {
    let (mut freight, mut run) = (new_loop(), Run::default());
    let lorry = vehicle(1);
    run.feed(&mut freight, &declare(lorry, 1, 0));
    run.feed(&mut freight, &declare(lorry, 2, 5));
    let cancel = TripAction::Cancel { trip: trip(lorry, 1), command: Uuid::nil(), by: None };
    run.feed(&mut freight, &event(lorry, 10, cancel));
    assert_eq!(run.steps(), ["declared", "refused", "cancelled"]);
    assert_eq!(run.rows[1]["instead_of"], run.rows[0]["trip_id"]);
    assert_eq!(run.tick(&mut freight, 1000), 0);
}

#[test]
fn a_command_that_does_nothing_is_noted_with_its_reason() {
    let lorry = vehicle(1);
    let cancel = TripAction::Cancel { trip: trip(lorry, 1), command: Uuid::nil(), by: None };
    let run = run(&[declare(lorry, 1, 0), scanned(lorry, 5, CHECKPOINT), event(lorry, 6, cancel)]);
    assert_eq!(run.steps(), ["declared", "entered", "not_cancelled"]);
    assert_eq!((&run.rows[2]["refused"], &run.rows[2]["state"]), (&"already_entered".into(), &"entered".into()));
}

#[test]
fn a_record_under_another_key_or_of_nothing_known_changes_nothing() {
    let event = serde_json::to_vec(&declare(vehicle(1), 1, 0)).expect("serialises");
    let mut freight = new_loop();
    let mut apply =
        |key: &str, value: &[u8]| freight.apply(&Record { offset: 0, sent_at_ms: 0, key: key.as_bytes(), value });
    let other_key = apply(&vehicle(2).to_string(), &event);
    assert!(other_key.is_err_and(|reason| reason.starts_with("field `vehicle`")));
    assert!(apply(&vehicle(1).to_string(), b"nonsense").is_err());
    assert!(freight.trips(vehicle(1)).trips.is_empty());
}

#[test]
fn a_lorry_of_which_nothing_is_heard_any_more_is_forgotten() {
    let (mut freight, mut run) = (new_loop(), Run::default());
    run.feed(&mut freight, &declare(vehicle(1), 1, 0));
    run.feed(&mut freight, &declare(vehicle(2), 1, 31 * 24 * 60 + 1));
    assert_eq!((freight.vehicles.len(), freight.waiting.len(), freight.touched.len()), (1, 1, 1));
}

proptest! {
    /// Whatever the log is, each trip is closed once in it at most and has one alert of a kind, and folding it again puts out
    /// the same.
    #[test]
    fn every_log_gives_the_same_and_nothing_twice(choices in proptest::collection::vec((0u64..3, 0i64..90, 0u8..6), 0..60)) {
        let mut log: Vec<TripEvent> = choices.iter().map(|(lorry, minute, kind)| {
            let (lorry, minute) = (vehicle(*lorry), *minute);
            match kind {
                0 => declare(lorry, u128::from(minute as u64 / 30), minute),
                1 | 2 => scanned(lorry, minute, CHECKPOINT),
                3 | 4 => scanned(lorry, minute, DESTINATION),
                _ => event(lorry, 60 + minute, TripAction::Overdue { trip: trip(lorry, minute as u128 / 30) }),
            }
        }).collect();
        // As their times are, since what came late may take back what was told.
        log.sort_by_key(|event| event.at_ms);
        let first = run(&log);
        let mut closed = std::collections::HashSet::new();
        for row in first.rows.iter().filter(|row| row["step"] == "closed") {
            prop_assert!(closed.insert(row["trip_id"].to_string()), "closed twice");
        }
        let alerts: std::collections::HashSet<_> = first.alerts.iter().map(AlertEvent::alert).collect();
        prop_assert_eq!(alerts.len(), first.alerts.len(), "an alert was raised twice");
        let again = run(&log);
        prop_assert_eq!((first.rows, first.alerts), (again.rows, again.alerts));
    }
}

/// The trip as the embedded Kafka's storage keeps it once its driver was erased.
#[test]
fn of_a_trip_of_nobody_nothing_goes_out_and_it_counts_for_the_crew() {
    let lorry = vehicle(1);
    let mut declared = declare(lorry, 1, 0);
    let TripAction::Declare(declaration) = &mut declared.action else { panic!("a declaration") };
    declaration.driver = PersonKey::NOBODY;
    let (mut freight, mut run) = (new_loop(), Run::default());
    let crew = [declared, scanned(lorry, 5, CHECKPOINT), scanned(lorry, 20, DESTINATION)];
    crew.iter().for_each(|event| run.feed(&mut freight, event));
    assert!(run.rows.is_empty() && run.alerts.is_empty(), "{:?}", run.steps());
    assert_eq!(freight.trips(lorry).trips.values().map(|trip| trip.state).collect::<Vec<_>>(), [TripState::Closed]);
}
