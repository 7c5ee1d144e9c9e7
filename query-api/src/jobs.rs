//! Long traces as jobs: asked for, waited for, fetched until they expire, and gone with the service.
//!
//! [`queue`] says whose turn it is and [`book`] what becomes of each, purely; here is the lock and the work. Results are held
//! in memory up to a limit and nowhere else: there is no file to be found, and none to be forgotten, and a job whose service
//! has started anew is lost and says so ([`id`]). A job is stopped by dropping it: with its connection ends its query.

mod book;
mod id;
mod job;
mod queue;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use schemas::{Retention, access::covers};
use service::{Caller, clock::now_ms};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    AppState, QueryError,
    inquiry::{self, Progress, TraceResponse},
    metrics,
    permit::permit,
    routes::TraceRequest,
};
use book::{Book, Limits, Outcome};
use id::{JobKey, Origin};

pub use book::Counts;
pub use id::JobId;
pub use job::{Job, State};

/// How far before the time asked for a scan may lie that is in an answer: the widest window, and more than any dwell cap.
const BEFORE_S: i64 = 24 * 3600;
/// How often what has expired is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// The route by which a job is asked for, as its release is held against it.
pub const ROUTE: &str = "POST /v1/traces/jobs";

/// How many jobs there may be, and for how long.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Jobs")]
pub struct JobConfig {
    /// Traces that run as jobs at the same time; others wait, the accounts in turn
    #[arg(long, env = "VENUECODE_JOBS_RUNNING", default_value_t = 2, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub jobs_running: u32,
    /// Jobs that wait; further ones are refused
    #[arg(long, env = "VENUECODE_JOBS_WAITING", default_value_t = 100, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub jobs_waiting: u32,
    /// Jobs of one account that wait, run or have a result
    #[arg(long, env = "VENUECODE_JOBS_EACH", default_value_t = 10, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub jobs_each: u32,
    /// Memory for the results of jobs, in MiB, half of it for one account at most; a job whose result has no room fails
    #[arg(long, env = "VENUECODE_JOB_RESULTS_MIB", default_value_t = 256, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub job_results_mib: u32,
    /// Seconds for which a result can be fetched
    #[arg(long, env = "VENUECODE_JOB_KEEP_S", default_value_t = 3_600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=43_200))]
    pub job_keep_s: u32,
    /// Seconds after which ClickHouse gives a query of a job up
    #[arg(long, env = "VENUECODE_JOB_MAX_EXECUTION_TIME_S", default_value_t = 600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub job_max_execution_time_s: u32,
    /// Seconds after which a job fails, whatever it does
    #[arg(long, env = "VENUECODE_JOB_MAX_S", default_value_t = 1_800, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=43_200))]
    pub job_max_s: u32,
}

/// What a job is to do, and for whom.
#[derive(Clone)]
pub struct Task {
    /// Who asked.
    pub caller: Caller,
    /// For what.
    pub request: TraceRequest,
    /// The district of the release.
    pub district: u32,
}

/// A job as a look at it shows.
pub type TraceJob = Job<Task, Traced>;

/// The result of a job.
#[derive(Debug)]
pub struct Traced {
    /// What was asked for.
    pub trace: Arc<TraceResponse>,
    /// How many erasures were carried out before anything was read.
    erasures: u64,
}

/// The jobs of this service.
pub struct Jobs {
    key: JobKey,
    /// How long a job may take.
    max_s: u32,
    book: Mutex<Book<Task, Traced>>,
    news: Notify,
    /// Its children are given to the jobs.
    stop: CancellationToken,
}

impl Jobs {
    /// No jobs yet. The key is that which signs codes: a service that starts anew knows its ids again.
    pub fn new(config: &JobConfig, codes: &schemas::KeyRing) -> Self {
        let limits = Limits {
            running: config.jobs_running as usize,
            waiting: config.jobs_waiting as usize,
            each: config.jobs_each as usize,
            bytes: config.job_results_mib as usize * 1024 * 1024,
            keep_ms: i64::from(config.job_keep_s) * 1000,
        };
        // The last bits of such an identity are random.
        let boot = Uuid::now_v7().as_u128() as u32;
        let (key, stop) = (JobKey::derived_from(codes, boot), CancellationToken::new());
        let max_s = config.job_max_s;
        Self { key, max_s, book: Mutex::new(Book::new(limits)), news: Notify::new(), stop }
    }

