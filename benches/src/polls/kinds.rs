//! What dashboards ask for.

use std::ops::Range;

use schemas::{UnixSeconds, VenueId};

use crate::gateway::http_time;

/// What a dashboard shows.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// Two weeks, in whole days of the city.
    pub(crate) fortnight: Range<UnixSeconds>,
    /// One day.
    pub(crate) day: Range<UnixSeconds>,
    /// One hour.
    pub(crate) hour: Range<UnixSeconds>,
    /// A district of the city.
    pub(crate) district: u32,
    /// A category of venues.
    pub(crate) category: String,
    /// A venue.
    pub(crate) venue: VenueId,
}

/// A poll, by what it shows.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    pub(crate) name: &'static str,
    /// Path and query.
    pub(crate) path: String,
}

/// A poll of each kind.
pub(crate) fn polls(screen: &Screen) -> Vec<Poll> {
    let Screen { fortnight, day, hour, district, category, venue } = screen;
    let poll = |name: &'static str, of: &str, time: &Range<UnixSeconds>| {
        let [from, to] = [time.start, time.end].map(|at| http_time(at).format("%Y-%m-%dT%H:%M:%SZ"));
        Poll { name, path: format!("/v1/footfall{of}&from={from}&to={to}") }
    };
    let (of_district, of_category, of_venue) = (
        format!("?scope=district&id={district}"),
        format!("?scope=category&id={category}"),
        format!("?scope=venue&id={venue}"),
    );
    vec![
        poll("city, minutes of an hour", "?scope=city&step=minute", hour),
        poll("city, minutes of a day", "?scope=city&step=minute", day),
        poll("city, days of a fortnight", "?scope=city&step=day", fortnight),
        poll("city, people of a fortnight's days", "?scope=city&step=day&people=estimate", fortnight),
        poll("district, minutes of an hour", &format!("{of_district}&step=minute"), hour),
        poll("district, hours of a day", &format!("{of_district}&step=hour"), day),
        poll("district, people of a fortnight's days", &format!("{of_district}&step=day&people=estimate"), fortnight),
        poll("category, hours of a day", &format!("{of_category}&step=hour"), day),
        poll("venue, hours and people of a day", &format!("{of_venue}&step=hour"), day),
        poll("city, ten top venues of a day", "/top?scope=city", day),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_differ_and_name_their_time() {
        let screen = Screen {
            fortnight: 1_651_939_200..1_653_148_800,
            day: 1_653_062_400..1_653_148_800,
            hour: 1_653_134_400..1_653_138_000,
            district: 310_103,
            category: "catering".to_owned(),
            venue: 7,
        };
        let polls = polls(&screen);
        let paths: std::collections::BTreeSet<_> = polls.iter().map(|poll| &poll.path).collect();
        assert_eq!(paths.len(), polls.len());
        assert_eq!(
            polls[8].path,
            "/v1/footfall?scope=venue&id=7&step=hour&from=2022-05-20T16:00:00Z&to=2022-05-21T16:00:00Z"
        );
    }
}
