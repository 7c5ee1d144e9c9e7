//! What can go wrong with a request; [`told`] is how the client hears of it.

mod told;

use std::sync::Arc;

use schemas::access::Limit;

use crate::{
    poster::{PressError, ShopError, Unprintable},
    release::Lack,
    store::StoreFailure,
};

/// Why a request was not answered. No message repeats a value that was sent: it may be a person.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    MalformedJson(#[source] serde_json::Error),
    /// The body could not be read to its end.
    #[error("the body could not be read to its end")]
    BrokenBody,
    /// The body is longer than any question needs.
    #[error("the body is longer than {limit_bytes} bytes")]
    BodyTooLarge {
        /// What is accepted.
        limit_bytes: usize,
    },
    /// The body is not declared as JSON.
    #[error("expected a body of content type application/json")]
    UnsupportedMediaType,
    /// A field or query parameter that this route does not have.
    #[error("not a field of this request; it has {known}")]
    UnknownField {
        /// Name that was sent.
        field: String,
        /// Names that there are.
        known: String,
    },
    /// A field or query parameter that must be there.
    #[error("missing: expected {expected}")]
    MissingField {
        /// Its name.
        field: &'static str,
        /// What would be right.
        expected: String,
    },
    /// A field or query parameter with a value that cannot be used.
    #[error("expected {expected}")]
    InvalidField {
        /// Its name.
        field: &'static str,
        /// What would be right.
        expected: String,
    },
    /// The registry has decided no such application.
    #[error("no such application is decided; one that was sent is here within a second or two")]
    UnknownApplication,
    /// Nobody has asked for such a release.
    #[error("there is no such release; one that was asked for is here within a second or two")]
    UnknownRelease,
    /// Nobody has sent such a reminder, or not to whoever asks.
    #[error("there is no such reminder; one that was sent is here within a second or two")]
    UnknownReminder,
    /// Nobody has asked for such an erasure.
    #[error("there is no such erasure; one that was asked for is here within a second or two")]
    UnknownErasure,
    /// There is no report yet.
    #[error("the erasure was not carried out yet, so there is no report: GET /v1/erasures/ID says how far it is")]
    ErasureNotDone,
    /// Our own mistake in signing a report.
    #[error("an error on our side")]
    Unsigned,
    /// Reading this takes a release by another account.
    #[error(transparent)]
    Unreleased(#[from] Lack),
    /// What is read cannot be written down, so it is not answered.
    #[error("the audit log is temporarily not available, and nothing is read without it")]
    NotAudited(#[source] Arc<StoreFailure>),
    /// This instance has no keys to open identities with.
    #[error("this service has no keys of identities: nobody's identity is opened here")]
    IdentitiesClosed,
    /// There is no such job, or it is another account's.
    #[error("there is no such job of yours")]
    UnknownJob,
    /// The job was, and its time is over.
    #[error("this job has expired, or has given way to newer ones: ask again with POST /v1/traces/jobs")]
    ExpiredJob,
    /// The job ended with its service.
    #[error(
        "this job is lost: jobs end with their service, and it has started anew, or another one has answered; ask again with POST /v1/traces/jobs"
    )]
    LostJob,
    /// There is no result to fetch.
    #[error("there is no result: the job is {state}; GET /v1/traces/jobs/ID says more")]
    NoResult {
        /// How far the job is.
        state: &'static str,
    },
    /// The account has as many jobs as it may.
    #[error("you have as many jobs as may be: delete one, or wait until one expires")]
    TooManyJobs,
    /// As many jobs wait as may.
    #[error("as many jobs wait as may")]
    JobsFull,
    /// The result of a job is larger than what memory is left for results.
    #[error("{}", .0.as_str())]
    ResultsFull(NoRoom),
    /// The job took longer than a job may.
    #[error("the job took longer than the {limit_s} s that a job may: choose a shorter time or fewer hops")]
    LongJob {
        /// What a job may take.
        limit_s: u32,
    },
    /// While the job ran, scans that it has read have become past.
    #[error(
        "a midnight has come while the job ran, and some of the scans that it has read are no longer kept: ask again"
    )]
    PastJob,
    /// Somebody was erased since the job began to read.
    #[error("somebody was erased since the job began, who may be in its result: ask again")]
    OutdatedJob,
    /// As many files leave as may.
    #[error("as many files are being sent as may")]
    ExportsFull,
    /// The token is limited in a way that leaves this out.
    #[error("the token is limited by its `{}`, which leaves this out", limit.as_str())]
    OutOfScope {
        /// What is left out.
        field: &'static str,
        /// By which limit.
        limit: Limit,
    },
    /// No book has such an alert.
    #[error("there is no such alert")]
    UnknownAlert,
    /// No loop has such a trip.
    #[error("there is no such trip; one that was declared is here within a second or two")]
    UnknownTrip,
    /// There is no such bulk change of health codes.
    #[error("there is no such bulk change; one that was made is here within a second or two")]
    UnknownHealthProposal,
    /// The step is too small for the time range.
    #[error("from, to and step make {buckets} buckets, at most {limit} are answered: choose a larger step")]
    TooManyBuckets {
        /// Steps between `from` and `to`.
        buckets: u64,
        /// What is accepted.
        limit: u64,
    },
    /// More people were near than one trace can look at.
    #[error("more than {limit} {} would have to be looked at for these visits: choose a shorter time{}", what.as_str(), or_window(*has_window))]
    TraceTooLarge {
        /// What there are too many of.
        what: TooMany,
        /// How many are looked at.
        limit: u64,
        /// Whether a smaller window can be chosen: not with dwell times.
        has_window: bool,
    },
    /// The directory does not have the venue.
    #[error("no venue has this number")]
    UnknownVenue {
        /// Where it was named.
        field: &'static str,
    },
    /// The venue is closed or withdrawn.
    #[error("this venue's code is revoked: there is no poster of it")]
    RevokedVenue {
        /// Where it was named.
        field: &'static str,
    },
    /// The venue was stored by an older version, without its issue number.
    #[error("the issue number of this venue's code is not stored yet: the processor does so when it starts")]
    IssueUnknown,
    /// A text of the poster has a character that the fonts lack.
    #[error("{0}: change the venue's data")]
    Unprintable(Unprintable),
    /// There are no fonts for posters.
    #[error("posters are not available: run deploy/fonts/fetch.sh, and start the service with --fonts and its folder")]
    NoPosters(#[source] ShopError),
    /// Our own mistake in printing a poster.
    #[error("an error on our side")]
    Unprinted(#[source] ShopError),
    /// The tables have not been seen yet.
    #[error("not ready: /readyz says what is missing")]
    NotReady,
    /// All slots stayed taken.
    #[error("too many requests are being answered")]
    Overloaded,
    /// As many live streams are open as may be.
    #[error("as many live streams are open as may be, in all or with your tokens: close one")]
    TooManyListeners,
    /// ClickHouse is out of reach, refuses to work, or answers nothing.
    #[error("the scan store is temporarily not available")]
    Unavailable(#[source] StoreFailure),
    /// ClickHouse gave the query up at its limit of time or memory.
    #[error("the query was given up at its limit of time or memory: choose a shorter time, or try again later")]
    TooExpensive(#[source] StoreFailure),
    /// Our own mistake in asking or reading.
    #[error("an error on our side")]
    Internal(#[source] StoreFailure),
    /// Our own mistake: the handler ended abnormally.
    #[error("an error on our side")]
    Aborted,
}

/// Beside what the result of a job has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// It is larger than what an account may have.
    Alone,
    /// The account's other results.
    BesideOwn,
    /// Those of other accounts.
    BesideOthers,
}

impl NoRoom {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => {
                "the result is larger than an account's room for results: choose a shorter time or fewer hops"
            }
            Self::BesideOwn => {
                "the result has no room beside your other results: delete them, or wait until they expire"
            }
            Self::BesideOthers => {
                "the result has no room beside those of other accounts, until some of these are deleted or expire"
            }
        }
    }
}

/// What there can be too much of for one trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// Scans that are read.
    Scans,
    /// Pairs of stays that are looked at.
    Pairs,
}

impl TooMany {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scans => "scans of others",
            Self::Pairs => "pairs of stays",
        }
    }
}

const fn or_window(has_window: bool) -> &'static str {
    if has_window { " or a smaller window" } else { "" }
}

impl QueryError {
    /// What the store says, which knows of no window.
    pub(crate) const fn too_many_scans(limit: usize) -> Self {
        Self::TraceTooLarge { what: TooMany::Scans, limit: limit as u64, has_window: false }
    }
}

impl From<ShopError> for QueryError {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::Full => Self::Overloaded,
            ShopError::NoFonts | ShopError::Fonts(_) => Self::NoPosters(error),
            ShopError::Press(PressError::Unprintable(unprintable)) => Self::Unprintable(unprintable),
            ShopError::Press(_) | ShopError::Aborted => Self::Unprinted(error),
        }
    }
}

#[cfg(test)]
mod tests;
