//! Leads a trace from hop to hop.

use std::{collections::HashSet, sync::Arc};

use schemas::{PersonKey, VenueId};

use super::{
    DwellRule, Question,
    reading::Reader,
    response::{Cut, Limit},
};
use crate::{
    AppState, QueryError, TooMany,
    exposure::{
        Encounter, Full, Hop, Presence, Reached, Room, Source, SourceStay, TooManyPairs, VenueExposure, Weights,
        by_overlap, by_score,
    },
};

/// Who may infect, where they were, and who may have been there.
pub(super) struct Round {
    pub sources: Vec<Source>,
    pub stays: Vec<SourceStay>,
    pub presences: Vec<Presence>,
}

/// What a hop has found.
pub(super) struct Met {
    pub sources: Vec<Source>,
    /// Those with the longest overlap first.
    pub people: Vec<Reached>,
    /// Encounters of as many of them, from the front, as are listed.
    pub listed: Vec<Vec<Encounter>>,
    pub venues: Vec<(VenueId, VenueExposure)>,
}

/// What all hops have found so far.
pub(super) struct Walk {
    pub met: Vec<Met>,
    pub cuts: Vec<Cut>,
    /// The cases, and whoever was reached.
    known: Arc<HashSet<PersonKey>>,
    room: Room,
    weights: Weights,
    most_pairs: u64,
    most_followed: usize,
    has_window: bool,
}

impl Walk {
    /// Has gone nowhere yet.
    pub fn new(state: &AppState, question: &Question, cases: Arc<HashSet<PersonKey>>, cuts: Vec<Cut>) -> Self {
        let limits = state.limits();
        Self {
            met: Vec::new(),
            cuts,
            known: cases,
            room: Room::new(question.limit as usize, limits.max_encounters.into()),
            weights: Weights::of(question.tracing),
            most_pairs: limits.max_pairs.into(),
            most_followed: limits.max_followed as usize,
            has_window: matches!(question.rule, DwellRule::Window { .. }),
        }
    }

    /// Goes all hops. Beyond the first one it says what was too much, instead of refusing what the hops before have found.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or there is too much within the first hop.
    pub async fn go(&mut self, reader: &mut Reader<'_>, first: Round, hops: u8) -> Result<(), QueryError> {
        self.meet(first).await?;
        for hop in 2..=hops {
            reader.progress.begin(hop);
            match self.go_on(reader, hop).await {
                Err(QueryError::TraceTooLarge { what, limit, .. }) => {
                    let what = match what {
                        TooMany::Scans => Limit::Scans,
                        TooMany::Pairs => Limit::Pairs,
                    };
                    self.cuts.push(Cut::of(what, limit, limit + 1).in_hop(hop));
                    break;
                }
                further => further?,
            }
        }
        if let Some(full) = self.room.full() {
            self.cuts.push(self.list_cut(full));
        }
        Ok(())
    }

    async fn go_on(&mut self, reader: &mut Reader<'_>, hop: u8) -> Result<(), QueryError> {
        let followed = self.follow(hop - 1);
        let sources: Vec<Source> = followed.iter().map(|contact| contact.as_source(&self.weights)).collect();
        let people: Vec<PersonKey> = followed.iter().map(|contact| contact.person).collect();
        let stays = reader.source_stays(&people, &sources).await?;
        let presences = reader.presences(&stays, &self.known).await?;
        self.meet(Round { sources, stays, presences }).await
    }

    /// One hop, on a thread of its own: it may take long.
    async fn meet(&mut self, round: Round) -> Result<(), QueryError> {
        let (weights, most_pairs, mut room) = (self.weights, self.most_pairs, self.room);
        let meeting = move || {
            let hop = Hop::new(round.sources, round.stays, round.presences);
            let (mut people, venues) = hop.reached(&weights, most_pairs)?;
            by_overlap(&mut people);
            let listed: Vec<PersonKey> = people[..room.take(&people)].iter().map(|contact| contact.person).collect();
            let listed = hop.encounters(&listed);
            Ok((Met { sources: hop.into_sources(), people, listed, venues }, room))
        };
        let met = tokio::task::spawn_blocking(meeting).await.map_err(|_| QueryError::Aborted)?;
        let (what, limit, has_window) = (TooMany::Pairs, most_pairs, self.has_window);
        let (met, room) = met.map_err(|TooManyPairs| QueryError::TraceTooLarge { what, limit, has_window })?;
        Arc::make_mut(&mut self.known).extend(met.people.iter().map(|contact| contact.person));
        self.met.push(met);
        self.room = room;
        Ok(())
    }

    /// Those of the last hop with whom the next one begins.
    fn follow(&mut self, hop: u8) -> Vec<Reached> {
        let mut people = self.met.last().map(|met| met.people.clone()).unwrap_or_default();
        by_score(&mut people);
        if people.len() > self.most_followed {
            let (limit, at_least) = (self.most_followed as u64, people.len() as u64);
            self.cuts.push(Cut::of(Limit::FollowedPeople, limit, at_least).in_hop(hop));
            people.truncate(self.most_followed);
        }
        people
    }

    fn list_cut(&self, full: Full) -> Cut {
        let people = || self.met.iter().flat_map(|met| &met.people);
        let (limit, count) = (self.room.most(full), people().count() as u64);
        match full {
            Full::Contacts => Cut::of(Limit::Contacts, limit, count),
            Full::Encounters => Cut::of(Limit::Encounters, limit, people().map(|contact| contact.encounters).sum()),
        }
    }
}
