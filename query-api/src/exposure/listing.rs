//! How many contacts an answer has room for.

use super::Reached;

/// What may still be listed. A contact is listed with all encounters or not at all, and nobody after one who is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    contacts: usize,
    encounters: u64,
    most: (usize, u64),
    /// What left somebody out first.
    full: Option<Full>,
}

/// Which limit left contacts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of contacts.
    Contacts,
    /// That of encounters.
    Encounters,
}

impl Room {
    /// For so many contacts, with so many encounters together.
    pub const fn new(contacts: usize, encounters: u64) -> Self {
        Self { contacts, encounters, most: (contacts, encounters), full: None }
    }

    /// How many of these, from the front, there is room for.
    pub fn take(&mut self, people: &[Reached]) -> usize {
        let mut taken = 0;
        while let (Some(person), None) = (people.get(taken), self.full) {
            match self.encounters.checked_sub(person.encounters) {
                _ if self.contacts == 0 => self.full = Some(Full::Contacts),
                None => self.full = Some(Full::Encounters),
                Some(left) => {
                    (self.contacts, self.encounters) = (self.contacts - 1, left);
                    taken += 1;
                }
            }
        }
        taken
    }

    /// How much of it there was room for at first.
    pub const fn most(&self, of: Full) -> u64 {
        match of {
            Full::Contacts => self.most.0 as u64,
            Full::Encounters => self.most.1,
        }
    }

    /// What left somebody out.
    pub const fn full(&self) -> Option<Full> {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::PersonKey;

    use super::*;

    fn people(encounters: &[u64]) -> Vec<Reached> {
        let person = PersonKey::from_u64(1 << 60).expect("version 1");
        let reached = |n: &u64| Reached { person, encounters: *n, overlap_s: 0, score: 0.0, exposed: Vec::new() };
        encounters.iter().map(reached).collect()
    }

    proptest! {
        /// Whether in one list or hop by hop.
        #[test]
        fn whole_contacts_are_left_out_from_the_end(
            first in prop::collection::vec(1u64..20, 0..10), then in prop::collection::vec(1u64..20, 0..10),
            contacts in 0usize..20, encounters in 0u64..200,
        ) {
            let (mut room, all) = (Room::new(contacts, encounters), [first.clone(), then.clone()].concat());
            let taken = room.take(&people(&first)) + room.take(&people(&then));
            let mut together = Room::new(contacts, encounters);
            prop_assert_eq!(together.take(&people(&all)), taken);
            let listed: u64 = all[..taken].iter().sum();
            prop_assert!(taken <= contacts && listed <= encounters);
            let expected = all.get(taken).map(|next| {
                if taken == contacts { Full::Contacts } else { assert!(listed + next > encounters); Full::Encounters }
            });
            prop_assert_eq!((room.full(), together.full()), (expected, expected));
        }
    }
}
