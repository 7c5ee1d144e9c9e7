//! Footfall from memory, for dashboards that poll: while somebody polls, ClickHouse is looked at every second for the
//! counts of the hour that runs and every few seconds for those of all hours. What follows from these is answered from
//! them; any other answer holds until an hour that it is about is seen to change.
//!
//! Nothing is looked at while nobody polls. Where the looks fail or take too long, each poll asks ClickHouse.

mod kept;
mod known;
mod looks;
mod pieces;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use service::clock::now_ms;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    QueryConfig, QueryError,
    buckets::Step,
    store::{BucketRow, FootfallQuestion, People, Scope, Store, TimeRange, TopCount, TopQuestion, recent::Recent},
};
use kept::Kept;
use known::{HOUR_S, Known, Look};
use looks::Looks;
use pieces::Unit;

/// Between two looks at the hour that runs; within it whoever asks the same gets the same answer.
const MINUTES_EVERY: Duration = Duration::from_secs(1);
/// How long after the last poll looks go on.
const POLLED: Duration = Duration::from_secs(60);
/// How long after an hour has ended its minutes count as running: scans take a moment to be stored.
const AFTER_HOUR_S: u32 = 300;

/// What is known of footfall.
pub struct Board {
    store: Store,
    offset_s: i64,
    hours_every: Duration,
    known: RwLock<Known>,
    pieces: Kept<PieceKey, BucketRow>,
    tops: Kept<TopQuestion, TopCount>,
    /// Who asks the same after the same look shares an answer.
    asking: Recent<(FootfallQuestion, Look), BucketRow>,
    asking_top: Recent<(TopQuestion, Look), TopCount>,
    polled: Mutex<Option<Instant>>,
    somebody: Notify,
}

/// An hour or a day of counts: of which scans, in which steps, with which people, and its first second.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PieceKey(Scope, Step, People, u32);

impl Board {
    /// Nothing is known yet, and nobody polls.
    pub fn new(store: Store, offset_s: i64, limits: &QueryConfig) -> Self {
        Self {
            store,
            offset_s,
            hours_every: Duration::from_millis(limits.late_scans_ms.into()),
            known: RwLock::default(),
            pieces: Kept::default(),
            tops: Kept::default(),
            asking: Recent::new(MINUTES_EVERY),
            asking_top: Recent::new(MINUTES_EVERY),
            polled: Mutex::new(None),
            somebody: Notify::new(),
        }
    }

