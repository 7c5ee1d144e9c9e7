//! A job as it is at one time.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{QueryError, inquiry::Progress};

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
    pub(super) bytes: usize,
}

impl<Q, A> Job<Q, A> {
    /// Whether it has expired. One that was cancelled while it ran expires when its work has stopped.
    pub(super) fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| now_ms >= at_ms)
    }

    /// Whether it has ended and there is nothing to fetch.
    pub(super) fn is_without_result(&self) -> bool {
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
