//! How many may listen: in all, and with the tokens of one holder.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// The places, and who holds them.
#[derive(Debug)]
pub struct Places {
    in_all: usize,
    each: usize,
    taken: Mutex<HashMap<u64, usize>>,
}

/// A place that is held until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    holder: u64,
}

impl Places {
    /// So many places in all, and for each holder.
    pub fn new(in_all: usize, each: usize) -> Self {
        Self { in_all, each, taken: Mutex::default() }
    }

    /// A place for a holder, unless all of theirs or all there are, are taken.
    pub fn take(places: &Arc<Self>, holder: u64) -> Option<Place> {
        let mut taken = places.taken.lock();
        let own = taken.get(&holder).copied().unwrap_or_default();
        if own >= places.each || taken.values().sum::<usize>() >= places.in_all {
            return None;
        }
        taken.insert(holder, own + 1);
        Some(Place { places: Arc::clone(places), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(own) = taken.get_mut(&self.holder) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_holder_and_come_back() {
        let places = Arc::new(Places::new(3, 2));
        let first = Places::take(&places, 1);
        let second = Places::take(&places, 1);
        assert!(first.is_some() && second.is_some());
        assert!(Places::take(&places, 1).is_none(), "two each");
        let other = Places::take(&places, 2);
        assert!(other.is_some() && Places::take(&places, 3).is_none(), "three in all");
        drop((first, other));
        assert!(Places::take(&places, 1).is_some());
        drop(second);
        assert!(places.taken.lock().is_empty(), "nobody is remembered who holds none");
    }
}