    /// The buckets that have scans, in order.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn footfall(&self, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
        let Some(scope) = self.tells(&question.scope) else { return self.ask(question).await };
        // Hours are those of UTC.
        if self.offset_s % i64::from(HOUR_S) != 0 {
            return self.ask(question).await;
        }
        if question.people != People::No || question.scope.is_of_venues() {
            return self.pieced(question, &scope).await;
        }
        if question.is_of_whole(60) { self.summed(question).await } else { self.ask(question).await }
    }

    /// The venues with most scans or people, most first.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn top(&self, question: &TopQuestion) -> Result<Arc<[TopCount]>, QueryError> {
        let Some(scope) = self.tells(&question.scope) else { return Ok(self.store.top(question).await?.into()) };
        let TimeRange { from, to } = question.time;
        let (look, changed) = {
            let known = self.known.read();
            (known.look(), known.changed(&scope, from - from % HOUR_S..to))
        };
        if let Some(rows) = self.tops.get(question, changed) {
            return Ok(rows);
        }
        let asked = (question.clone(), look);
        let rows = self.asking_top.get(asked, async || self.store.top(question).await).await?;
        let rows: Arc<[TopCount]> = rows.as_slice().into();
        self.tops.put(question.clone(), look, Arc::clone(&rows));
        Ok(rows)
    }

    async fn ask(&self, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
        Ok(self.store.footfall(question).await?.to_vec())
    }

    /// The scope whose hours tell whether an answer still holds; none when nothing new enough is known. Which venues an
    /// organisation has no count tells.
    fn tells(&self, scope: &Scope) -> Option<Scope> {
        if self.hours_every.is_zero() {
            return None;
        }
        let tells = match scope {
            Scope::City | Scope::District(_) | Scope::Category(_) => scope.clone(),
            Scope::Venue(_) => Scope::City,
            Scope::Organisation(_) => return None,
        };
        *self.polled.lock() = Some(Instant::now());
        self.somebody.notify_one();
        let (hours_at, minutes_at) = self.known.read().as_of()?;
        let is_new = |at: Instant, every: Duration| at.elapsed() < looks::oldest(every);
        if !is_new(hours_at, self.hours_every) || !is_new(minutes_at, self.minutes_every()) {
            return None;
        }
        Some(tells)
    }

    /// From hours, and from minutes where hours are divided.
    async fn summed(&self, question: &FootfallQuestion) -> Result<Vec<BucketRow>, QueryError> {
        let (hours, divided) = pieces::hours_and_rest(question.time, question.step);
        let mut rows: Vec<BucketRow> =
            self.known.read().hours(&question.scope, hours.from..hours.to).cloned().collect();
        for time in divided {
            rows.extend(self.minutes(question, time).await?);
        }
        let mut buckets: BTreeMap<i64, BucketRow> = BTreeMap::new();
        for row in rows {
            let start = question.step.start_of(row.start, question.offset_s);
            buckets.entry(start).or_insert_with(|| BucketRow { start, ..BucketRow::default() }).add(&row);
        }
        Ok(buckets.into_values().collect())
    }

    /// Those of a scope in whole minutes: of the hour that runs as known, of earlier ones by hours.
    async fn minutes(&self, question: &FootfallQuestion, time: TimeRange) -> Result<Vec<BucketRow>, QueryError> {
        let TimeRange { from, to } = time;
        let (known, since) = {
            let known = self.known.read();
            let since = known.minutes_since();
            (known.minutes(&question.scope, from.max(since).min(to)..to).cloned().collect::<Vec<_>>(), since)
        };
        let mut rows = Vec::new();
        if from < since {
            let time = pieces::whole_hours(TimeRange { from, to: to.min(since) });
            let earlier = FootfallQuestion { time, step: Step::Minute, ..question.clone() };
            rows = self.pieced(&earlier, &question.scope).await?;
            rows.retain(|row| (i64::from(from)..i64::from(to.min(since))).contains(&row.start));
        }
        rows.extend(known);
        Ok(rows)
    }

    /// From answers that are kept by hour or day, and one question for what has changed of them; `scope` is whose hours tell.
    async fn pieced(&self, question: &FootfallQuestion, scope: &Scope) -> Result<Vec<BucketRow>, QueryError> {
        let (look, units) = {
            let known = self.known.read();
            (
                known.look(),
                pieces::units(
                    question,
                    |time| known.hours(scope, time).map(|hour| hour.start),
                    |time| known.changed(scope, time),
                ),
            )
        };
        // Counted one by one, estimates are the same as what they are estimates of.
        let people = match question.people {
            People::Estimate if !question.is_of_sketches() => People::Exact,
            people => people,
        };
        let key = |unit: &Unit| PieceKey(question.scope.clone(), question.step, people, unit.start);
        let kept: Vec<Option<Arc<[BucketRow]>>> = units
            .iter()
            .map(|unit| if unit.is_whole { self.pieces.get(&key(unit), unit.changed) } else { None })
            .collect();
        let mut rows: BTreeMap<i64, BucketRow> = BTreeMap::new();
        let missing = || units.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(unit, _)| unit);
        let asked = missing()
            .next()
            .zip(missing().next_back())
            .map(|(first, last)| TimeRange { from: first.time.from, to: last.time.to });
        if let Some(time) = asked {
            let asked = FootfallQuestion { time, people, ..question.clone() };
            let look_at = (asked.clone(), look);
            let answer = self.asking.get(look_at, async || self.store.ask_footfall(&asked).await).await?;
            for unit in missing().filter(|unit| unit.is_whole) {
                self.pieces.put(key(unit), look, unit.of(&answer).to_vec().into());
            }
            rows.extend(answer.iter().map(|row| (row.start, row.clone())));
        }
        for row in kept.iter().flatten().flat_map(|rows| rows.iter()) {
            rows.entry(row.start).or_insert_with(|| row.clone());
        }
        Ok(rows.into_values().collect())
    }

    /// Looks at ClickHouse while somebody polls, until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.look()).await;
    }

    async fn look(&self) {
        let (mut hours, mut minutes) = self.looks();
        loop {
            if self.forgets() {
                self.pieces.clear();
                self.tops.clear();
                self.somebody.notified().await;
                (hours, minutes) = self.looks();
                continue;
            }
            let began = Instant::now();
            // Whichever has waited longer: not even hours that take very long keep minutes from their turn.
            if hours.due <= minutes.due {
                let outcome = self.look_at_hours(&mut hours.are_few).await;
                hours.ended(began, &outcome);
            } else {
                let outcome = self.look_at_minutes(&mut minutes.are_few).await;
                minutes.ended(began, &outcome);
            }
            tokio::time::sleep_until(hours.due.min(minutes.due).into()).await;
        }
    }

    /// Those at all hours, and those at the minutes that run.
    fn looks(&self) -> (Looks, Looks) {
        (Looks::new("hours", self.hours_every), Looks::new("minutes", self.minutes_every()))
    }

    async fn look_at_hours(&self, are_few: &mut bool) -> Result<(), QueryError> {
        let began = Instant::now();
        let hours = self.store.counts_by_hour(are_few).await?;
        self.known.write().learn_hours(hours, began);
        Ok(())
    }

    async fn look_at_minutes(&self, are_few: &mut bool) -> Result<(), QueryError> {
        let (began, now) = (Instant::now(), u32::try_from(now_ms() / 1_000).unwrap_or_default());
        let running = now.saturating_sub(AFTER_HOUR_S);
        let since = running - running % HOUR_S;
        let minutes = self.store.counts_by_minute(since, are_few).await?;
        self.known.write().learn_minutes(minutes, since, began);
        Ok(())
    }

    fn minutes_every(&self) -> Duration {
        MINUTES_EVERY.min(self.hours_every)
    }

    /// Forgets the counts when nobody polls. Whoever polls says so before looking whether counts are known: either they are
    /// kept for this poll, or it finds none and asks.
    fn forgets(&self) -> bool {
        let mut known = self.known.write();
        let is_idle = !self.is_polled();
        if is_idle {
            known.forget();
        }
        is_idle
    }

    fn is_polled(&self) -> bool {
        self.polled.lock().is_some_and(|at| at.elapsed() < POLLED)
    }
}
