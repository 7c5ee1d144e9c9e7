use proptest::prelude::*;
use schemas::{
    city::{OrganisationKind, VenueKind},
    events::VERSION,
};

use super::*;

const ORGANISATION: &str = "91310000MA1FL0000N";
const NOON: i64 = 1_654_056_000;
const REVIEWED: Rules =
    Rules { reviewed: true, per_door: true, reject_duplicates: true, mobile_quota: 3, portal_quota: 5 };
const AT_ONCE: Rules = Rules { reviewed: false, ..REVIEWED };

fn submission(place: u8) -> Submission {
    Submission {
        channel: if place.is_multiple_of(2) { ChannelKind::Mobile } else { ChannelKind::Portal },
        applicant: "1123456789abcdef".parse().expect("valid"),
        applicant_kind: "agent".to_owned(),
        organisation_name: "茶业公司".to_owned(),
        organisation_kind: OrganisationKind::Company,
        kind: VenueKind::Place,
        category: "catering".to_owned(),
        name: "茶馆".to_owned(),
        district: 310_101,
        address: format!("福州路{place}号"),
        door: Some("东门".to_owned()),
        latitude: None,
        longitude: None,
        starts_at: None,
        ends_at: None,
        sealed: "1.secret".to_owned(),
    }
}

fn event(number: u8, action: ApplicationAction) -> ApplicationEvent {
    let (command, at_ms) = (Uuid::from_u128(number.into()), (NOON + i64::from(number)) * 1000);
    ApplicationEvent { v: VERSION, command, organisation: ORGANISATION.to_owned(), at_ms, action }
}

fn submit(place: u8) -> ApplicationAction {
    ApplicationAction::Submit(Box::new(submission(place)))
}

fn review(application: u8, rejected: Option<Rejection>) -> ApplicationAction {
    let application = Uuid::from_u128(application.into());
    ApplicationAction::Review { application, rejected, note: None, within: None }
}

/// An organisation, and the venues that were given out to it.
#[derive(Default)]
struct Office {
    organisation: Organisation,
    given: u32,
    commands: u64,
}

impl Office {
    fn command(&mut self, event: &ApplicationEvent, rules: &Rules) -> Result<Option<Decision>, Unknown> {
        self.commands += 1;
        let given = &mut self.given;
        self.organisation.apply(event, self.commands, rules, || {
            *given += 1;
            Some(*given)
        })
    }

    #[track_caller]
    fn decide(&mut self, number: u8, action: ApplicationAction, rules: &Rules) -> Decision {
        self.command(&event(number, action), rules).expect("known").expect("not decided before")
    }

    fn state(&self, application: u8) -> ApplicationState {
        self.organisation.application(&Uuid::from_u128(application.into())).expect("known").state
    }
}

#[test]
fn a_city_that_reviews_gives_the_code_after_the_review_and_another_one_at_once() {
    let mut office = Office::default();
    assert!(!office.decide(1, submit(1), &REVIEWED).venue_changed);
    assert_eq!(office.state(1), ApplicationState::Submitted);
    assert!(office.decide(2, review(1, None), &REVIEWED).venue_changed);
    assert_eq!(office.state(1), ApplicationState::Approved);
    let mut office = Office::default();
    assert!(office.decide(1, submit(1), &AT_ONCE).venue_changed);
    let application = office.organisation.application(&Uuid::from_u128(1)).expect("known");
    assert_eq!((application.state, application.code), (ApplicationState::Approved, Some((1, 0))));
    assert_eq!(application.submission.sealed, "", "what is sealed stays on the log");
}

