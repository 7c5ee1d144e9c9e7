//! Finds the encounters between the visits of one person and the scans of others.

use std::{cmp::Reverse, collections::HashMap, ops::ControlFlow};

use schemas::{Colour, Direction, Method, PersonKey, VenueId};

use super::{IndexVisit, StoredSeconds};

/// A scan of another person near a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactScan {
    /// Who.
    pub person: PersonKey,
    /// Where.
    pub venue: VenueId,
    /// When.
    pub at: StoredSeconds,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
    /// Colour in force at the scan.
    pub colour: Colour,
}

/// A visit and a scan of another person at the same venue, at most the reach apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Encounter {
    /// When the index person was scanned.
    pub index_at: StoredSeconds,
    /// When the other person was scanned.
    pub contact_at: StoredSeconds,
    /// Where.
    pub venue: VenueId,
    /// How the other person was scanned.
    pub method: Method,
    /// Colour of the other person.
    pub colour: Colour,
}

impl Encounter {
    /// Seconds between the two scans.
    pub const fn gap_s(&self) -> u32 {
        self.index_at.abs_diff(self.contact_at)
    }
}

/// Somebody who was near, with every encounter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub person: PersonKey,
    /// All encounters, in the order of the index person's visits.
    pub encounters: Vec<Encounter>,
    /// Seconds that both were there, over all encounters, if each stays for the reach.
    pub overlap_s: u64,
}

/// How much of a trace is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Contacts.
    pub contacts: usize,
    /// Encounters of all listed contacts together.
    pub encounters: u64,
    /// Encounters that are looked at in ranking the contacts.
    pub pairs: u64,
}

/// The contacts of one person, those with the longest overlap first, then by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contacts {
    /// How many there are, listed or not.
    pub found: usize,
    /// Those that the caps allow. Each has all its encounters: a cap leaves out whole contacts, from the end.
    pub listed: Vec<Contact>,
}

/// There are more encounters than may be looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("more encounters than may be looked at")]
pub struct TooManyPairs;

/// Every encounter within `reach_s` seconds, by contact. The order of visits and scans does not matter.
///
/// # Errors
/// When there are more encounters than `caps.pairs`.
pub fn contacts(
    mut visits: Vec<IndexVisit>,
    mut scans: Vec<ContactScan>,
    reach_s: u32,
    caps: Caps,
) -> Result<Contacts, TooManyPairs> {
    visits.sort_unstable();
    scans.sort_unstable_by_key(|scan| (scan.venue, scan.at));
    let ranked = rank(&visits, &scans, reach_s, caps.pairs)?;

    let found = ranked.len();
    let mut listed: Vec<Contact> = Vec::new();
    let mut places: HashMap<PersonKey, usize> = HashMap::new();
    let mut left = caps.encounters;
    for (person, total) in ranked.into_iter().take(caps.contacts) {
        let Some(rest) = left.checked_sub(total.count) else { break };
        left = rest;
        places.insert(person, listed.len());
        let encounters = Vec::with_capacity(total.count as usize);
        listed.push(Contact { person, encounters, overlap_s: total.overlap_s });
    }
    let _ = each_pair(&visits, &scans, reach_s, |visit, scan| {
        if let Some(contact) = places.get(&scan.person).and_then(|place| listed.get_mut(*place)) {
            let (index_at, contact_at) = (visit.at, scan.at);
            let ContactScan { venue, method, colour, .. } = *scan;
            contact.encounters.push(Encounter { index_at, contact_at, venue, method, colour });
        }
        ControlFlow::Continue(())
    });
    for contact in &mut listed {
        contact.encounters.sort_unstable();
    }
    Ok(Contacts { found, listed })
}

#[derive(Default)]
struct Total {
    count: u64,
    overlap_s: u64,
}

