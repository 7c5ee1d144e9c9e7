//! Against the definition itself: every stay of a source with every stay of others.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use schemas::city::Tracing;

use super::*;
use crate::exposure::StayRule;

fn person(number: u64) -> PersonKey {
    PersonKey::from_u64(1 << 60 | number).expect("version 1")
}

fn stay(venue: VenueId, from: u32, length: u32) -> Stay {
    Stay { venue, from, until: from + length, at: from, rule: StayRule::Window, capped: false }
}

fn presence(number: u64, stay: Stay) -> Presence {
    Presence { stay, person: person(number), method: Method::VenueCode, colour: Colour::Green }
}

fn weights() -> Weights {
    Weights::of(Tracing::default())
}

/// Three sources that two cases reached, one after the other, with their stays.
fn hop(
    exposed: Vec<(u32, u32)>,
    stays: Vec<(usize, u32, u32, u32)>,
    presences: Vec<(u64, u32, u32, u32)>,
) -> (Vec<Source>, Vec<SourceStay>, Vec<Presence>) {
    let mut sources = Vec::new();
    for (number, (one, other)) in exposed.into_iter().enumerate() {
        let exposed = vec![(0, one), (3, other)];
        sources.push(Source { person: Some(person(100 + number as u64)), weight: 0.25 * (1 + number) as f64, exposed });
    }
    let mut of_sources = Vec::new();
    for (source, venue, from, length) in stays {
        let source = source % sources.len();
        let (stay, since) = (stay(venue, from, length), sources[source].since());
        if stay.until >= since {
            of_sources.push(SourceStay { stay, since: since.max(stay.from), source });
        }
    }
    let presences =
        presences.into_iter().map(|(number, venue, from, length)| presence(number, stay(venue, from, length)));
    (sources, of_sources, presences.collect())
}

#[derive(Debug, Default, PartialEq)]
struct Naive {
    encounters: Vec<Encounter>,
    overlap_s: u64,
    exposed: BTreeMap<CaseNumber, u32>,
    harmless: f64,
}

fn naive(sources: &[Source], stays: &[SourceStay], presences: &[Presence]) -> BTreeMap<PersonKey, Naive> {
    let mut people: BTreeMap<PersonKey, Naive> = BTreeMap::new();
    for contact in presences {
        for index in stays.iter().filter(|index| index.stay.venue == contact.stay.venue) {
            let seconds: Vec<u32> = (index.since..=index.stay.until)
                .filter(|second| (contact.stay.from..=contact.stay.until).contains(second))
                .collect();
            let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else { continue };
            let person = people.entry(contact.person).or_insert_with(|| Naive { harmless: 1.0, ..Naive::default() });
            person.encounters.push(Encounter { index: *index, contact: *contact });
            person.overlap_s += u64::from(last - first);
            person.harmless *=
                1.0 - sources[index.source].weight * (1.0 - 0.5f64.powf(f64::from(last - first) / 900.0));
            for (case, at) in &sources[index.source].exposed {
                if let Some(exposed) = seconds.iter().find(|second| *second >= at) {
                    person.exposed.entry(*case).and_modify(|known| *known = (*known).min(*exposed)).or_insert(*exposed);
                }
            }
        }
    }
    people
}

type Drawn = (Vec<(u32, u32)>, Vec<(usize, u32, u32, u32)>, Vec<(u64, u32, u32, u32)>);

fn drawn() -> impl Strategy<Value = Drawn> {
    let exposed = prop::collection::vec((0u32..300, 0u32..300), 3);
    let stays = prop::collection::vec((0usize..3, 0u32..4, 0u32..500, 0u32..120), 0..40);
    let presences = prop::collection::vec((0u64..6, 0u32..4, 0u32..500, 0u32..120), 0..60);
    (exposed, stays, presences)
}