#[test]
fn a_duplicate_names_the_other_application_and_a_rejected_one_may_come_again() {
    let mut office = Office::default();
    office.decide(1, submit(1), &REVIEWED);
    let mut same = submission(1);
    (same.address, same.name) = ("福州路１號".to_owned(), " 茶 馆".to_owned());
    let decision = office.decide(2, ApplicationAction::Submit(Box::new(same)), &REVIEWED);
    assert_eq!((decision.rejected, decision.duplicate_of), (Some(Rejection::Duplicate), Some(Uuid::from_u128(1))));
    assert_eq!(office.state(2), ApplicationState::Rejected);
    office.decide(3, review(1, Some(Rejection::VagueAddress)), &REVIEWED);
    assert_eq!(office.decide(4, submit(1), &REVIEWED).rejected, None);
}

#[test]
fn a_door_is_a_place_of_its_own_where_the_city_says_so() {
    let mut west = submission(1);
    west.door = Some("西门".to_owned());
    let west = ApplicationAction::Submit(Box::new(west));
    let mut office = Office::default();
    office.decide(1, submit(1), &REVIEWED);
    assert_eq!(office.decide(2, west.clone(), &REVIEWED).rejected, None);
    let per_venue = Rules { per_door: false, ..REVIEWED };
    let mut office = Office::default();
    office.decide(1, submit(1), &per_venue);
    assert_eq!(office.decide(2, west, &per_venue).rejected, Some(Rejection::Duplicate));
}

#[test]
fn each_channel_has_its_quota_and_what_is_given_back_is_free_again() {
    let mut office = Office::default();
    for place in [2, 4, 6] {
        assert_eq!(office.decide(place, submit(place), &AT_ONCE).rejected, None);
    }
    assert_eq!(office.decide(8, submit(8), &AT_ONCE).rejected, Some(Rejection::Quota));
    assert_eq!(office.decide(9, submit(9), &AT_ONCE).rejected, None, "the portal's is another one");
    office.decide(10, ApplicationAction::Revoke { venue: 1, within: None }, &AT_ONCE);
    assert_eq!(office.decide(12, submit(12), &AT_ONCE).rejected, None);
}

#[test]
fn an_event_that_is_over_takes_up_neither_quota_nor_place() {
    let event_at = |starts_at, ends_at| {
        let mut meeting = submission(2);
        (meeting.kind, meeting.starts_at, meeting.ends_at) = (VenueKind::Event, Some(starts_at), Some(ends_at));
        ApplicationAction::Submit(Box::new(meeting))
    };
    let rules = Rules { mobile_quota: 2, ..AT_ONCE };
    let mut office = Office::default();
    assert_eq!(office.decide(1, event_at(NOON, NOON + 10), &rules).rejected, None);
    assert_eq!(office.decide(2, event_at(NOON + 9, NOON + 20), &rules).rejected, Some(Rejection::Duplicate));
    assert_eq!(office.decide(3, event_at(NOON + 10, NOON + 20), &rules).rejected, None, "one after the other");
    assert_eq!(office.decide(4, event_at(NOON + 20, NOON + 30), &rules).rejected, Some(Rejection::Quota));
    assert_eq!(office.decide(11, event_at(NOON + 20, NOON + 30), &rules).rejected, None, "the first is over");
}

#[test]
fn a_code_is_issued_anew_and_revoked_once() {
    let reissue = |venue| ApplicationAction::Reissue { venue, within: None };
    let revoke = |venue| ApplicationAction::Revoke { venue, within: None };
    let mut office = Office::default();
    office.decide(1, submit(1), &AT_ONCE);
    assert!(office.decide(2, reissue(1), &AT_ONCE).venue_changed);
    let code = |office: &Office| office.organisation.application(&Uuid::from_u128(1)).and_then(|a| a.code);
    assert_eq!(code(&office), Some((1, 1)));
    assert!(office.decide(3, revoke(1), &AT_ONCE).venue_changed);
    assert_eq!(office.decide(4, reissue(1), &AT_ONCE).refused, Some(Refusal::NotInUse));
    assert_eq!(office.decide(5, revoke(1), &AT_ONCE).refused, Some(Refusal::NotInUse));
    assert_eq!(code(&office), Some((1, 1)));
    assert_eq!(office.command(&event(6, revoke(2)), &AT_ONCE), Err(Unknown::Venue));
    assert_eq!(office.command(&event(7, review(9, None)), &AT_ONCE), Err(Unknown::Application));
}

