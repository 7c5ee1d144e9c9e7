//! What is asked: each question as a request to the query API, and where others can answer it as one SQL text that both
//! ClickHouse and DuckDB understand, over one table `plain` whose times are seconds.
//!
//! The SQL counts and adds up what the API lists, so it has less to send than the API; its figures are compared.

use std::ops::Range;

use anyhow::{Context, bail};
use chrono::DateTime;
use schemas::access::Role;
use schemas::{PersonKey, UnixSeconds, VenueId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::http_time;
use crate::polls::kinds::{Screen, polls};

const DAY_S: i64 = 86_400;
/// Minutes around a visit within which others count as met.
const WINDOW_MINUTES: i64 = 30;
/// The same where two hops are followed, which would otherwise lead to most of the city.
const CHAIN_MINUTES: i64 = 5;
/// As many as a trace lists at most, and as many visitors.
const MOST_CONTACTS: u32 = 100_000;
const MOST_VISITORS: u32 = 10_000;
/// Sums of keys and times are of what they leave divided by this, so that no engine's integers are too small.
const MODULUS: u64 = 1_000_000_007;

/// Who and what is asked about.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    /// Those who were scanned most often.
    pub(super) heaviest: Vec<PersonKey>,
    /// Those in the middle.
    pub(super) median: Vec<PersonKey>,
    /// The venue with most scans.
    pub(super) busiest: VenueId,
    /// All days.
    pub(super) time: Range<UnixSeconds>,
    /// What a dashboard shows.
    pub(super) screen: Screen,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Aim {
    /// Fewer rows read than this.
    Rows(u64),
    /// A p99 of fewer milliseconds than this.
    P99Ms(f64),
}

/// A kind of question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What it is called.
    pub(super) name: String,
    /// What its figures should be.
    pub(super) aim: Option<Aim>,
    /// The same of several people or places, asked in turn.
    pub(super) instances: Vec<Instance>,
}

/// One of its kind.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// As it is timed.
    pub(super) ask: Ask,
    /// As it is compared: all that the answer can list.
    pub(super) whole: Ask,
    /// For the other engines, if they can answer it.
    pub(super) sql: Option<String>,
    says: Says,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// Of a path with its query.
    Get(Role, String),
    /// For a trace.
    Trace(Value),
}

/// What an answer comes to: three numbers that every engine must agree on.
pub(super) type Said = [u64; 3];

/// What an answer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Visits,
    Contacts,
    /// Of several hops, where the encounters are not compared.
    People,
    Visitors,
    Buckets,
    Venues,
}

impl Instance {
    /// What an answer to `whole` comes to; none when a limit cut it off that the SQL does not have.
    ///
    /// # Errors
    /// When it is not as the contract says.
    pub(super) fn said(&self, answer: &Value) -> anyhow::Result<Option<Said>> {
        if answer["truncated"] == true && self.says != Says::Visitors {
            return Ok(None);
        }
        let list = |name: &str| answer[name].as_array().with_context(|| format!("no {name}"));
        let mut said = [0, 0, 0];
        match self.says {
            Says::Visits => {
                for visit in list("visits")? {
                    said[0] += 1;
                    said[1] += (number(visit, "venue")? * 31 + seconds(visit, "scanned_at")?) % MODULUS;
                }
            }
            Says::Contacts | Says::People => {
                for contact in list("contacts")? {
                    said[0] += 1;
                    if self.says == Says::Contacts {
                        said[1] += contact["encounters"].as_array().context("no encounters")?.len() as u64;
                    }
                    said[2] += person(contact)? % MODULUS;
                }
            }
            Says::Visitors => {
                for visitor in list("visitors")? {
                    said[0] += 1;
                    said[1] += person(visitor)? % MODULUS;
                    said[2] += seconds(visitor, "scanned_at")? % MODULUS;
                }
            }
            Says::Buckets => {
                for bucket in list("buckets")? {
                    said[0] += 1;
                    said[1] += number(bucket, "scans")?;
                    said[2] += bucket["persons"].as_u64().unwrap_or(0);
                }
            }
            Says::Venues => {
                for venue in list("venues")? {
                    said[0] += 1;
                    said[1] += number(venue, "scans")?;
                    said[2] += number(venue, "venue")?;
                }
            }
        }
        Ok(Some(said))
    }
}

fn number(of: &Value, field: &str) -> anyhow::Result<u64> {
    of[field].as_u64().with_context(|| format!("no {field}"))
}

fn person(of: &Value) -> anyhow::Result<u64> {
    let key: PersonKey = of["person"].as_str().context("no person")?.parse()?;
    Ok(key.to_u64())
}

fn seconds(of: &Value, field: &str) -> anyhow::Result<u64> {
    let text = of[field].as_str().with_context(|| format!("no {field}"))?;
    match u64::try_from(DateTime::parse_from_rfc3339(text)?.timestamp()) {
        Ok(seconds) => Ok(seconds),
        Err(_) => bail!("{field} is before 1970"),
    }
}