proptest! {
    #[test]
    fn the_contacts_are_those_of_trying_every_pair((exposed, stays, presences) in drawn()) {
        let (sources, stays, presences) = hop(exposed, stays, presences);
        let expected = naive(&sources, &stays, &presences);
        let hop = Hop::new(sources, stays, presences);
        let (mut people, venues) = hop.reached(&weights(), u64::MAX).expect("no cap");
        people.sort_by_key(|person| person.person);
        prop_assert_eq!(people.iter().map(|p| p.person).collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
        let listed = hop.encounters(&expected.keys().copied().collect::<Vec<_>>());
        for (((person, encounters), naive), (key, _)) in people.iter().zip(&listed).zip(expected.values()).zip(&expected) {
            prop_assert_eq!(person.person, *key);
            prop_assert_eq!((person.encounters, person.overlap_s), (naive.encounters.len() as u64, naive.overlap_s));
            prop_assert!((person.score - (1.0 - naive.harmless)).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&person.score));
            prop_assert_eq!(&person.exposed, &naive.exposed.clone().into_iter().collect::<Vec<_>>());
            let mut right = naive.encounters.clone();
            right.sort_by_key(Encounter::order);
            prop_assert_eq!(encounters, &right);
        }
        for (venue, there) in &venues {
            let all = expected.values().flat_map(|naive| &naive.encounters).filter(|e| e.contact.stay.venue == *venue);
            let people: HashSet<PersonKey> = all.clone().map(|e| e.contact.person).collect();
            let overlap_s: u64 = all.clone().map(|e| u64::from(e.overlap_s())).sum();
            prop_assert_eq!(*there, VenueExposure { contacts: people.len() as u64, encounters: all.count() as u64, overlap_s });
        }
        let encounters: u64 = venues.iter().map(|(_, there)| there.encounters).sum();
        prop_assert_eq!(encounters, people.iter().map(|person| person.encounters).sum::<u64>());
    }

    /// To the last bit: floating-point sums hang on their order.
    #[test]
    fn the_order_in_which_stays_are_read_makes_no_difference(
        (exposed, stays, presences) in drawn(), rotated in 0usize..60,
    ) {
        let (sources, mut stays, mut presences) = hop(exposed, stays, presences);
        let hop = Hop::new(sources.clone(), stays.clone(), presences.clone());
        let all = |hop: &Hop| {
            let (mut people, _) = hop.reached(&weights(), u64::MAX).expect("no cap");
            by_score(&mut people);
            people.into_iter().map(|person| (person.score.to_bits(), person)).collect::<Vec<_>>()
        };
        let (at, of) = (rotated % (stays.len() + 1), rotated % (presences.len() + 1));
        stays.rotate_left(at);
        presences.reverse();
        presences.rotate_left(of);
        prop_assert_eq!(all(&Hop::new(sources, stays, presences)), all(&hop));
    }

    #[test]
    fn more_pairs_than_may_be_looked_at_are_refused(stays in prop::collection::vec(0u32..50, 1..20), people in 1u64..20) {
        let source = Source { person: None, weight: 1.0, exposed: vec![(0, 0)] };
        let index = |from: &u32| SourceStay { stay: stay(1, *from, 100), since: *from, source: 0 };
        let presences = (0..people).map(|number| presence(number, stay(1, 50, 10))).collect();
        let hop = Hop::new(vec![source], stays.iter().map(index).collect(), presences);
        let pairs = people * stays.len() as u64;
        prop_assert!(hop.reached(&weights(), pairs).is_ok());
        prop_assert_eq!(hop.reached(&weights(), pairs - 1), Err(TooManyPairs));
    }
}

#[test]
fn the_ends_of_a_stay_belong_to_it() {
    let source = Source { person: None, weight: 1.0, exposed: vec![(0, 0)] };
    let index = SourceStay { stay: stay(1, 1_000, 300), since: 1_000, source: 0 };
    let others =
        [(1, 700), (2, 1_300), (3, 699), (4, 1_301)].map(|(number, from)| presence(number, stay(1, from, 300)));
    let elsewhere = presence(5, stay(2, 1_000, 300));
    let hop = Hop::new(vec![source], vec![index], [&others[..], &[elsewhere]].concat());
    let (mut people, _) = hop.reached(&weights(), u64::MAX).expect("no cap");
    by_overlap(&mut people);
    assert_eq!(people.iter().map(|c| (c.person, c.overlap_s)).collect::<Vec<_>>(), [(person(1), 0), (person(2), 0)]);
}

#[test]
fn who_was_reached_after_a_meeting_brings_nothing_of_that_case() {
    let source = Source { person: Some(person(9)), weight: 0.5, exposed: vec![(0, 100), (1, 500)] };
    let index = SourceStay { stay: stay(1, 0, 600), since: 100, source: 0 };
    let (early, late) = (presence(1, stay(1, 50, 300)), presence(2, stay(1, 450, 300)));
    let hop = Hop::new(vec![source], vec![index], vec![early, late]);
    let (mut people, _) = hop.reached(&weights(), u64::MAX).expect("no cap");
    people.sort_by_key(|person| person.person);
    assert_eq!(people[0].exposed, [(0, 100)]);
    assert_eq!(people[1].exposed, [(0, 450), (1, 500)]);
}

#[test]
fn people_come_by_time_together_or_by_score_and_then_by_key() {
    let reached = |number: u64, overlap_s: u64, score: f64| Reached {
        person: person(number),
        encounters: 1,
        overlap_s,
        score,
        exposed: Vec::new(),
    };
    let mut people = vec![reached(4, 10, 0.1), reached(3, 10, 0.9), reached(2, 30, 0.2), reached(1, 5, 0.2)];
    let order = |people: &[Reached]| people.iter().map(|reached| reached.person.to_u64() & 0xF).collect::<Vec<_>>();
    by_overlap(&mut people);
    assert_eq!(order(&people), [2, 3, 4, 1]);
    by_score(&mut people);
    assert_eq!(order(&people), [3, 1, 2, 4]);
}
