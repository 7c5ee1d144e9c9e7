//! Releases: what one account wants to read of anyone's movements may be read when another one has released it.
//!
//! A [`Machine`] over the topic `releases`, whose key is the release: one partition has all that is said about one in one
//! order, so that it is decided once and never by who asked, whichever process dies or doubles a message. [`case`]
//! decides about one; here each step becomes a row, by which the query API lets reads through.

pub mod case;
mod row;

use std::{collections::VecDeque, sync::Arc};

use hashbrown::HashMap;
use schemas::{ReleaseEvent, events::ReleaseAction};
use uuid::Uuid;

use self::{case::Case, row::ReleaseRow};
use crate::{
    deed::Deed,
    machine::{Machine, Outputs, Record, Row, runner},
    workers::Job,
};

/// How long a release is remembered, in milliseconds: as long as its records are kept, and longer than one holds.
const REMEMBERED_MS: i64 = 31 * 24 * 3600 * 1000;

/// The releases of one partition.
#[derive(Default)]
pub struct Releases {
    cases: HashMap<Uuid, Case>,
    /// When each was asked for, in the order of the log.
    asked: VecDeque<(i64, Uuid)>,
}

impl Releases {
    /// A release.
    pub fn case(&self, release: Uuid) -> Option<&Case> {
        self.cases.get(&release)
    }

    fn forget(&mut self, now_ms: i64) {
        while let Some((asked_ms, release)) = self.asked.front().copied()
            && asked_ms.saturating_add(REMEMBERED_MS) < now_ms
        {
            self.asked.pop_front();
            self.cases.remove(&release);
        }
    }
}

impl Machine for Releases {
    const LOG_EXPIRES: bool = true;

    fn apply(&mut self, record: &Record<'_>) -> Result<Outputs, String> {
        let event = ReleaseEvent::try_parse(record.value).map_err(|error| error.to_string())?;
        if record.key != event.release.to_string().as_bytes() {
            return Err("field `release`: is not the key of the message".to_owned());
        }
        self.forget(event.at_ms);
        let deed = |by: &String| Deed { by: by.clone(), at_ms: event.at_ms };
        if let ReleaseAction::Ask(asking) = &event.action {
            if self.cases.contains_key(&event.release) {
                return Ok(Outputs::default());
            }
            let case = Case::new(deed(&asking.by), (**asking).clone());
            self.asked.push_back((event.at_ms, event.release));
            let rows = row(&case, &event, record.offset, (None, None));
            self.cases.insert(event.release, case);
            return Ok(Outputs { messages: Vec::new(), rows });
        }
        let unknown = "field `release`: nobody has asked for it, or it is over";
        let case = self.cases.get_mut(&event.release).ok_or(unknown)?;
        let (command, decided) = match &event.action {
            ReleaseAction::Ask(_) => return Ok(Outputs::default()),
            ReleaseAction::Release { command, by, expires_at_ms } => {
                (*command, case.release(*command, deed(by), *expires_at_ms))
            }
            ReleaseAction::Decline { command, by, reason, .. } => (*command, case.decline(*command, deed(by), *reason)),
            ReleaseAction::Withdraw { command, by, by_supervisor } => {
                (*command, case.withdraw(*command, deed(by), *by_supervisor))
            }
        };
        // A command that comes again was answered before.
        let Some(refused) = decided else { return Ok(Outputs::default()) };
        Ok(Outputs { messages: Vec::new(), rows: row(case, &event, record.offset, (Some(command), refused.err())) })
    }
}

/// What runs a partition of releases.
pub fn job(shared: runner::Shared) -> Job {
    Arc::new(move |partition, commit, stop| {
        runner::run(&shared, partition, Releases::default, commit, stop);
    })
}

fn row(
    case: &Case,
    event: &ReleaseEvent,
    revision: u64,
    outcome: (Option<Uuid>, Option<schemas::events::ReleaseRefusal>),
) -> Vec<Row> {
    vec![Row::new(row::TABLE, &ReleaseRow::new((revision, event), case, outcome))]
}

#[cfg(test)]
mod tests;
