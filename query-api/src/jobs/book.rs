//! What becomes of each job. Pure: the clock is an argument.

use std::{collections::HashMap, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{id::JobId, queue::Queue};
use crate::{QueryError, error::NoRoom, inquiry::Progress};

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

/// How far a job is.
#[derive(Debug)]
pub enum State<A> {
    /// It has not begun.
    Waiting {
        /// How many begin before it.
        place: usize,
    },
    /// It is under way.
    Running,
    /// Its answer can be fetched.
    Done(Arc<A>),
    /// It has ended without one.
    Failed(Arc<QueryError>),
    /// Its account has ended it.
    Cancelled,
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

/// A job.
#[derive(Debug)]
pub struct Job<Q, A> {
    /// Whose it is.
    pub account: String,
    /// What it is to do.
    pub question: Q,
    /// How far it is.
    pub state: State<A>,
    /// How far the work is.
    pub progress: Arc<Progress>,
    /// Stops the work.
    pub stop: CancellationToken,
    /// When it was asked for, in milliseconds since 1970.
    pub asked_at_ms: i64,
    /// When the work began.
    pub begun_at_ms: Option<i64>,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
    /// When it is forgotten; none before it has ended.
    pub expires_at_ms: Option<i64>,
    bytes: usize,
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
    /// its own: that runs on until it is through. Says whether there was anything
    /// to end.
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

impl<Q, A> Job<Q, A> {
    /// Whether it has expired. One that was cancelled while it ran expires when its work has stopped.
    fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| now_ms >= at_ms)
    }

    /// Whether it has ended and there is nothing to fetch.
    fn is_without_result(&self) -> bool {
        matches!(self.state, State::Failed(_) | State::Cancelled)
    }
}

impl<A> Clone for State<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Waiting { place } => Self::Waiting { place: *place },
            Self::Running => Self::Running,
            Self::Done(answer) => Self::Done(Arc::clone(answer)),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Cancelled => Self::Cancelled,
        }
    }
}

impl<Q: Clone, A> Clone for Job<Q, A> {
    fn clone(&self) -> Self {
        Self {
            account: self.account.clone(),
            question: self.question.clone(),
            state: self.state.clone(),
            progress: Arc::clone(&self.progress),
            stop: self.stop.clone(),
            ..*self
        }
    }
}

impl<A> State<A> {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::KeyRing;

    use super::*;
    use crate::jobs::id::JobKey;

    type Jobs = Book<u8, String>;

    fn book(change: impl FnOnce(&mut Limits)) -> Jobs {
        let mut limits = Limits { running: 1, waiting: 10, each: 3, bytes: 100, keep_ms: 1000 };
        change(&mut limits);
        Book::new(limits)
    }

    fn ask(book: &mut Jobs, account: &str, now_ms: i64) -> Result<JobId, QueryError> {
        let ring = KeyRing::try_parse(&format!("1:{}", "a".repeat(64))).expect("a key");
        let id = JobKey::derived_from(&ring, 1).sign(book.next_number(), account);
        book.ask(id, account.to_owned(), 0, CancellationToken::new(), now_ms).map(|()| id)
    }

    fn done(bytes: usize) -> Outcome<String> {
        Outcome::Done { answer: Arc::new("answer".to_owned()), bytes, until_ms: i64::MAX }
    }

