//! What becomes of each job. Pure: the clock is an argument.

use std::{collections::HashMap, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    id::JobId,
    job::{Job, State},
    queue::Queue,
};
use crate::{QueryError, error::NoRoom};

/// How many jobs there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most that run.
    pub running: usize,
    /// Most that wait.
    pub waiting: usize,
    /// Most of one account that wait, run or are done.
    pub each: usize,
    /// Most bytes of results; an account may have half of them.
    pub bytes: usize,
    /// How long what has ended is kept.
    pub keep_ms: i64,
}

/// How the work on a job has ended.
#[derive(Debug)]
pub enum Outcome<A> {
    /// With an answer.
    Done {
        /// What was asked for.
        answer: Arc<A>,
        /// How many bytes it takes.
        bytes: usize,
        /// When it may be kept no longer, whatever the limits say, in milliseconds since 1970.
        until_ms: i64,
    },
    /// With a problem.
    Failed(QueryError),
    /// It was stopped.
    Cancelled,
}

/// How many jobs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// That wait.
    pub waiting: usize,
    /// That run.
    pub running: usize,
    /// Bytes of results.
    pub bytes: usize,
}

/// All jobs.
pub struct Book<Q, A> {
    limits: Limits,
    queue: Queue<JobId>,
    jobs: HashMap<JobId, Job<Q, A>>,
    bytes: usize,
    last_number: u32,
}

impl<Q: Clone, A> Book<Q, A> {
    /// No jobs.
    pub fn new(limits: Limits) -> Self {
        Self { limits, queue: Queue::new(limits.running), jobs: HashMap::new(), bytes: 0, last_number: 0 }
    }

    /// A number that no job has had.
    pub const fn next_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// A job waits. For it the account's oldest job that has ended without a result is forgotten, if there are too many; one
    /// that still runs, though it was cancelled, has its slot to give back and stays. What has expired is to be swept before.
    ///
    /// # Errors
    /// When the account has as many as it may, or too many wait.
    pub fn ask(
        &mut self,
        id: JobId,
        account: String,
        question: Q,
        stop: CancellationToken,
        now_ms: i64,
    ) -> Result<(), QueryError> {
        if self.queue.waiting() >= self.limits.waiting {
            return Err(QueryError::JobsFull);
        }
        if self.jobs.values().filter(|job| job.account == account).count() >= self.limits.each {
            let is_over = |job: &Job<Q, A>| job.is_without_result() && job.expires_at_ms.is_some();
            let without = self.jobs.iter().filter(|(_, job)| job.account == account && is_over(job));
            let oldest = without.min_by_key(|(_, job)| job.ended_at_ms).map(|(id, _)| *id);
            self.forget(oldest.ok_or(QueryError::TooManyJobs)?);
        }
        self.queue.push(&account, id);
        let job = Job {
            account,
            question,
            state: State::Waiting { place: 0 },
            progress: Arc::default(),
            stop,
            asked_at_ms: now_ms,
            begun_at_ms: None,
            ended_at_ms: None,
            expires_at_ms: None,
            bytes: 0,
        };
        self.jobs.insert(id, job);
        Ok(())
    }

    /// The job that begins now, if one waits and may.
    pub fn start(&mut self, now_ms: i64) -> Option<(JobId, Job<Q, A>)> {
        let id = self.queue.start()?;
        let job = self.jobs.get_mut(&id)?;
        (job.state, job.begun_at_ms) = (State::Running, Some(now_ms));
        Some((id, job.clone()))
    }