#[test]
fn a_code_can_be_issued_256_times() {
    let mut office = Office::default();
    office.decide(0, submit(1), &AT_ONCE);
    let mut reissue = event(1, ApplicationAction::Reissue { venue: 1, within: None });
    for number in 0..255 {
        reissue.command = Uuid::from_u128(1000 + number);
        assert_eq!(office.command(&reissue, &AT_ONCE).expect("known").expect("new").refused, None);
    }
    reissue.command = Uuid::from_u128(5000);
    let refused = office.command(&reissue, &AT_ONCE).expect("known").expect("new");
    assert_eq!((refused.refused, refused.venue_changed), (Some(Refusal::SerialsUsedUp), false));
}

#[test]
fn a_reviewer_of_another_district_changes_nothing() {
    let mut office = Office::default();
    office.decide(1, submit(1), &REVIEWED);
    let review = |within| {
        let application = Uuid::from_u128(1);
        ApplicationAction::Review { application, rejected: None, note: None, within }
    };
    assert_eq!(office.decide(2, review(Some(310_104)), &REVIEWED).refused, Some(Refusal::OutsideDistrict));
    assert_eq!(office.state(1), ApplicationState::Submitted);
    assert_eq!(office.decide(3, review(Some(3101)), &REVIEWED).refused, None);
    assert_eq!(office.decide(4, review(None), &REVIEWED).refused, Some(Refusal::AlreadyDecided));
}

fn any_action() -> impl Strategy<Value = ApplicationAction> {
    prop_oneof![
        4 => (0u8..6).prop_map(submit),
        3 => (0u8..40, any::<bool>())
            .prop_map(|(application, approved)| review(application, (!approved).then_some(Rejection::WrongData))),
        1 => (0u8..40).prop_map(|application| ApplicationAction::Withdraw {
            application: Uuid::from_u128(application.into()),
        }),
        1 => (0u32..6).prop_map(|venue| ApplicationAction::Revoke { venue, within: None }),
        1 => (0u32..6).prop_map(|venue| ApplicationAction::Reissue { venue, within: None }),
    ]
}

proptest! {
    /// Whatever is commanded, in whatever order and however often.
    #[test]
    fn quota_place_and_decision_hold(
        commands in proptest::collection::vec((0u8..40, any_action()), 0..60), reviewed: bool,
    ) {
        let rules = Rules { reviewed, ..REVIEWED };
        let mut office = Office::default();
        let mut first = std::collections::BTreeMap::new();
        let mut decided = std::collections::BTreeMap::new();
        for (number, action) in commands {
            // The same command again says the same.
            let event = first.entry(number).or_insert_with(|| event(number, action)).clone();
            let before = office.organisation.clone();
            let outcome = office.command(&event, &rules);
            if decided.contains_key(&number) {
                prop_assert_eq!(&outcome, &Ok(None), "decided once");
            }
            if matches!(outcome, Ok(None) | Err(_)) {
                prop_assert_eq!(&office.organisation, &before, "nothing changes");
            }
            if let Ok(Some(decision)) = outcome {
                decided.insert(number, decision);
            }
            for (channel, quota) in [(ChannelKind::Mobile, 3), (ChannelKind::Portal, 5)] {
                prop_assert!(office.organisation.count(channel) <= quota);
            }
            let live: Vec<_> = office.organisation.live().map(|(_, a)| a).collect();
            let mut places: Vec<_> = live.iter().map(|a| a.submission.address.as_str()).collect();
            let mut venues: Vec<_> = office.organisation.applications().filter_map(|(_, a)| a.code).map(|c| c.0).collect();
            let counts = (places.len(), venues.len());
            places.sort_unstable();
            places.dedup();
            venues.sort_unstable();
            venues.dedup();
            prop_assert_eq!((places.len(), venues.len()), counts, "one place, one code; one code, one place");
        }
    }
}
