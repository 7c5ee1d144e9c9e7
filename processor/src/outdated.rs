//! People whose last message on `health` or `tests` counts for less than an earlier one.
//!
//! Compaction keeps the last message of a person alone, and a feed may send an older change after a newer one: from another
//! office, late, or released late. Such a message is written again with the change that counts in it (`newest`), so that
//! whoever reads only that knows the same. Readers do not mind while both are there; there is as long for it as the
//! city keeps scans (`min.compaction.lag.ms`). Writing it again twice changes nothing.

use hashbrown::HashMap;
use schemas::{
    HealthEvent, PersonKey, TestEvent, Topics,
    events::{Colouring, Sampling},
};
use serde::Serialize;

use crate::machine::Message;

/// The messages to be written again.
#[derive(Debug, Default)]
pub struct Outdated {
    health: HashMap<PersonKey, Known<HealthEvent>>,
    tests: HashMap<PersonKey, Known<TestEvent>>,
}

/// What became known when, in milliseconds since 1970. Written again it keeps that time, so that whoever erases what came
/// before another one finds it.
type Known<E> = (E, i64);

impl Outdated {
    /// Notes the last message of a person's colour, and the change that counts if it does not tell of that.
    pub fn note_health(&mut self, event: HealthEvent, counts: Option<Colouring>, known_at_ms: i64) {
        let person = event.person;
        note(
            &mut self.health,
            person,
            counts.map(|counts| (HealthEvent { newest: Some(counts), ..event }, known_at_ms)),
        );
    }

    /// Notes the last message of a person's tests, and the test that counts if it does not tell of that.
    pub fn note_test(&mut self, event: TestEvent, counts: Option<Sampling>, known_at_ms: i64) {
        let person = event.person;
        note(&mut self.tests, person, counts.map(|counts| (TestEvent { newest: Some(counts), ..event }, known_at_ms)));
    }

    /// The messages with what counts in them.
    ///
    /// # Errors
    /// When one does not serialise, which none does.
    pub fn amended(&self, topics: &Topics) -> Result<Vec<Message>, serde_json::Error> {
        let health = self.health.iter().map(|(person, event)| message(&topics.health, *person, event));
        let tests = self.tests.iter().map(|(person, event)| message(&topics.tests, *person, event));
        health.chain(tests).collect()
    }

    /// Forgets what has been written again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn note<E>(last: &mut HashMap<PersonKey, E>, person: PersonKey, amended: Option<E>) {
    match amended {
        Some(amended) => _ = last.insert(person, amended),
        None => _ = last.remove(&person),
    }
}

fn message(
    topic: &str,
    person: PersonKey,
    (event, known_at_ms): &Known<impl Serialize>,
) -> Result<Message, serde_json::Error> {
    Ok(Message {
        topic: topic.to_owned(),
        key: person.to_string(),
        value: serde_json::to_vec(event)?,
        of_ms: Some(*known_at_ms),
    })
}