fn rank(
    visits: &[IndexVisit],
    scans: &[ContactScan],
    reach_s: u32,
    most_pairs: u64,
) -> Result<Vec<(PersonKey, Total)>, TooManyPairs> {
    let mut totals: HashMap<PersonKey, Total> = HashMap::new();
    let mut pairs = 0;
    let flow = each_pair(visits, scans, reach_s, |visit, scan| {
        pairs += 1;
        let total = totals.entry(scan.person).or_default();
        total.count += 1;
        total.overlap_s += u64::from(reach_s - visit.at.abs_diff(scan.at));
        if pairs > most_pairs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if flow.is_break() {
        return Err(TooManyPairs);
    }
    let mut ranked: Vec<_> = totals.into_iter().collect();
    ranked.sort_unstable_by_key(|(person, total)| (Reverse(total.overlap_s), *person));
    Ok(ranked)
}

/// Calls `found` for every pair that is near. Both slices are sorted by venue and time and walked once, since the
/// visits near a scan begin no earlier than those near the scan before it.
fn each_pair(
    visits: &[IndexVisit],
    scans: &[ContactScan],
    reach_s: u32,
    mut found: impl FnMut(&IndexVisit, &ContactScan) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut rest = visits;
    for scan in scans {
        let first = (scan.venue, scan.at.saturating_sub(reach_s));
        let last = (scan.venue, scan.at.saturating_add(reach_s));
        while let Some((visit, later)) = rest.split_first()
            && (visit.venue, visit.at) < first
        {
            rest = later;
        }
        for visit in rest.iter().take_while(|visit| (visit.venue, visit.at) <= last) {
            found(visit, scan)?;
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const NO_CAPS: Caps = Caps { contacts: usize::MAX, encounters: u64::MAX, pairs: u64::MAX };

    fn person(number: u64) -> PersonKey {
        PersonKey::from_u64(1 << 60 | number).expect("version 1")
    }

    fn scan(number: u64, venue: VenueId, at: u32) -> ContactScan {
        let (method, direction) = (Method::VenueCode, Direction::Entry);
        ContactScan { person: person(number), venue, at, method, direction, colour: Colour::Green }
    }

    /// Every pair, tried.
    fn naive(visits: &[IndexVisit], scans: &[ContactScan], reach_s: u32) -> Vec<Contact> {
        let mut found: BTreeMap<PersonKey, Vec<Encounter>> = BTreeMap::new();
        for visit in visits {
            for scan in scans {
                if visit.venue == scan.venue && visit.at.abs_diff(scan.at) <= reach_s {
                    found.entry(scan.person).or_default().push(Encounter {
                        index_at: visit.at,
                        contact_at: scan.at,
                        venue: scan.venue,
                        method: scan.method,
                        colour: scan.colour,
                    });
                }
            }
        }
        let mut contacts: Vec<_> = found
            .into_iter()
            .map(|(person, mut encounters)| {
                encounters.sort();
                let overlap_s = encounters.iter().map(|e| u64::from(reach_s - e.gap_s())).sum();
                Contact { person, encounters, overlap_s }
            })
            .collect();
        contacts.sort_by_key(|contact| (Reverse(contact.overlap_s), contact.person));
        contacts
    }

    prop_compose! {
        fn visits()(visits in prop::collection::vec((0u32..4, 0u32..500), 0..50)) -> Vec<IndexVisit> {
            visits.into_iter().map(|(venue, at)| IndexVisit { venue, at }).collect()
        }
    }

    prop_compose! {
        fn scans()(scans in prop::collection::vec((0u64..6, 0u32..4, 0u32..500), 0..80)) -> Vec<ContactScan> {
            scans.into_iter().map(|(number, venue, at)| scan(number, venue, at)).collect()
        }
    }

    proptest! {
        #[test]
        fn the_contacts_are_those_of_trying_every_pair(visits in visits(), scans in scans(), reach_s in 0u32..60) {
            let expected = naive(&visits, &scans, reach_s);
            let contacts = contacts(visits, scans, reach_s, NO_CAPS).expect("no cap");
            prop_assert_eq!(contacts.found, expected.len());
            prop_assert_eq!(contacts.listed, expected);
        }

        #[test]
        fn caps_leave_out_whole_contacts_from_the_end(
            visits in visits(), scans in scans(), most_contacts in 0usize..7, encounters in 0u64..200,
        ) {
            let expected = naive(&visits, &scans, 30);
            let caps = Caps { contacts: most_contacts, encounters, ..NO_CAPS };
            let contacts = contacts(visits, scans, 30, caps).expect("no cap on pairs");
            prop_assert_eq!(contacts.found, expected.len());
            prop_assert_eq!(&contacts.listed[..], &expected[..contacts.listed.len()]);
            let listed: u64 = contacts.listed.iter().map(|c| c.encounters.len() as u64).sum();
            prop_assert!(contacts.listed.len() <= most_contacts && listed <= encounters);
            if let Some(next) = expected.get(contacts.listed.len()) {
                let full = contacts.listed.len() == most_contacts;
                prop_assert!(full || listed + next.encounters.len() as u64 > encounters, "no room is wasted");
            }
        }

        #[test]
        fn too_many_pairs_are_refused_and_exactly_so(visits in visits(), scans in scans()) {
            let pairs: u64 = naive(&visits, &scans, 30).iter().map(|c| c.encounters.len() as u64).sum();
            let caps = |pairs| Caps { pairs, ..NO_CAPS };
            prop_assert!(contacts(visits.clone(), scans.clone(), 30, caps(pairs)).is_ok());
            if pairs > 0 {
                prop_assert_eq!(contacts(visits, scans, 30, caps(pairs - 1)), Err(TooManyPairs));
            }
        }
    }

    #[test]
    fn the_ends_of_the_window_belong_to_it() {
        let visits = vec![IndexVisit { venue: 1, at: 1_000 }];
        let scans = vec![scan(1, 1, 700), scan(2, 1, 1_300), scan(3, 1, 699), scan(4, 1, 1_301), scan(5, 2, 1_000)];
        let contacts = contacts(visits, scans, 300, NO_CAPS).expect("no cap");
        let people: Vec<_> = contacts.listed.iter().map(|c| (c.person, c.overlap_s)).collect();
        assert_eq!(people, [(person(1), 0), (person(2), 0)]);
    }
}
