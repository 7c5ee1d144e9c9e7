//! Long traces as jobs: asked for, waited for, fetched until they expire, and gone with the service.
//!
//! [`queue`] says whose turn it is and [`book`] what becomes of each, purely; here is the lock and the work. Results are held
//! in memory up to a limit and nowhere else: there is no file to be found, and none to be forgotten, and a job whose service
//! has started anew is lost and says so ([`id`]). A job is stopped by dropping it: with its connection ends its query.

mod book;
mod id;
mod queue;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use schemas::Retention;
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

pub use book::{Counts, Job, State};
pub use id::JobId;

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
    /// Memory for the results of jobs, in MiB; one that has no room fails
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
}

/// What a job is to do, and for whom.
#[derive(Clone)]
pub struct Task {
    /// Who asked.
    pub caller: Caller,
    /// For what.
    pub request: TraceRequest,
}

/// A job as a look at it shows.
pub type TraceJob = Job<Task, TraceResponse>;

/// The jobs of this service.
pub struct Jobs {
    key: JobKey,
    book: Mutex<Book<Task, TraceResponse>>,
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
        Self { key, book: Mutex::new(Book::new(limits)), news: Notify::new(), stop }
    }

    /// Puts a task in the queue.
    ///
    /// # Errors
    /// When the account has as many jobs as it may, or too many wait.
    pub fn ask(&self, task: Task) -> Result<(JobId, TraceJob), QueryError> {
        let account = task.caller.claims().sub.clone();
        let mut book = self.book.lock();
        let id = self.key.sign(book.next_number(), &account);
        book.ask(id, account, task, self.stop.child_token(), now_ms())?;
        metrics::jobs(&book.counts());
        self.news.notify_one();
        Ok((id, book.job(id, now_ms()).ok_or(QueryError::UnknownJob)?))
    }

    /// A job as it is now, for an account.
    ///
    /// # Errors
    /// That it is gone, or with which service; of another account's that there is none.
    pub fn look(&self, id: JobId, account: &str) -> Result<TraceJob, QueryError> {
        match self.book.lock().job(id, now_ms()).filter(|job| job.account == account) {
            Some(job) => Ok(job),
            None => Err(match self.key.origin(id, account) {
                Origin::Here => QueryError::ExpiredJob,
                Origin::Elsewhere => QueryError::LostJob,
                Origin::Nowhere => QueryError::UnknownJob,
            }),
        }
    }

    /// Anybody's job as it is now.
    ///
    /// # Errors
    /// When there is none: of those that are gone only their own accounts are told.
    pub fn look_at_any(&self, id: JobId) -> Result<TraceJob, QueryError> {
        self.book.lock().job(id, now_ms()).ok_or(QueryError::UnknownJob)
    }

    /// Ends an account's job, whether it waits, runs or is done.
    ///
    /// # Errors
    /// As for [`Self::look`].
    pub fn cancel(&self, id: JobId, account: &str) -> Result<TraceJob, QueryError> {
        self.look(id, account)?;
        {
            let mut book = self.book.lock();
            if book.cancel(id, now_ms()) {
                metrics::job_ended("cancelled");
            }
            metrics::jobs(&book.counts());
        }
        self.news.notify_one();
        self.look(id, account)
    }

    /// Works until `shutdown`; then all that runs is stopped.
    pub async fn run(self: Arc<Self>, state: AppState, shutdown: CancellationToken) {
        let stop = self.stop.clone().drop_guard();
        let working = async {
            loop {
                let begun = {
                    let mut book = self.book.lock();
                    for _ in 0..book.sweep(now_ms()) {
                        metrics::job_ended("expired");
                    }
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
        let task = tokio::spawn(stop.run_until_cancelled_owned(answer(state, job.question, job.progress)));
        let outcome = match task.await {
            Ok(None) => Outcome::Cancelled,
            Ok(Some(Ok(trace))) => {
                let bytes = trace.bytes();
                Outcome::Done { answer: Arc::new(trace), bytes, until_ms }
            }
            Ok(Some(Err(error))) => Outcome::Failed(error.problem()),
            Err(_) => Outcome::Failed(QueryError::Aborted.problem()),
        };
        let mut book = self.book.lock();
        if let Some(outcome) = book.end(id, outcome, now_ms()) {
            metrics::job_ended(outcome);
        }
        metrics::jobs(&book.counts());
        self.news.notify_one();
    }
}

/// When something that was read may be past that has happened since `from`: with the midnight after which it is, if that is
/// the next one. No result is kept for longer than half a day, so nobody has to look further ahead.
fn past_at(retention: Retention, from: i64, read_at: i64) -> Option<i64> {
    let next_midnight = retention.horizon(read_at) + i64::from(retention.days()) * 24 * 3600;
    (from < retention.horizon(next_midnight)).then_some(next_midnight)
}

/// The trace that a task asks for. Its release must still be in force; that it was read is written down when it is fetched.
async fn answer(state: AppState, task: Task, progress: Arc<Progress>) -> Result<TraceResponse, QueryError> {
    let Task { caller, request } = task;
    drop(permit(&state, &caller, ROUTE, request.release, request.to_read()).await?);
    inquiry::trace(state, request.question, chrono::Utc::now(), &progress).await
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