    /// Puts a task in the queue.
    ///
    /// # Errors
    /// When the account has as many jobs as it may, or too many wait.
    pub fn ask(&self, task: Task) -> Result<(JobId, TraceJob), QueryError> {
        let account = task.caller.claims().sub.clone();
        let mut book = self.book.lock();
        sweep(&mut book);
        let id = self.key.sign(book.next_number(), &account);
        book.ask(id, account, task, self.stop.child_token(), now_ms())?;
        metrics::jobs(&book.counts());
        self.news.notify_one();
        Ok((id, book.job(id, now_ms()).ok_or(QueryError::UnknownJob)?))
    }

    /// A job as it is now, for whoever asked for it with a token for its district.
    ///
    /// # Errors
    /// That it is gone, or with which service; of another account's, or outside of the token's district, that there is none.
    pub fn look(&self, id: JobId, caller: &Caller) -> Result<TraceJob, QueryError> {
        let account = &caller.claims().sub;
        let is_in_reach = |job: &TraceJob| caller.scope().district.is_none_or(|own| covers(own, job.question.district));
        match self.book.lock().job(id, now_ms()).filter(|job| job.account == *account) {
            Some(job) if is_in_reach(&job) => Ok(job),
            Some(_) => Err(QueryError::UnknownJob),
            None => Err(match self.key.origin(id, account) {
                Origin::Here => QueryError::ExpiredJob,
                Origin::Elsewhere => QueryError::LostJob,
                Origin::Nowhere => QueryError::UnknownJob,
            }),
        }
    }

    /// A job that is done and its trace; `erasures` is how many were carried out by now. Whoever was erased since a job began
    /// to read may be in its result, so all results of before go, whosever they are.
    ///
    /// # Errors
    /// As for [`Self::look`]; that it is outdated; or that it has no result.
    pub fn result(
        &self,
        id: JobId,
        caller: &Caller,
        erasures: u64,
    ) -> Result<(TraceJob, Arc<TraceResponse>), QueryError> {
        {
            let mut book = self.book.lock();
            book.drop_results(|traced| traced.erasures < erasures, || QueryError::OutdatedJob);
            metrics::jobs(&book.counts());
        }
        let job = self.look(id, caller)?;
        match &job.state {
            State::Done(traced) => {
                let trace = Arc::clone(&traced.trace);
                Ok((job, trace))
            }
            State::Failed(problem) if matches!(**problem, QueryError::OutdatedJob) => Err(QueryError::OutdatedJob),
            state => Err(QueryError::NoResult { state: state.as_str() }),
        }
    }

    /// Ends an account's job, whether it waits, runs or is done.
    ///
    /// # Errors
    /// As for [`Self::look`].
    pub fn cancel(&self, id: JobId, caller: &Caller) -> Result<TraceJob, QueryError> {
        self.look(id, caller)?;
        {
            let mut book = self.book.lock();
            if book.cancel(id, now_ms()) {
                metrics::job_ended("cancelled");
            }
            metrics::jobs(&book.counts());
        }
        self.news.notify_one();
        self.look(id, caller)
    }

