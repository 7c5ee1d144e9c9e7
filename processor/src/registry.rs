//! The registry: decides applications for venue codes, and so what the venue directory says.
//!
//! It is a [`Machine`] over the topic `applications`, whose key is the organisation: one partition has all of an
//! organisation's commands in one order, so quota and duplicates are checked without a lock. [`organisation`] decides,
//! [`place`] compares texts, and here it becomes messages of the directory and rows for the reading side. Duplicates
//! are looked for within an organisation; what another one has applied for may lie in another partition.

pub mod organisation;
pub mod place;
mod row;
pub mod rules;

use std::sync::Arc;

use hashbrown::HashMap;
use schemas::{
    ApplicationEvent, VenueEvent, VenueId,
    events::{ApplicationState, VERSION, VenueStatus},
};
use uuid::Uuid;

use self::{
    organisation::{Application, Organisation},
    row::StateRow,
    rules::Rules,
};
use crate::{
    directory::Directory,
    machine::{Machine, Message, Outputs, Record, Row, runner},
    workers::Job,
};

/// Venues from this number on are the registry's; below are those that were loaded.
pub const FIRST_VENUE: VenueId = 1 << 31;
/// Most partitions that numbers are given out by.
pub const MAX_PARTITIONS: i32 = 256;

/// The registry's part for one partition.
pub struct Registry {
    partition: u8,
    rules: Rules,
    venues_topic: String,
    directory: Option<Arc<Directory>>,
    organisations: HashMap<String, Organisation>,
    /// Organisation and application of each venue that was given out, by its count.
    given: Vec<(String, Uuid)>,
}

impl Registry {
    /// A registry that has decided nothing yet. With a directory it looks after what the topic of venues says.
    pub fn new(partition: u8, rules: Rules, venues_topic: &str, directory: Option<Arc<Directory>>) -> Self {
        let (organisations, given) = (HashMap::new(), Vec::new());
        Self { partition, rules, venues_topic: venues_topic.to_owned(), directory, organisations, given }
    }

    /// An organisation.
    pub fn organisation(&self, credit_code: &str) -> Option<&Organisation> {
        self.organisations.get(credit_code)
    }

    /// Every venue as the directory should have it.
    pub fn venues(&self) -> impl Iterator<Item = VenueEvent> {
        self.given.iter().filter_map(|(organisation, id)| {
            let application = self.organisations.get(organisation)?.application(id)?;
            venue_event(organisation, application)
        })
    }

    fn message(&self, event: &VenueEvent) -> Message {
        Message::new(&self.venues_topic, event.venue.to_string(), event)
    }
}

/// What runs a partition of the registry.
pub fn job(shared: runner::Shared, rules: Rules, directory: Arc<Directory>) -> Job {
    let venues_topic = shared.kafka.topics().venues;
    Arc::new(move |partition, commit, stop| {
        // No more than MAX_PARTITIONS, which was checked at start.
        let number = u8::try_from(partition).unwrap_or_default();
        let machine = || Registry::new(number, rules, &venues_topic, Some(Arc::clone(&directory)));
        runner::run(&shared, partition, machine, commit, stop);
    })
}

/// The venue that a partition gives out as its `count`th, if there is one.
fn number(partition: u8, count: usize) -> Option<VenueId> {
    let count = VenueId::try_from(count).ok()?.checked_mul(256)?;
    count.checked_add(u32::from(partition)).filter(|number| *number < FIRST_VENUE).map(|number| FIRST_VENUE + number)
}

impl Machine for Registry {
    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = ApplicationEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.organisation.as_bytes() {
            return Err("field `organisation`: is not the key of the message".to_owned());
        }
        let organisation = self.organisations.entry_ref(event.organisation.as_str()).or_default();
        let (given, partition) = (self.given.len(), self.partition);
        let decided = organisation.apply(&event, record.offset, &self.rules, || number(partition, given));
        let Some(decision) = decided.map_err(|unknown| unknown.to_string())? else { return Ok(Outputs::default()) };
        let Some(application) = organisation.application(&decision.application) else { return Ok(Outputs::default()) };

        let row = Row::new(row::TABLE, &StateRow::new(record.offset, &event, &decision, application));
        let mut outputs = Outputs { messages: Vec::new(), rows: vec![row] };
        if decision.venue_changed {
            let venue = venue_event(&event.organisation, application);
            if application.code.map(|(venue, _)| venue) == number(partition, given) {
                self.given.push((event.organisation.clone(), decision.application));
            }
            outputs.messages.extend(venue.map(|event| self.message(&event)));
        }
        Ok(outputs)
    }

    fn amends(&self, from_start: bool) -> anyhow::Result<Vec<Message>> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        if from_start {
            directory.catch_up()?;
            let wrong = self.venues().filter(|venue| !directory.last_is(venue.venue, venue.revision));
            return Ok(wrong.map(|venue| self.message(&venue)).collect());
        }
        let mine = |venue: VenueId| venue >= FIRST_VENUE && venue % 256 == u32::from(self.partition);
        let outdated = directory.outdated(mine);
        let venues = outdated.into_iter().filter_map(|venue| {
            let count = usize::try_from((venue - FIRST_VENUE) / 256).ok()?;
            let (organisation, id) = self.given.get(count)?;
            venue_event(organisation, self.organisations.get(organisation)?.application(id)?)
        });
        Ok(venues.map(|venue| self.message(&venue)).collect())
    }
}

/// What the directory says of an application; nothing, unless it was approved.
fn venue_event(organisation: &str, application: &Application) -> Option<VenueEvent> {
    let (venue, serial) = application.code?;
    let submission = &application.submission;
    let in_use = application.state == ApplicationState::Approved;
    Some(VenueEvent {
        v: VERSION,
        venue,
        serial,
        status: if in_use { VenueStatus::Active } else { VenueStatus::Revoked },
        name: submission.name.clone(),
        category: submission.category.clone(),
        district: submission.district,
        address: submission.address.clone(),
        door: submission.door.clone(),
        organisation: Some(organisation.to_owned()),
        latitude: submission.latitude,
        longitude: submission.longitude,
        valid_from: submission.starts_at,
        valid_until: submission.ends_at,
        revision: Some(application.revision),
    })
}

#[cfg(test)]
mod tests;
