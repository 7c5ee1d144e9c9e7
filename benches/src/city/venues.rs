//! The venues of the simulated city: kinds in the proportions of a city, popularity with a heavy tail.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rand_distr::{Distribution, Normal, weighted::WeightedAliasIndex};
use schemas::{CityProfile, VenueId, city::Category};

use super::districts::{District, SHANGHAI};

/// Exponents of the popularity: the venue of rank r is entered in proportion to (r + 1)^-exponent. Compounds differ in
/// size, but not as much as shops do in customers.
const POPULARITY_EXPONENT: f64 = 0.85;
const HOME_EXPONENT: f64 = 0.35;

/// A venue of the simulated city.
#[derive(Debug, Clone, PartialEq)]
pub struct Venue {
    /// Its number.
    pub id: VenueId,
    /// Name as on the poster.
    pub name: String,
    /// Category of the city profile.
    pub category: String,
    /// District.
    pub district: &'static District,
    /// Address, which is as invented as the name.
    pub address: String,
    /// Latitude in degrees.
    pub latitude: f64,
    /// Longitude in degrees.
    pub longitude: f64,
    /// How popular it is among all venues; a weight, not a probability.
    pub popularity: f64,
}

/// What somebody goes to a venue for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Home, once a day or more.
    Home,
    /// Work or school.
    Work,
    /// Stations and stops.
    Transport,
    /// Restaurants.
    Catering,
    /// Shops and everything else.
    Leisure,
}

impl Purpose {
    const ALL: [Self; 5] = [Self::Home, Self::Work, Self::Transport, Self::Catering, Self::Leisure];

    fn of(category: &str) -> Self {
        match category {
            "residential_compound" => Self::Home,
            "workplace" | "education" | "government" | "construction" | "logistics" => Self::Work,
            "transport" => Self::Transport,
            "catering" => Self::Catering,
            _ => Self::Leisure,
        }
    }
}

/// How many venues in a thousand are of a category. The city has the classes of S3, each named as its group; the kinds
/// of S0 are among them.
fn per_mille(category: &Category) -> f64 {
    match category.id.as_str() {
        id if id != category.group => 0.0,
        "residential_compound" => 170.0,
        "catering" => 220.0,
        "retail" => 210.0,
        "workplace" => 140.0,
        "transport" => 40.0,
        "education" => 40.0,
        "medical" => 30.0,
        _ => 15.0,
    }
}

/// How much busier a venue of a category is than its rank says.
fn crowd(category: &str) -> f64 {
    match category {
        "transport" => 6.0,
        "medical" | "education" => 2.0,
        _ => 1.0,
    }
}

/// Chooses venues in proportion to their popularity.
#[derive(Debug, Clone)]
pub struct Picker {
    indices: Vec<u32>,
    alias: Option<WeightedAliasIndex<f64>>,
}

impl Picker {
    fn new(venues: &[Venue], wanted: impl Fn(&Venue) -> bool) -> Self {
        let chosen: Vec<(u32, f64)> =
            (0u32..).zip(venues).filter(|(_, v)| wanted(v)).map(|(i, v)| (i, v.popularity)).collect();
        let alias = WeightedAliasIndex::new(chosen.iter().map(|(_, weight)| *weight).collect()).ok();
        Self { indices: chosen.into_iter().map(|(index, _)| index).collect(), alias }
    }

    /// The index of a venue, or `None` when there is none of the kind.
    pub fn pick(&self, rng: &mut impl Rng) -> Option<u32> {
        self.indices.get(self.alias.as_ref()?.sample(rng)).copied()
    }
}

/// One picker per purpose, with all venues behind them.
#[derive(Debug, Clone)]
pub struct Pickers {
    by_purpose: [Picker; 5],
    any: Picker,
}

impl Pickers {
    pub(super) fn new(venues: &[Venue]) -> Self {
        let by_purpose = Purpose::ALL.map(|p| Picker::new(venues, |v| Purpose::of(&v.category) == p));
        Self { by_purpose, any: Picker::new(venues, |_| true) }
    }

    /// The index of a venue for the purpose; of any venue when the city has none for it.
    pub fn pick(&self, purpose: Purpose, rng: &mut impl Rng) -> u32 {
        self.by_purpose[purpose as usize].pick(rng).or_else(|| self.any.pick(rng)).unwrap_or(0)
    }
}

/// Makes `count` venues, numbered from `first`.
pub(super) fn generate(profile: &CityProfile, count: u32, first: VenueId, seed: u64) -> Vec<Venue> {
    let mut rng = StdRng::seed_from_u64(super::mix(seed, 0x0076_656e_7565, 0));
    let shares: Vec<f64> = profile.categories.iter().map(per_mille).collect();
    let mut categories: Vec<usize> = super::rhythm::apportion(u64::from(count), &shares)
        .into_iter()
        .enumerate()
        .flat_map(|(category, n)| std::iter::repeat_n(category, usize::try_from(n).unwrap_or(0)))
        .collect();
    categories.shuffle(&mut rng);
    let mut ranks: Vec<u32> = (0..count).collect();
    ranks.shuffle(&mut rng);
    let districts = WeightedAliasIndex::new(SHANGHAI.iter().map(|d| d.residents).collect()).ok();
    let spread = Normal::new(0.0, 0.02).ok();

    let mut venues = Vec::with_capacity(categories.len());
    for (nth, (category, rank)) in (0u32..).zip(categories.into_iter().zip(ranks)) {
        let category = &profile.categories[category];
        let district = &SHANGHAI[districts.as_ref().map_or(0, |d| d.sample(&mut rng))];
        let mut nearby = |centre: f64| {
            let degrees = centre + spread.as_ref().map_or(0.0, |s| s.sample(&mut rng));
            (degrees * 1e5).round() / 1e5
        };
        let home = Purpose::of(&category.id) == Purpose::Home;
        let exponent = if home { HOME_EXPONENT } else { POPULARITY_EXPONENT };
        let (latitude, longitude) = (nearby(district.latitude), nearby(district.longitude));
        venues.push(Venue {
            id: first.saturating_add(nth),
            name: format!("{}{}{:04}号", district.name_zh, category.name.zh, nth + 1),
            category: category.id.clone(),
            district,
            address: format!("上海市{}模拟路{}号", district.name_zh, rng.random_range(1..2000)),
            latitude,
            longitude,
            popularity: f64::from(rank + 1).powf(-exponent) * crowd(&category.id),
        });
    }
    venues
}
