//! What an error of an insert means: that ClickHouse cannot take the rows now, or that it will never take them.
//!
//! Pure. Only what is known to be the rows' fault counts as refused. Whatever else goes wrong is waited out, however
//! long: that costs time and an alert, while a mistake the other way would send a city's scans to the dead letters
//! because a disk is full.

use clickhouse::error::Error;

/// Exceptions that say the rows themselves cannot be stored: unreadable (CANNOT_PARSE_TEXT and its kin, INCORRECT_DATA),
/// of another type (TYPE_MISMATCH, CANNOT_CONVERT_TYPE, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN), out of range
/// (ARGUMENT_OUT_OF_BOUND, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, DECIMAL_OVERFLOW, UNKNOWN_ELEMENT_OF_ENUM), too large
/// (TOO_LARGE_ARRAY_SIZE, TOO_LARGE_STRING_SIZE), against a rule of the table (VIOLATED_CONSTRAINT,
/// INVALID_PARTITION_VALUE) or of a view (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO, ILLEGAL_DIVISION).
const REFUSED: &[u32] =
    &[6, 25, 26, 27, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 153, 248, 321, 349, 376, 395, 407, 467, 469, 490, 691];
/// TOO_MANY_PARTS has two meanings: the table has too many parts, which passes, or the rows of one insert belong to too
/// many partitions, which only fewer rows mend.
const TOO_MANY_PARTS: u32 = 252;
const TOO_MANY_PARTITIONS: &str = "partitions for single INSERT block";

/// Why an insert failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is known: the rows may be stored or not. To be tried again.
    Unclear {
        /// What happened; says nothing of the rows.
        error: String,
    },
    /// These rows together will never be stored.
    Refused(Refusal),
}

/// ClickHouse's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which exception it is; says nothing of the rows.
    pub exception: String,
    /// ClickHouse's own words, which may repeat values of a row.
    pub words: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::BadResponse(words) = error else { return Self::Unclear { error: error.to_string() } };
        let Some(code) = exception_code(&words) else {
            return Self::Unclear { error: "something else than clickhouse answered".to_owned() };
        };
        let exception = format!("clickhouse exception {code} {}", exception_name(&words));
        let too_wide = code == TOO_MANY_PARTS && words.contains(TOO_MANY_PARTITIONS);
        if REFUSED.contains(&code) || too_wide {
            Self::Refused(Refusal { exception, words })
        } else {
            Self::Unclear { error: exception }
        }
    }
}

/// What ClickHouse's error may say in a log.
pub fn told(error: Error) -> String {
    match Failure::from(error) {
        Failure::Unclear { error } => error,
        Failure::Refused(refusal) => refusal.exception,
    }
}

fn exception_code(words: &str) -> Option<u32> {
    let (_, rest) = words.split_once("Code: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// The exception's name, which ClickHouse writes in brackets behind its message.
fn exception_name(words: &str) -> &str {
    let names = words.rsplit('(').filter_map(|rest| rest.split_once(')')).map(|(name, _)| name);
    let is_name = |name: &&str| name.len() > 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    names.into_iter().find(is_name).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> Failure {
        Failure::from(Error::BadResponse(words.to_owned()))
    }

    #[test]
    fn only_what_is_the_rows_fault_is_a_refusal() {
        for words in [
            "Code: 469. DB::Exception: Constraint `c` for table d.scans_in is violated at row 3. (VIOLATED_CONSTRAINT)",
            "Code: 131. DB::Exception: Too large string size. (TOO_LARGE_STRING_SIZE) (version 26.7.2.1)",
            "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 2000). (TOO_MANY_PARTS)",
        ] {
            assert!(matches!(said(words), Failure::Refused(_)), "{words}");
        }
        for words in [
            "Code: 252. DB::Exception: Too many parts (3000 with average size of 2 KiB) in table. (TOO_MANY_PARTS)",
            "Code: 241. DB::Exception: Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)",
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
            "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)",
            "Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)",
            "Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)",
            "Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)",
            "Code: 99999. DB::Exception: Something new. (SOMETHING_NEW)",
            "502 Bad Gateway",
        ] {
            assert!(matches!(said(words), Failure::Unclear { .. }), "{words}");
        }
        assert!(matches!(Failure::from(Error::TimedOut), Failure::Unclear { .. }));
    }

    /// ClickHouse quotes values, and among them a person's key.
    #[test]
    fn what_is_logged_says_nothing_of_the_rows() {
        let words = "Code: 469. DB::Exception: Constraint `c` (UInt64) is violated at row 1. Expression: (venue_id != 7). \
                     Column values: venue_id = 7, person_id = 1152921504606846977. (VIOLATED_CONSTRAINT) (version 26.7)";
        let Failure::Refused(refusal) = said(words) else { panic!("a refusal") };
        assert_eq!(refusal.exception, "clickhouse exception 469 VIOLATED_CONSTRAINT");
        assert_eq!(refusal.words, words);
        let unclear = Failure::Unclear { error: "clickhouse exception 241 MEMORY_LIMIT_EXCEEDED".to_owned() };
        assert_eq!(said("Code: 241. DB::Exception: person 5 (MEMORY_LIMIT_EXCEEDED) (official build)"), unclear);
    }
}