    /// The work on a job has ended; gives the state that counts, if this is it.
    pub fn end(&mut self, id: JobId, outcome: Outcome<A>, now_ms: i64) -> Option<State<A>> {
        let account = &self.jobs.get(&id)?.account;
        let lack = match &outcome {
            Outcome::Done { bytes, .. } => self.lack(account, *bytes),
            Outcome::Failed(_) | Outcome::Cancelled => None,
        };
        let job = self.jobs.get_mut(&id)?;
        self.queue.ended(&job.account);
        // Who has cancelled it has been told so, also if it was done in the same moment.
        if matches!(job.state, State::Cancelled) {
            job.expires_at_ms = Some(now_ms + self.limits.keep_ms);
            return None;
        }
        let mut expires_at_ms = now_ms + self.limits.keep_ms;
        job.state = match (outcome, lack) {
            (Outcome::Done { until_ms, .. }, _) if until_ms <= now_ms => State::Failed(QueryError::PastJob.into()),
            (Outcome::Done { .. }, Some(lack)) => State::Failed(QueryError::ResultsFull(lack).into()),
            (Outcome::Done { answer, bytes, until_ms }, None) => {
                job.bytes = bytes;
                self.bytes += bytes;
                expires_at_ms = expires_at_ms.min(until_ms);
                State::Done(answer)
            }
            (Outcome::Failed(error), _) => State::Failed(error.into()),
            (Outcome::Cancelled, _) => State::Cancelled,
        };
        (job.ended_at_ms, job.expires_at_ms) = (Some(now_ms), Some(expires_at_ms));
        Some(job.state.clone())
    }

    /// Why so many bytes have no room, if they have none: an account has half of it at most, so that nobody is without.
    fn lack(&self, account: &str, bytes: usize) -> Option<NoRoom> {
        let half = self.limits.bytes / 2;
        let own: usize = self.jobs.values().filter(|job| job.account == account).map(|job| job.bytes).sum();
        match bytes {
            _ if bytes > half => Some(NoRoom::Alone),
            _ if bytes > half - own.min(half) => Some(NoRoom::BesideOwn),
            _ if bytes > self.limits.bytes.saturating_sub(self.bytes) => Some(NoRoom::BesideOthers),
            _ => None,
        }
    }

    /// Ends a job, whatever it does. One that runs keeps its slot until its work has stopped, but for what is on a thread of
    /// its own: that runs on until it is through. Says whether there was anything to end.
    pub fn cancel(&mut self, id: JobId, now_ms: i64) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else { return false };
        let (is_running, is_over) = (matches!(job.state, State::Running), job.is_without_result());
        if is_over {
            return false;
        }
        job.stop.cancel();
        job.state = State::Cancelled;
        job.ended_at_ms.get_or_insert(now_ms);
        // Not before its work has stopped.
        job.expires_at_ms = (!is_running).then_some(now_ms + self.limits.keep_ms);
        self.bytes -= std::mem::take(&mut job.bytes);
        self.queue.remove(id);
        true
    }

    /// Throws results away that must not be given out any more; the job has failed with this problem then.
    pub fn drop_results(&mut self, is_outdated: impl Fn(&A) -> bool, problem: impl Fn() -> QueryError) {
        for job in self.jobs.values_mut() {
            if matches!(&job.state, State::Done(answer) if is_outdated(answer)) {
                job.state = State::Failed(problem().into());
                self.bytes -= std::mem::take(&mut job.bytes);
            }
        }
    }

    /// A job as it is now; none that has expired.
    pub fn job(&self, id: JobId, now_ms: i64) -> Option<Job<Q, A>> {
        let mut job = self.jobs.get(&id).filter(|job| !job.is_expired(now_ms))?.clone();
        if let State::Waiting { place } = &mut job.state {
            *place = self.queue.place(id).unwrap_or_default();
        }
        Some(job)
    }

    /// Forgets what has expired; how many of them had a result.
    pub fn sweep(&mut self, now_ms: i64) -> usize {
        let expired = self.jobs.iter().filter(|(_, job)| job.is_expired(now_ms));
        let expired: Vec<(JobId, bool)> = expired.map(|(id, job)| (*id, !job.is_without_result())).collect();
        expired.iter().for_each(|(id, _)| self.forget(*id));
        expired.iter().filter(|(_, had_result)| *had_result).count()
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        Counts { waiting: self.queue.waiting(), running: self.queue.running(), bytes: self.bytes }
    }

    fn forget(&mut self, id: JobId) {
        self.bytes -= self.jobs.remove(&id).map_or(0, |job| job.bytes);
    }
}

#[cfg(test)]
mod tests;
