//! What becomes of a stored message once people are erased: it stays, it is emptied, or they are taken out of it. Pure.
//!
//! Of who was erased only a digest is known, so every person key that a message holds is digested and looked up. A key is
//! known by its form, wherever it stands, so that no message escapes because it cannot be read.

use std::collections::{HashMap, HashSet};

use schemas::events::{DeadLetter, ErasureAction};
use schemas::{Erased, ErasureEvent, PersonDigest, PersonKey, topics};
use serde_json::Value;
use uuid::Uuid;

/// A message as the broker stores it.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'m> {
    /// When it came, in milliseconds since 1970.
    pub came_at_ms: i64,
    /// Its key.
    pub key: Option<&'m [u8]>,
    /// Its value.
    pub value: Option<&'m [u8]>,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Kept,
    /// Nothing of it stays but its offset.
    Emptied,
    /// It is about others as well: this is its value from now on.
    Rewritten(Vec<u8>),
}

/// Erasures that have come to an end, and what was found to belong to people who were erased.
#[derive(Debug, Default)]
pub struct Forgetting {
    /// Those of which nothing more comes. None is ever taken out.
    ended: HashSet<Uuid>,
    /// Who asked for those that may still come to something, and of whom they are.
    asked: HashMap<Uuid, (String, PersonDigest)>,
    confirmed: HashSet<Uuid>,
    people: Erased,
    /// Alerts about them.
    alerts: HashSet<String>,
    /// Trips that they declared.
    trips: HashSet<String>,
}

impl Forgetting {
    /// Notes what a record of the topic `erasures` says: who was erased, and which erasures have come to an end.
    pub fn note(&mut self, record: &[u8]) {
        let Ok(event) = ErasureEvent::try_parse(record) else { return };
        let erasure = event.erasure;
        match &event.action {
            ErasureAction::Ask(ask) => {
                self.asked.entry(erasure).or_insert_with(|| (ask.by.clone(), PersonDigest::of(ask.person)));
            }
            // Of one's own request it does not count, nor of somebody else, nor of one that had ended before and is no longer
            // there.
            ErasureAction::Confirm { by, digests, .. }
                if self.asked.get(&erasure).is_some_and(|(asker, person)| asker != by && digests.contains(person)) =>
            {
                self.confirmed.insert(erasure);
            }
            ErasureAction::Decline { .. } if !self.confirmed.contains(&erasure) => {
                self.ended.insert(erasure);
            }
            ErasureAction::Lapse => {
                self.ended.insert(erasure);
            }
            ErasureAction::Done { .. } => {
                self.people.note(&event);
                self.ended.insert(erasure);
            }
            ErasureAction::Confirm { .. } | ErasureAction::Decline { .. } | ErasureAction::Erase { .. } => {}
        }
    }

    /// How many erasures have come to an end.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ended.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty()
    }

    /// What becomes of a message of the topic with this name, without a prefix. Messages of a partition come in their order:
    /// what an office noted about an alert goes with the alert.
    pub fn fate(&mut self, topic: &str, message: Stored<'_>) -> Fate {
        match topic {
            topics::DEAD_LETTERS => self.fate_of_letter(message),
            topics::ERASURES => self.fate_of_erasure(message),
            // What was decided about reads and codes is kept for good, and the others say nothing of people.
            topics::RELEASES | topics::APPLICATIONS | topics::VENUES | topics::AUDIT_ANCHORS | topics::SCAN_RANGES => {
                Fate::Kept
            }
            topics::TRIPS => self.fate_of_trip(message),
            _ => self.fate_of_event(topic, message),
        }
    }

    fn fate_of_event(&mut self, topic: &str, message: Stored<'_>) -> Fate {
        let named = self.named(message);
        if named.is_empty() && (topic != topics::ALERTS || self.alerts.is_empty()) {
            return Fate::Kept;
        }
        // Only an erasure takes what was said of a person away like this: once that is emptied, nothing needs it any more.
        if message.value.is_none() && !named.is_empty() {
            return Fate::Emptied;
        }
        let event: Value = message.value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
        let alert = event["action"]["alert"].as_str().unwrap_or_default();
        if topic == topics::ALERTS && self.alerts.contains(alert) {
            return Fate::Emptied;
        }
        let erased = self.erased(named, told_at_ms(&event).unwrap_or(message.came_at_ms));
        if erased.is_empty() {
            return Fate::Kept;
        }
        match topic {
            // What cannot be read raises nothing, and others that name no alert are not about it.
            topics::ALERTS if !alert.is_empty() => {
                self.alerts.insert(alert.to_owned());
                Fate::Emptied
            }
            topics::IDENTITIES => without_guardian(event, message.key, &erased),
            topics::HEALTH_PROPOSALS => without_changes(event, &erased),
            _ => Fate::Emptied,
        }
    }

    /// What becomes of a lorry's day is read from all that was said of it, and others are of it as well: another one of the
    /// crew, or who drives the lorry next. So nothing goes but who it was, and what that person declared of themselves.
    fn fate_of_trip(&mut self, message: Stored<'_>) -> Fate {
        let event: Value = message.value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
        let (trip, driver) = (event["action"]["trip"].as_str().unwrap_or_default(), &event["action"]["driver"]);
        if is_one_of(driver, &HashSet::from([PersonKey::NOBODY])) {
            self.trips.insert(trip.to_owned());
        }
        let named = self.named(message);
        // A trip of nobody's can be taken back by nobody: when that was makes no difference.
        let erased = match event["action"]["type"].as_str() {
            Some("cancel") if self.trips.contains(trip) => named,
            _ => self.erased(named, told_at_ms(&event).unwrap_or(message.came_at_ms)),
        };
        if erased.is_empty() {
            return Fate::Kept;
        }
        if is_one_of(driver, &erased) {
            self.trips.insert(trip.to_owned());
        }
        without_crew(event, &erased)
    }

    /// A letter holds the message that could not be processed.
    fn fate_of_letter(&self, message: Stored<'_>) -> Fate {
        let Some(letter) = message.value.and_then(|value| serde_json::from_slice::<DeadLetter>(value).ok()) else {
            return Fate::Kept;
        };
        let (key, value) = (hex::decode(&letter.key_hex).ok(), hex::decode(&letter.value_hex).ok());
        let inner = Stored { came_at_ms: letter.found_at * 1000, key: key.as_deref(), value: value.as_deref() };
        let named = self.named(inner);
        let event: Value = value.as_deref().and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default();
        let at_ms = told_at_ms(&event).unwrap_or(inner.came_at_ms);
        if self.erased(named, at_ms).is_empty() { Fate::Kept } else { Fate::Emptied }
    }

    /// Whom an erasure is about stands in the clear in these records, which nobody needs after its end.
    fn fate_of_erasure(&self, message: Stored<'_>) -> Fate {
        let event = message.value.and_then(|value| ErasureEvent::try_parse(value).ok());
        let names = |event: &ErasureEvent| matches!(event.action, ErasureAction::Ask(_) | ErasureAction::Erase { .. });
        if event.is_some_and(|event| names(&event) && self.ended.contains(&event.erasure)) {
            Fate::Emptied
        } else {
            Fate::Kept
        }
    }

    /// Who stands in it of those whom any erasure was about.
    fn named(&self, message: Stored<'_>) -> HashSet<PersonKey> {
        self.erased([message.key, message.value].into_iter().flatten().flat_map(person_keys), i64::MIN)
    }

    /// Whose erasure covers what is told of this time.
    fn erased(&self, people: impl IntoIterator<Item = PersonKey>, at_ms: i64) -> HashSet<PersonKey> {
        people.into_iter().filter(|person| self.people.has(*person, at_ms)).collect()
    }
}