/// All questions, by a release that covers them.
pub(super) fn questions(of: &Subjects, release: Uuid) -> Vec<Question> {
    let last_day = of.time.end - DAY_S..of.time.end;
    let each = |name: &str, aim, people: &[PersonKey], instance: &dyn Fn(PersonKey) -> Instance| Question {
        name: name.to_owned(),
        aim,
        instances: people.iter().copied().map(instance).collect(),
    };
    let history = |person| history(person, &of.time, release);
    let trace = |person| trace(person, &of.time, 1, release);
    let chain = |person| self::trace(person, &last_day, 2, release);
    let dwell = |person| dwell(person, &of.time, release);
    let mut all = vec![
        each("history of the heaviest", Some(Aim::Rows(20_000)), &of.heaviest, &history),
        each("history of a median person", Some(Aim::Rows(20_000)), &of.median, &history),
        each("one hop, 14 days, the heaviest", Some(Aim::P99Ms(100.0)), &of.heaviest, &trace),
        each("one hop, 14 days, a median person", Some(Aim::P99Ms(30.0)), &of.median, &trace),
        each("one hop by dwell, 14 days, a median person", None, &of.median, &dwell),
        each("two hops of 5 min, a day, a median person", None, &of.median, &chain),
        Question {
            name: "visitors of the busiest venue, a day".to_owned(),
            aim: None,
            instances: vec![visitors(of.busiest, &of.screen.day, release)],
        },
    ];
    all.extend(polls(&of.screen).into_iter().map(|poll| {
        let sql = of_poll(poll.name, &of.screen);
        let says = if poll.name.contains("top") { Says::Venues } else { Says::Buckets };
        let ask = Ask::Get(Role::Regulator, poll.path);
        let instances = vec![Instance { whole: ask.clone(), ask, sql, says }];
        Question { name: format!("poll: {}", poll.name), aim: Some(Aim::P99Ms(10.0)), instances }
    }));
    all
}

fn history(person: PersonKey, time: &Range<UnixSeconds>, release: Uuid) -> Instance {
    let path = |limit: u32| {
        let [from, to] = texts(time);
        let path = format!("/v1/persons/{person}/visits?from={from}&to={to}&limit={limit}&release={release}");
        Ask::Get(Role::Epidemiologist, path)
    };
    let sql = format!(
        "SELECT count(*), coalesce(sum((CAST(venue_id AS BIGINT) * 31 + scanned_at) % {MODULUS}), 0), 0 FROM plain \
         WHERE person_id = {} AND {}",
        person.to_u64(),
        within("scanned_at", time)
    );
    Instance { ask: path(1_000), whole: path(MOST_VISITORS), sql: Some(sql), says: Says::Visits }
}

/// The visits of a person.
pub(super) fn visits_of(person: PersonKey, time: &Range<UnixSeconds>, release: Uuid) -> Ask {
    history(person, time, release).ask
}

/// Whom a person met, one hop away.
pub(super) fn contacts_of(person: PersonKey, time: &Range<UnixSeconds>, release: Uuid) -> Ask {
    trace(person, time, 1, release).ask
}

fn trace(person: PersonKey, time: &Range<UnixSeconds>, hops: u8, release: Uuid) -> Instance {
    let minutes = if hops == 1 { WINDOW_MINUTES } else { CHAIN_MINUTES };
    let [from, to] = texts(time);
    let ask = |limit: u32| {
        Ask::Trace(json!({"person": person, "from": from, "to": to, "window_minutes": minutes, "hops": hops,
            "limit": limit, "release": release}))
    };
    let (sql, says) = match hops {
        1 => (contacts(person, time, minutes * 60), Says::Contacts),
        _ => (chain(person, time, minutes * 60), Says::People),
    };
    Instance { ask: ask(10_000), whole: ask(MOST_CONTACTS), sql: Some(sql), says }
}

fn dwell(person: PersonKey, time: &Range<UnixSeconds>, release: Uuid) -> Instance {
    let [from, to] = texts(time);
    let ask = Ask::Trace(json!({"person": person, "from": from, "to": to, "rule": "dwell", "release": release}));
    Instance { whole: ask.clone(), ask, sql: None, says: Says::Contacts }
}

fn visitors(venue: VenueId, time: &Range<UnixSeconds>, release: Uuid) -> Instance {
    let [from, to] = texts(time);
    let path = format!("/v1/venues/{venue}/visitors?from={from}&to={to}&limit={MOST_VISITORS}&release={release}");
    let ask = Ask::Get(Role::Epidemiologist, path);
    let sql = format!(
        "SELECT count(*), coalesce(sum(person_id % {MODULUS}), 0), coalesce(sum(scanned_at % {MODULUS}), 0) FROM \
         (SELECT person_id, scanned_at FROM plain WHERE venue_id = {venue} AND {} \
         ORDER BY scanned_at, person_id LIMIT {MOST_VISITORS})",
        within("scanned_at", time)
    );
    Instance { whole: ask.clone(), ask, sql: Some(sql), says: Says::Visitors }
}