    /// Works until `shutdown`; then all that runs is stopped.
    pub async fn run(self: Arc<Self>, state: AppState, shutdown: CancellationToken) {
        let stop = self.stop.clone().drop_guard();
        let working = async {
            loop {
                let begun = {
                    let mut book = self.book.lock();
                    sweep(&mut book);
                    let begun = book.start(now_ms());
                    metrics::jobs(&book.counts());
                    begun
                };
                match begun {
                    Some((id, job)) => {
                        tokio::spawn(Arc::clone(&self).work(state.for_jobs(), id, job));
                    }
                    // A second at the latest: nothing may lie about after its time.
                    None => {
                        let _ = tokio::time::timeout(SWEEP, self.news.notified()).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(working).await;
        drop(stop);
    }

    async fn work(self: Arc<Self>, state: AppState, id: JobId, job: TraceJob) {
        let stop = job.stop.clone();
        let begun_at_s = job.begun_at_ms.unwrap_or_default() / 1000;
        let from = i64::from(job.question.request.question.time.from) - BEFORE_S;
        let until_ms = past_at(Retention::of(state.city()), from, begun_at_s).map_or(i64::MAX, |at_s| at_s * 1000);
        // On a task of its own, so that whatever becomes of it, its slot is free again.
        let (max_s, question, progress) = (self.max_s, job.question, job.progress);
        let limited = async move {
            let answered = answer(state, question, progress);
            let limited = tokio::time::timeout(Duration::from_secs(max_s.into()), answered).await;
            limited.unwrap_or(Err(QueryError::LongJob { limit_s: max_s }))
        };
        let task = tokio::spawn(stop.run_until_cancelled_owned(limited));
        let outcome = match task.await {
            Ok(None) => Outcome::Cancelled,
            Ok(Some(Ok(traced))) => {
                let bytes = traced.trace.bytes();
                Outcome::Done { answer: Arc::new(traced), bytes, until_ms }
            }
            Ok(Some(Err(error))) => Outcome::Failed(error),
            Err(_) => Outcome::Failed(QueryError::Aborted),
        };
        let ended = {
            let mut book = self.book.lock();
            let ended = book.end(id, outcome, now_ms());
            metrics::jobs(&book.counts());
            ended
        };
        self.news.notify_one();
        if let Some(state) = ended {
            metrics::job_ended(state.as_str());
            if let State::Failed(error) = state {
                error.note();
            }
        }
    }
}

/// Forgets what has expired.
fn sweep(book: &mut Book<Task, Traced>) {
    for _ in 0..book.sweep(now_ms()) {
        metrics::job_ended("expired");
    }
}

/// When something that was read may be past that has happened since `from`: with the midnight after which it is, if that is
/// the next one. No job takes longer than half a day, and no result is kept for longer, so nobody has to look further ahead.
fn past_at(retention: Retention, from: i64, read_at: i64) -> Option<i64> {
    let next_midnight = retention.horizon(read_at) + i64::from(retention.days()) * 24 * 3600;
    (from < retention.horizon(next_midnight)).then_some(next_midnight)
}

/// The trace that a task asks for. Its release must still be in force. That it is read is written down before: how far it is
/// and how large its result is tells of it, also if that is never fetched. Whom it has reached is written down with each fetch.
async fn answer(state: AppState, task: Task, progress: Arc<Progress>) -> Result<Traced, QueryError> {
    let Task { caller, request, .. } = task;
    let permit = permit(&state, &caller, ROUTE, request.release, request.to_read()).await?;
    permit.write_down(&state, [], 0).await?;
    // Before anything is read: an erasure that comes now has been carried out in what is read after, or makes this outdated.
    let erasures = state.store().erasures_done().await?;
    let trace = inquiry::trace(state, request.question, chrono::Utc::now(), &progress).await?;
    Ok(Traced { trace: Arc::new(trace), erasures })
}

#[cfg(test)]
mod tests {
    use schemas::CityProfile;

    use super::*;

    #[test]
    fn a_result_with_scans_of_the_last_day_that_is_kept_ends_with_that_day() {
        const DAY_S: i64 = 24 * 3600;
        // 2022-05-22 16:00:00 UTC, midnight in Shanghai.
        const MIDNIGHT: i64 = 1_653_235_200;
        let retention = Retention::of(&CityProfile::try_built_in("shanghai").expect("a profile"));
        let horizon = retention.horizon(MIDNIGHT + 60);
        let past = |from| past_at(retention, from, MIDNIGHT + 60);
        assert_eq!(past(horizon), Some(MIDNIGHT + DAY_S), "the day that goes next");
        assert_eq!(past(horizon + DAY_S - 1), Some(MIDNIGHT + DAY_S));
        assert_eq!(past(horizon + DAY_S), None, "it stays for another day, and no result does for half of one");
    }
}