/// Everything that has the form of a person key: sixteen hexadecimal digits and none beside them.
fn person_keys(bytes: &[u8]) -> impl Iterator<Item = PersonKey> {
    let runs = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() == 16);
    runs.filter_map(|run| std::str::from_utf8(run).ok()?.to_ascii_lowercase().parse().ok())
}

/// The earliest time that an event tells of, in milliseconds since 1970: what comes late, or is written anew, is of before.
/// None for what is known by the time at which it came.
fn told_at_ms(event: &Value) -> Option<i64> {
    let (seconds, action) = (|at: &Value| at.as_i64().map(|at| at.saturating_mul(1000)), &event["action"]);
    let happened = [&event["scanned_at"], &event["registered_at"], &action["scanned_at"], &action["at"]].map(seconds);
    let accepted = [event["accepted_at_ms"].as_i64(), event["at_ms"].as_i64()];
    happened.into_iter().chain(accepted).flatten().min()
}

/// A registration stays when it is another's whose guardian was erased.
fn without_guardian(mut event: Value, key: Option<&[u8]>, erased: &HashSet<PersonKey>) -> Fate {
    let is_theirs = key.is_none_or(|key| person_keys(key).any(|person| erased.contains(&person)));
    let Some(registration) = event.as_object_mut().filter(|_| !is_theirs) else { return Fate::Emptied };
    if registration.remove("guardian").is_some() { rewritten(&event) } else { Fate::Emptied }
}

/// The changes of others stay. One that waits for its release cannot be released any more: its digest is of all changes.
fn without_changes(mut event: Value, erased: &HashSet<PersonKey>) -> Fate {
    let Some(changes) = event.pointer_mut("/action/changes").and_then(Value::as_array_mut) else {
        return Fate::Emptied;
    };
    changes.retain(|change| !is_one_of(&change["person"], erased));
    rewritten(&event)
}

/// What the lorry did stays, without who was in it; what a driver answered goes.
fn without_crew(mut event: Value, erased: &HashSet<PersonKey>) -> Fate {
    let is_declared = is_one_of(&event["action"]["driver"], erased);
    let Some(action) = event.get_mut("action").and_then(Value::as_object_mut) else { return Fate::Emptied };
    if is_declared {
        action.insert("sealed".to_owned(), Value::from(""));
        action.remove("symptoms");
        action.remove("risk");
    }
    let mut text = event.to_string();
    for person in erased {
        text = text.replace(&person.to_string(), &PersonKey::NOBODY.to_string());
    }
    Fate::Rewritten(text.into_bytes())
}

fn is_one_of(key: &Value, people: &HashSet<PersonKey>) -> bool {
    key.as_str().and_then(|key| key.parse().ok()).is_some_and(|key| people.contains(&key))
}

fn rewritten(event: &Value) -> Fate {
    Fate::Rewritten(event.to_string().into_bytes())
}

#[cfg(test)]
mod tests;
