//! Request bodies, rendered by copying: the client shares the machine with what it measures.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;
use schemas::UnixSeconds;

use crate::city::City;
use crate::gateway::http_time;
use crate::simulate::CityFeeder;

/// How far back scans are dated: recent enough for a verdict, with room for many scans of a person in a second.
const BACK_S: i64 = 300;
/// Choices of a venue that are drawn beforehand; a power of two.
const CHOICES: usize = 1 << 16;
const PERSON_DIGITS: usize = 7;
const TIME_CHARS: usize = "2022-06-01T00:00:00Z".len();

/// Makes scans of which no two are the same: nobody is scanned twice in one second.
#[derive(Debug)]
pub(super) struct Bodies {
    /// A scan's JSON for each venue, with blanks for person and time.
    templates: Vec<Vec<u8>>,
    person_at: usize,
    time_at: usize,
    choices: Vec<u32>,
    people: u64,
    next: Cell<u64>,
    start: Cell<UnixSeconds>,
    /// The time of the last scan as text; it changes once in `people` scans.
    time: Cell<(UnixSeconds, [u8; TIME_CHARS])>,
}

impl Bodies {
    /// Scans of the first `people` of the city at its venues, the popular ones more often.
    pub(super) fn new(city: &City, feeder: &CityFeeder<'_>, people: u32) -> Self {
        let (_, number) = city.document(0);
        let number = &number[..number.len() - PERSON_DIGITS];
        let blanks = "0".repeat(PERSON_DIGITS);
        let mut person_at = 0;
        let template = |nth: usize| {
            let code = feeder.code_of(nth).unwrap_or_default();
            let head = format!(r#"{{"code":"{code}","document":{{"type":"other","number":"{number}"#);
            person_at = head.len();
            format!(r#"{head}{blanks}"}},"scanned_at":"{}"}}"#, " ".repeat(TIME_CHARS)).into_bytes()
        };
        let templates: Vec<Vec<u8>> = (0..city.venues().len()).map(template).collect();
        let time_at = person_at + PERSON_DIGITS + r#""},"scanned_at":""#.len();
        let mut rng = StdRng::seed_from_u64(city.plan().seed);
        let alias = WeightedAliasIndex::new(city.venues().iter().map(|v| v.popularity).collect()).ok();
        let venues = u32::try_from(templates.len()).unwrap_or(1);
        let mut choose = || match &alias {
            Some(alias) => alias.sample(&mut rng) as u32,
            None => rng.random_range(0..venues),
        };
        let choices = (0..CHOICES).map(|_| choose()).collect();
        let bodies = Self {
            templates,
            person_at,
            time_at,
            choices,
            people: people.into(),
            next: Cell::new(0),
            start: Cell::new(0),
            time: Cell::new((0, [b' '; TIME_CHARS])),
        };
        bodies.renew();
        bodies
    }

    /// Dates the scans from here on close to now again, but after all earlier ones.
    pub(super) fn renew(&self) {
        let last = self.start.get() + (self.next.get() / self.people) as i64;
        self.start.set((Utc::now().timestamp() - BACK_S).max(last + 1));
        self.next.set(0);
    }

    /// The next scans, one a line.
    pub(super) fn next(&self, scans: u16) -> Bytes {
        let width = self.templates.first().map_or(0, Vec::len) + 1;
        let mut body = BytesMut::with_capacity(width * usize::from(scans));
        for nth in 0..scans {
            if nth > 0 {
                body.extend_from_slice(b"\n");
            }
            self.render(&mut body);
        }
        body.freeze()
    }

    /// A scan of a certain person at a certain time, at the first venue.
    pub(super) fn one(&self, person: u32, at: UnixSeconds) -> Bytes {
        let mut body = BytesMut::new();
        self.write(&mut body, 0, person.into(), at);
        body.freeze()
    }

    fn render(&self, body: &mut BytesMut) {
        let count = self.next.get();
        self.next.set(count + 1);
        let at = self.start.get() + (count / self.people) as i64;
        let choice = self.choices[(count as usize).wrapping_mul(0x9e37) % CHOICES];
        self.write(body, choice as usize, count % self.people, at);
    }

    fn write(&self, body: &mut BytesMut, venue: usize, mut person: u64, at: UnixSeconds) {
        let start = body.len();
        body.extend_from_slice(&self.templates[venue]);
        let line = &mut body[start..];
        for digit in line[self.person_at..self.person_at + PERSON_DIGITS].iter_mut().rev() {
            *digit = b'0' + (person % 10) as u8;
            person /= 10;
        }
        line[self.time_at..self.time_at + TIME_CHARS].copy_from_slice(&self.time_text(at));
    }

    fn time_text(&self, at: UnixSeconds) -> [u8; TIME_CHARS] {
        let (known, text) = self.time.get();
        if known == at {
            return text;
        }
        let mut text = [b' '; TIME_CHARS];
        let written = http_time(at).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        for (byte, character) in text.iter_mut().zip(written.bytes()) {
            *byte = character;
        }
        self.time.set((at, text));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::city::CityPlan;
    use crate::gateway::{Gateway, GatewayConfig};
    use crate::tokens::TokenConfig;

    #[test]
    fn nobody_is_scanned_twice_in_one_second() {
        let until = Utc::now().timestamp();
        let tag = "LOAD-1".to_owned();
        let plan = CityPlan { people: 30, venues: 20, scans: 0, days: 1, seed: 1, until, first_venue: 1, tag };
        let city = City::try_new(plan).expect("a valid plan");
        let nowhere = "http://127.0.0.1:9".parse().expect("an address");
        let config = GatewayConfig { gateway: nowhere, connections: 1, patience: 1, tokens: TokenConfig::default() };
        let gateway = Gateway::try_new(&config).expect("an address");
        let bodies = Bodies::new(&city, &CityFeeder::new(&city, &gateway, 1, None), 30);
        let mut seen = HashSet::new();
        for _ in 0..3 {
            bodies.renew();
            for line in bodies.next(100).split(|b| *b == b'\n') {
                let scan: serde_json::Value = serde_json::from_slice(line).expect("JSON");
                let at = scan["scanned_at"].as_str().and_then(|t| chrono::DateTime::parse_from_rfc3339(t).ok());
                let age = until - at.expect("a time").timestamp();
                assert!((0..600).contains(&age), "recent enough for a verdict: {age}");
                assert!(seen.insert((scan["document"]["number"].to_string(), scan["scanned_at"].to_string())));
            }
        }
        assert_eq!(seen.len(), 300);
    }
}
