//! Why ClickHouse did not answer, and whose fault it is.

use clickhouse::error::Error;

use crate::QueryError;

/// A failure of the store. ClickHouse's own words are not kept: they repeat parts of the query, and with them the
/// person whom it was about. Its log has them.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    /// No answer, or one that cannot be read.
    #[error("no readable answer from clickhouse")]
    Client(#[source] Error),
    /// An exception, by its number.
    #[error("clickhouse exception {code}")]
    Exception {
        /// Number of the exception.
        code: u32,
    },
    /// A refusal that is no exception of ClickHouse, as proxies send them.
    #[error("clickhouse is not there, something else answered")]
    NotClickHouse,
    /// No answer in time, not even that the time was over.
    #[error("clickhouse does not answer")]
    Silent,
}

/// Limits: TOO_MANY_ROWS, TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES.
const LIMITS: &[u32] = &[158, 159, 160, 241, 307, 396];

/// Not able to answer now: files missing or unreadable (23, 74, 76, 107, 117, 243), no table, database, user or right
/// (60, 81, 192, 193, 194, 291, 497, 516), queue or network (202, 203, 209, 210, 279, 319, 425, 439), cancelled
/// (236, 394), Keeper and replicas (225, 242, 999), parts gone meanwhile (232, 235, 384), session (372, 373).
const NOT_NOW: &[u32] = &[
    23, 60, 74, 76, 81, 107, 117, 192, 193, 194, 202, 203, 209, 210, 225, 232, 235, 236, 242, 243, 279, 291, 319, 372,
    373, 384, 394, 425, 439, 497, 516, 999,
];

impl StoreFailure {
    /// A failure of whatever kind, without ClickHouse's own words.
    pub fn of(error: Error) -> Self {
        match error {
            Error::BadResponse(text) => {
                exception_code(&text).map_or(Self::NotClickHouse, |code| Self::Exception { code })
            }
            error => Self::Client(error),
        }
    }
}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        match error {
            Error::BadResponse(text) => match exception_code(&text) {
                Some(code) if LIMITS.contains(&code) => Self::TooExpensive(StoreFailure::Exception { code }),
                Some(code) if NOT_NOW.contains(&code) => Self::Unavailable(StoreFailure::Exception { code }),
                Some(code) => Self::Internal(StoreFailure::Exception { code }),
                None => Self::Unavailable(StoreFailure::NotClickHouse),
            },
            Error::Network(_) | Error::TimedOut => Self::Unavailable(StoreFailure::Client(error)),
            _ => Self::Internal(StoreFailure::Client(error)),
        }
    }
}

impl From<StoreFailure> for QueryError {
    fn from(failure: StoreFailure) -> Self {
        Self::Unavailable(failure)
    }
}

fn exception_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("Code: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_laid_at_the_right_door() {
        let of = |error| match QueryError::from(error) {
            QueryError::Unavailable(failure) => format!("unavailable: {failure}"),
            QueryError::TooExpensive(failure) => format!("too expensive: {failure}"),
            QueryError::Internal(failure) => format!("internal: {failure}"),
            other => format!("{other}"),
        };
        let said = |text: &str| of(Error::BadResponse(text.to_owned()));
        assert_eq!(
            said("Code: 159. DB::Exception: Timeout exceeded: person 123"),
            "too expensive: clickhouse exception 159"
        );
        assert_eq!(said("Code: 202. DB::Exception: Too many"), "unavailable: clickhouse exception 202");
        assert_eq!(said("Code: 62. DB::Exception: Syntax error"), "internal: clickhouse exception 62");
        assert_eq!(said("502 Bad Gateway"), "unavailable: clickhouse is not there, something else answered");
        assert_eq!(of(Error::TimedOut), "unavailable: no readable answer from clickhouse");
        assert_eq!(of(Error::NotEnoughData), "internal: no readable answer from clickhouse");
    }
}