/// The join of the table with itself.
fn met(person: PersonKey, time: &Range<UnixSeconds>, window_s: i64) -> String {
    format!(
        "plain AS other JOIN (SELECT venue_id, scanned_at FROM plain WHERE person_id = {key} AND {}) AS mine \
         ON other.venue_id = mine.venue_id WHERE other.person_id <> {key} \
         AND other.scanned_at BETWEEN {} AND {} \
         AND other.scanned_at BETWEEN mine.scanned_at - {window_s} AND mine.scanned_at + {window_s}",
        within("scanned_at", time),
        time.start - window_s,
        time.end + window_s,
        key = person.to_u64(),
    )
}

fn contacts(person: PersonKey, time: &Range<UnixSeconds>, window_s: i64) -> String {
    format!(
        "SELECT count(*), coalesce(sum(encounters), 0), coalesce(sum(person_id % {MODULUS}), 0) FROM \
         (SELECT other.person_id AS person_id, count(*) AS encounters FROM {} GROUP BY other.person_id)",
        met(person, time, window_s)
    )
}

/// Contacts, and whom these met once they had been met themselves: a stay lasts for the window after its scan.
fn chain(person: PersonKey, time: &Range<UnixSeconds>, window_s: i64) -> String {
    let (earliest, latest) = (time.start - 2 * window_s, time.end + 2 * window_s);
    format!(
        "WITH nearest AS (SELECT other.person_id AS person_id, \
         min(greatest(other.scanned_at, mine.scanned_at)) AS since FROM {met} GROUP BY other.person_id), \
         sources AS (SELECT later.venue_id AS venue_id, later.scanned_at AS scanned_at, \
         greatest(later.scanned_at, nearest.since) AS opens FROM plain AS later JOIN nearest \
         ON later.person_id = nearest.person_id WHERE later.scanned_at BETWEEN {earliest} AND {end} - 1 \
         AND later.scanned_at + {window_s} >= nearest.since), \
         further AS (SELECT DISTINCT other.person_id AS person_id FROM plain AS other JOIN sources \
         ON other.venue_id = sources.venue_id WHERE other.scanned_at BETWEEN {earliest} AND {latest} \
         AND other.scanned_at + {window_s} >= sources.opens AND other.scanned_at <= sources.scanned_at + {window_s} \
         AND other.person_id <> {key} AND other.person_id NOT IN (SELECT person_id FROM nearest)) \
         SELECT count(*), 0, coalesce(sum(person_id % {MODULUS}), 0) FROM \
         (SELECT person_id FROM nearest UNION ALL SELECT person_id FROM further)",
        met = met(person, time, window_s),
        end = time.end,
        key = person.to_u64(),
    )
}

/// The polls that others can answer; people that are estimated they would count.
fn of_poll(name: &str, screen: &Screen) -> Option<String> {
    let Screen { fortnight, day, hour, district, category, venue } = screen;
    let (of_district, of_category, of_venue) =
        (format!("district = {district}"), format!("category = '{category}'"), format!("venue_id = {venue}"));
    match name {
        "city, minutes of an hour" => Some(footfall("1 = 1", hour, 60, false)),
        "city, minutes of a day" => Some(footfall("1 = 1", day, 60, false)),
        "city, days of a fortnight" => Some(footfall("1 = 1", fortnight, DAY_S, false)),
        "district, minutes of an hour" => Some(footfall(&of_district, hour, 60, false)),
        "district, hours of a day" => Some(footfall(&of_district, day, 3_600, false)),
        "category, hours of a day" => Some(footfall(&of_category, day, 3_600, false)),
        "venue, hours and people of a day" => Some(footfall(&of_venue, day, 3_600, true)),
        "city, ten top venues of a day" => Some(format!(
            "SELECT count(*), coalesce(sum(scans), 0), coalesce(sum(CAST(venue_id AS BIGINT)), 0) FROM \
             (SELECT venue_id, count(*) AS scans FROM plain WHERE {} GROUP BY venue_id \
             ORDER BY scans DESC, venue_id LIMIT 10)",
            within("scanned_at", day)
        )),
        _ => None,
    }
}

/// Steps begin at the midnight of Shanghai, eight hours ahead of UTC.
fn footfall(scope: &str, time: &Range<UnixSeconds>, step_s: i64, has_people: bool) -> String {
    let persons = if has_people { "count(DISTINCT person_id)" } else { "0" };
    format!(
        "SELECT count(*), coalesce(sum(scans), 0), coalesce(sum(persons), 0) FROM \
         (SELECT scanned_at - (scanned_at + 28800) % {step_s} AS start, count(*) AS scans, {persons} AS persons \
         FROM plain WHERE {scope} AND {} GROUP BY start)",
        within("scanned_at", time)
    )
}

fn within(column: &str, time: &Range<UnixSeconds>) -> String {
    format!("{column} >= {} AND {column} < {}", time.start, time.end)
}

fn texts(time: &Range<UnixSeconds>) -> [String; 2] {
    [time.start, time.end].map(|at| http_time(at).format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests;
