//! The people of the simulated city. A person is derived from seed and number whenever needed, not kept: a city of
//! 25 million would not fit otherwise.

use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};
use schemas::Method;

use super::rhythm::LocalTime;
use super::venues::{Pickers, Purpose, Venue};

/// Most favourite places that a person has.
const MAX_FAVOURITES: usize = 6;

/// A person's places and habits. Venues are indices into the city's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    home: u32,
    work: u32,
    station: u32,
    lunch: u32,
    favourites: Vec<u32>,
    /// Whether the person carries no phone: the identity card is read, or staff scan a paper code (S3).
    elder: bool,
}

impl Person {
    pub(super) fn derive(seed: u64, number: u32, venues: &[Venue], pickers: &Pickers) -> Self {
        let mut rng = StdRng::seed_from_u64(super::mix(seed, 0x7065_7273_6f6e, u64::from(number)));
        let home = pickers.pick(Purpose::Home, &mut rng);
        let district = |index: u32| venues.get(index as usize).map(|v| v.district.code);
        // Most people go out near home: of three places that attract them, the one in their own district.
        let mut near = |purpose: Purpose| {
            let offers = [(); 3].map(|()| pickers.pick(purpose, &mut rng));
            offers.into_iter().find(|o| district(*o) == district(home)).unwrap_or(offers[0])
        };
        let (work, station, lunch) = (near(Purpose::Work), near(Purpose::Transport), near(Purpose::Catering));
        let mut favourites: Vec<u32> = (0..MAX_FAVOURITES)
            .map(|nth| near(if nth % 3 == 0 { Purpose::Catering } else { Purpose::Leisure }))
            .collect();
        favourites.truncate(rng.random_range(2..=MAX_FAVOURITES));
        Self { home, work, station, lunch, favourites, elder: rng.random_bool(0.12) }
    }

    /// Where the person goes at that time of the day.
    pub(super) fn next_venue(&self, now: LocalTime, pickers: &Pickers, rng: &mut impl Rng) -> u32 {
        let dice: f64 = rng.random();
        let favourite = self.favourites[rng.random_range(0..self.favourites.len())];
        let morning = (6..=10).contains(&now.hour) && !now.weekend;
        let noon = (11..=13).contains(&now.hour);
        let evening = now.hour >= 17 || now.hour < 5;
        if morning {
            match dice {
                d if d < 0.5 => self.work,
                d if d < 0.75 => self.station,
                d if d < 0.9 => favourite,
                _ => pickers.pick(Purpose::Leisure, rng),
            }
        } else if noon {
            match dice {
                d if d < 0.4 => self.lunch,
                d if d < 0.6 => favourite,
                d if d < 0.75 && !now.weekend => self.work,
                d if d < 0.9 => pickers.pick(Purpose::Catering, rng),
                _ => pickers.pick(Purpose::Leisure, rng),
            }
        } else if evening {
            match dice {
                d if d < 0.4 => self.home,
                d if d < 0.55 => self.station,
                d if d < 0.8 => favourite,
                d if d < 0.9 => pickers.pick(Purpose::Catering, rng),
                _ => pickers.pick(Purpose::Leisure, rng),
            }
        } else {
            match dice {
                d if d < 0.25 && !now.weekend => self.work,
                d if d < 0.4 => self.home,
                d if d < 0.65 => favourite,
                d if d < 0.75 => self.station,
                _ => pickers.pick(Purpose::Leisure, rng),
            }
        }
    }

    /// How the person is scanned there, always in the same way: at one point either the code or the sentinel is asked for
    /// (S3), and who is scanned by both within minutes would count as one visit.
    pub(super) fn method(&self, venue: &Venue) -> Method {
        let sentinel = matches!(venue.category.as_str(), "transport" | "medical" | "government");
        let habit = super::mix(u64::from(self.home), u64::from(self.work), u64::from(venue.id));
        let dice = (habit % 100) as f64 / 100.0;
        match (self.elder, sentinel) {
            (true, true) => Method::SentinelIdCard,
            (true, false) if dice < 0.7 => Method::ReverseScan,
            (true, false) => Method::Manual,
            (false, true) if dice < 0.6 => Method::SentinelHealthCode,
            (false, _) => Method::VenueCode,
        }
    }
}

/// How often each person goes out, as weights: a few go out much more than most, nobody more than six times the
/// median.
pub(super) fn activity(seed: u64, people: u32) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(super::mix(seed, 0x6163_7469_7665, 0));
    let Ok(spread) = LogNormal::new(0.0, 0.6) else { return vec![1.0; people as usize] };
    (0..people).map(|_| f64::min(spread.sample(&mut rng), 6.0)).collect()
}