    fn end(book: &mut Jobs, id: JobId, outcome: Outcome<String>, now_ms: i64) -> Option<&'static str> {
        book.end(id, outcome, now_ms).map(|state| state.as_str())
    }

    fn state(book: &Jobs, id: JobId, now_ms: i64) -> &'static str {
        book.job(id, now_ms).map_or("gone", |job| job.state.as_str())
    }

    #[test]
    fn a_job_waits_runs_is_done_and_expires() {
        let mut book = book(|_| {});
        let (first, second) = (ask(&mut book, "li", 0).expect("room"), ask(&mut book, "li", 0).expect("room"));
        assert_eq!(book.start(5).map(|(id, _)| id), Some(first));
        assert!(book.start(5).is_none(), "one at a time");
        assert_eq!((state(&book, first, 5), state(&book, second, 5)), ("running", "waiting"));
        assert_eq!(end(&mut book, first, done(50), 10), Some("done"));
        assert_eq!(book.counts(), Counts { waiting: 1, running: 0, bytes: 50 });
        assert_eq!((state(&book, first, 1009), state(&book, first, 1010)), ("done", "gone"), "to the millisecond");
        assert_eq!((book.sweep(1009), book.sweep(1010)), (0, 1));
        assert_eq!(book.counts().bytes, 0);
        assert_eq!(state(&book, second, 1_000_000), "waiting", "what has not ended does not expire");
    }

    #[test]
    fn a_result_is_kept_no_longer_than_what_it_is_made_of() {
        let mut book = book(|_| {});
        let id = ask(&mut book, "li", 0).expect("room");
        assert!(book.start(5).is_some());
        let answer = Arc::new("answer".to_owned());
        assert_eq!(end(&mut book, id, Outcome::Done { answer, bytes: 1, until_ms: 500 }, 10), Some("done"));
        assert_eq!((state(&book, id, 499), state(&book, id, 500)), ("done", "gone"));
    }

    #[test]
    fn one_account_has_so_many_and_no_more_and_failures_give_way() {
        let mut book = book(|limits| limits.waiting = 5);
        let ids: Vec<_> = (0..3).map(|_| ask(&mut book, "li", 0).expect("room")).collect();
        assert!(matches!(ask(&mut book, "li", 0), Err(QueryError::TooManyJobs)));
        for _ in 0..2 {
            ask(&mut book, "wu", 0).expect("room");
        }
        assert!(matches!(ask(&mut book, "he", 0), Err(QueryError::JobsFull)));
        assert_eq!(book.start(0).map(|(id, _)| id), Some(ids[0]));
        assert_eq!(end(&mut book, ids[0], Outcome::Failed(QueryError::Aborted), 1), Some("failed"));
        let fourth = ask(&mut book, "li", 2).expect("room");
        assert_eq!((state(&book, ids[0], 2), state(&book, fourth, 2)), ("gone", "waiting"));
    }

    #[test]
    fn whoever_cancels_gets_no_answer_and_the_slot_is_free_when_the_work_has_stopped() {
        let mut book = book(|_| {});
        let (first, second) = (ask(&mut book, "li", 0).expect("room"), ask(&mut book, "wu", 0).expect("room"));
        let (_, job) = book.start(0).expect("a turn");
        assert!(book.cancel(first, 1) && job.stop.is_cancelled());
        assert!(book.start(1).is_none(), "its query still runs");
        assert_eq!(end(&mut book, first, done(10), 2), None, "done in the same moment");
        assert_eq!((state(&book, first, 2), book.counts().bytes), ("cancelled", 0));
        assert!(!book.cancel(first, 3), "once");
        assert_eq!(book.start(3).map(|(id, _)| id), Some(second));
        assert_eq!(end(&mut book, second, done(10), 4), Some("done"));
        assert!(book.cancel(second, 5));
        assert_eq!((state(&book, second, 5), book.counts().bytes), ("cancelled", 0), "a result can be thrown away");
        let third = ask(&mut book, "li", 6).expect("room");
        assert!(book.cancel(third, 7) && book.start(8).is_none(), "one that waits never begins");
        assert_eq!(state(&book, third, 7 + 1000), "gone");
    }

    #[test]
    fn a_cancelled_job_whose_work_has_not_stopped_does_not_give_way() {
        let mut book = book(|limits| limits.each = 1);
        let first = ask(&mut book, "li", 0).expect("room");
        assert!(book.start(0).is_some() && book.cancel(first, 1));
        assert!(matches!(ask(&mut book, "li", 2), Err(QueryError::TooManyJobs)), "its slot would be lost");
        let other = ask(&mut book, "wu", 2).expect("room");
        assert!(book.start(2).is_none(), "its query still runs");
        assert_eq!(end(&mut book, first, Outcome::Cancelled, 3), None);
        assert_eq!(book.start(3).map(|(id, _)| id), Some(other));
        ask(&mut book, "li", 4).expect("room");
        assert_eq!(state(&book, first, 4), "gone", "now it does");
    }

    #[test]
    fn an_account_has_half_of_the_room_and_is_told_whose_results_are_in_the_way() {
        let mut book = book(|limits| limits.each = 10);
        for (account, bytes, lack) in [
            ("li", 51, Some(NoRoom::Alone)),
            ("li", 30, None),
            ("li", 21, Some(NoRoom::BesideOwn)),
            ("li", 20, None),
            ("wu", 40, None),
            ("he", 11, Some(NoRoom::BesideOthers)),
            ("he", 10, None),
        ] {
            let id = ask(&mut book, account, 0).expect("room");
            assert!(book.start(0).is_some());
            let told = match book.end(id, done(bytes), 1) {
                Some(State::Failed(error)) => match *error {
                    QueryError::ResultsFull(lack) => Some(lack),
                    _ => panic!("{error}"),
                },
                _ => None,
            };
            assert_eq!(told, lack, "{account} {bytes}");
        }
        assert_eq!(book.counts().bytes, 100);
    }

    #[test]
    fn a_job_that_takes_until_its_scans_are_past_fails() {
        let mut book = book(|_| {});
        let id = ask(&mut book, "li", 0).expect("room");
        assert!(book.start(5).is_some());
        let answer = Arc::new("answer".to_owned());
        let ended = book.end(id, Outcome::Done { answer, bytes: 1, until_ms: 10 }, 10);
        assert!(matches!(ended, Some(State::Failed(error)) if matches!(*error, QueryError::PastJob)));
        assert_eq!((state(&book, id, 11), book.counts().bytes), ("failed", 0));
    }
    #[test]
    fn results_that_are_thrown_away_have_failed_and_free_their_room() {
        let mut book = book(|limits| limits.each = 10);
        let ids = ["li", "wu", "he"].map(|account| ask(&mut book, account, 0).expect("room"));
        for (id, text) in ids.into_iter().zip(["old", "new"]) {
            assert!(book.start(0).is_some());
            book.end(id, Outcome::Done { answer: Arc::new(text.to_owned()), bytes: 10, until_ms: i64::MAX }, 1);
        }
        book.drop_results(|answer| answer == "old", || QueryError::OutdatedJob);
        assert_eq!(ids.map(|id| state(&book, id, 1)), ["failed", "done", "waiting"]);
        assert_eq!(book.counts().bytes, 10);
    }
}
