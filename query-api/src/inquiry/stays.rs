//! What scans tell of stays, and which part of a stay leads on.

use std::collections::HashMap;

use schemas::VenueId;

use super::DwellRule;
use crate::{
    exposure::{Dwell, Passage, Presence, Scan, Stay, dwelt, without_repeats},
    store::TimeRange,
};

/// How scans tell of stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling {
    /// How long people stay.
    pub rule: DwellRule,
    /// Scans further apart know nothing of each other.
    pub horizon_s: u32,
    /// Of two methods within these seconds the second tells nothing (S3).
    pub either_or_s: u32,
}

impl Telling {
    /// For each scan of one person the stay that it tells of.
    pub fn of_one(&self, scans: &[(Scan, Dwell)]) -> Vec<Option<Stay>> {
        match self.rule {
            DwellRule::Window { seconds } => scans.iter().map(|(scan, _)| Some(Stay::window(scan, seconds))).collect(),
            DwellRule::Dwell => dwelt(scans, self.horizon_s),
        }
    }

    /// The stays that the scans of many people tell of, and the longest dwell times that these have at each venue.
    pub fn of_many(&self, scans: Vec<(Scan, Dwell)>) -> (Vec<Presence>, HashMap<VenueId, Dwell>) {
        let mut scans = without_repeats(scans, self.either_or_s, |(scan, _)| passage(scan));
        scans.sort_by_key(|(scan, _)| scan.person);
        let (mut presences, mut dwells) = (Vec::with_capacity(scans.len()), HashMap::new());
        for of_one in scans.chunk_by(|(one, _), (other, _)| one.person == other.person) {
            for ((scan, dwell), stay) in of_one.iter().zip(self.of_one(of_one)) {
                learn(&mut dwells, scan.venue, *dwell);
                presences.extend(stay.map(|stay| presence(scan, stay)));
            }
        }
        (presences, dwells)
    }

    /// The stay of somebody who counts from `since` on, if it lies in the time asked for at all. A dwell ends with that
    /// time: who came afterwards was met outside of it, and to tell of them would take scans of one cap more.
    pub fn followed(&self, stay: Stay, since: u32, asked_for: TimeRange) -> Option<Stay> {
        let until = match self.rule {
            DwellRule::Window { .. } => stay.until,
            DwellRule::Dwell => stay.until.min(asked_for.to.saturating_sub(1)),
        };
        (until >= since && stay.from < asked_for.to).then_some(Stay { until, ..stay })
    }
}

/// Keeps the longer of what is known of a venue and what a scan there says.
pub(super) fn learn(dwells: &mut HashMap<VenueId, Dwell>, venue: VenueId, dwell: Dwell) {
    let known = dwells.entry(venue).or_insert(dwell);
    known.usual_s = known.usual_s.max(dwell.usual_s);
    known.longest_s = known.longest_s.max(dwell.longest_s);
}

pub(super) fn passage(scan: &Scan) -> Passage {
    let Scan { person, venue, at, method, direction, .. } = *scan;
    Passage { person, venue, direction, at, method }
}

pub(super) const fn presence(scan: &Scan, stay: Stay) -> Presence {
    Presence { stay, person: scan.person, method: scan.method, colour: scan.colour }
}
