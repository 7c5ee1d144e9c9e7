//! The stream of scans: day by day, each day's in the order of time.

use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::Distribution;
use schemas::{Direction, Method, UnixSeconds, VenueId};

use super::City;
use super::rhythm::{LocalTime, apportion};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// How likely somebody scans on the way out when the next scan is due.
const EXIT_SHARE: f64 = 0.04;

/// One scan of the simulated city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// When.
    pub at: UnixSeconds,
    /// Who: a number from 0.
    pub person: u32,
    /// Where.
    pub venue: VenueId,
    /// How.
    pub method: Method,
    /// In or out.
    pub direction: Direction,
}

/// The scans of a city in the order of time; holds one day at a time.
#[derive(Debug)]
pub struct Scans<'a> {
    city: &'a City,
    quotas: std::iter::Enumerate<std::vec::IntoIter<u64>>,
    today: std::vec::IntoIter<Scan>,
}

impl<'a> Scans<'a> {
    pub(super) fn new(city: &'a City) -> Self {
        let days = i64::from(city.plan().days);
        let weights: Vec<f64> = (0..days).map(|day| hours(city, day).iter().sum()).collect();
        let quotas = apportion(city.plan().scans, &weights);
        Self { city, quotas: quotas.into_iter().enumerate(), today: Vec::new().into_iter() }
    }
}

impl Iterator for Scans<'_> {
    type Item = Scan;

    fn next(&mut self) -> Option<Scan> {
        loop {
            if let Some(scan) = self.today.next() {
                return Some(scan);
            }
            let (day, quota) = self.quotas.next()?;
            self.today = one_day(self.city, i64::try_from(day).unwrap_or(i64::MAX), quota).into_iter();
        }
    }
}

/// How busy each of the 24 hours of a simulated day is. Days are counted from the start of the simulated time, which
/// need not be midnight.
fn hours(city: &City, day: i64) -> [f64; 24] {
    let start = city.start() + day * DAY;
    let offset = city.profile().utc_offset_minutes;
    let mut hour = start - HOUR;
    [(); 24].map(|()| {
        hour += HOUR;
        LocalTime::of(hour + HOUR / 2, offset).weight()
    })
}

fn one_day(city: &City, day: i64, quota: u64) -> Vec<Scan> {
    let mut rng = StdRng::seed_from_u64(super::mix(city.plan().seed, 0x0000_6461_7973, day.unsigned_abs()));
    let start = city.start() + day * DAY;
    let mut moments: Vec<(u32, UnixSeconds)> = Vec::with_capacity(usize::try_from(quota).unwrap_or(0));
    for (hour, scans) in (0i64..).zip(apportion(quota, &hours(city, day))) {
        for _ in 0..scans {
            moments.push((city.activity.sample(&mut rng) as u32, start + hour * HOUR + rng.random_range(0..HOUR)));
        }
    }
    moments.sort_unstable();
    let mut scans: Vec<Scan> = Vec::with_capacity(moments.len());
    for group in moments.chunk_by_mut(|a, b| a.0 == b.0) {
        spread(group, start + DAY);
        one_person(city, group, &mut rng, &mut scans);
    }
    scans.sort_unstable_by_key(|s| (s.at, s.person));
    scans
}

/// Moves scans of one person apart that fall into one second, keeping all of them before `end`.
fn spread(moments: &mut [(u32, UnixSeconds)], end: UnixSeconds) {
    for i in 1..moments.len() {
        moments[i].1 = moments[i].1.max(moments[i - 1].1 + 1);
    }
    let mut limit = end;
    for moment in moments.iter_mut().rev() {
        moment.1 = moment.1.min(limit - 1);
        limit = moment.1;
    }
}

fn one_person(city: &City, moments: &[(u32, UnixSeconds)], rng: &mut StdRng, out: &mut Vec<Scan>) {
    let Some((number, _)) = moments.first() else { return };
    let person = city.person(*number);
    let mut inside: Option<(VenueId, Method)> = None;
    for (_, at) in moments {
        if let Some((venue, method)) = inside.take_if(|_| rng.random_bool(EXIT_SHARE)) {
            out.push(Scan { at: *at, person: *number, venue, method, direction: Direction::Exit });
            continue;
        }
        let now = LocalTime::of(*at, city.profile().utc_offset_minutes);
        let venue = &city.venues()[person.next_venue(now, &city.pickers, rng) as usize];
        let method = person.method(venue);
        inside = Some((venue.id, method));
        out.push(Scan { at: *at, person: *number, venue: venue.id, method, direction: Direction::Entry });
    }
}
