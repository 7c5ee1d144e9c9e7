//! Times as HTTP clients write and read them: RFC 3339 outside, seconds since 1970 inside.

use chrono::DateTime;
use schemas::UnixSeconds;
use serde::{Serialize, Serializer};

use crate::error::IngestError;

/// First second of the year 2000; an earlier time is a clock that was never set.
pub const YEAR_2000: UnixSeconds = 946_684_800;
/// First second of the year 2100.
pub const YEAR_2100: UnixSeconds = 4_102_444_800;

/// What a field that holds a time should hold.
pub const EXPECTED: &str = "expected an RFC 3339 time with its offset, such as 2022-06-01T12:00:00+08:00";

/// Reads the time in a field.
///
/// # Errors
/// [`IngestError::InvalidField`] when it is no RFC 3339 time.
pub fn parse_field(field: &'static str, text: &str) -> Result<UnixSeconds, IngestError> {
    parse(text).ok_or_else(|| IngestError::invalid(field, EXPECTED))
}

/// Reads an RFC 3339 time with its offset; parts of a second are cut off.
pub fn parse(text: &str) -> Option<UnixSeconds> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp())
}

/// A time that serialises as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub UnixSeconds);

impl Rfc3339 {
    /// The text, without allocation; the year has four digits for all times between 1970 and 9999.
    fn to_text(self) -> [u8; 20] {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let mut text = *b"0000-00-00T00:00:00Z";
        write_digits(&mut text[0..4], year);
        write_digits(&mut text[5..7], month);
        write_digits(&mut text[8..10], day);
        write_digits(&mut text[11..13], second / 3600);
        write_digits(&mut text[14..16], second / 60 % 60);
        write_digits(&mut text[17..19], second % 60);
        text
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_text();
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

/// Days since 1970 as a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years start in March here, so that the leap day comes last.
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn write_digits(out: &mut [u8], mut value: i64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value.rem_euclid(10)) as u8;
        value = value.div_euclid(10);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_text_is_that_of_chrono_and_reads_back(at in 0..253_402_300_800i64) {
            let text = String::from_utf8(Rfc3339(at).to_text().to_vec()).expect("ascii");
            let theirs = DateTime::from_timestamp(at, 0).expect("in range");
            prop_assert_eq!(&text, &theirs.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            prop_assert_eq!(parse(&text), Some(at));
        }
    }

    #[test]
    fn an_offset_is_needed_and_parts_of_a_second_are_cut_off() {
        assert_eq!(parse("2022-06-01T12:00:00+08:00"), Some(1_654_056_000));
        assert_eq!(parse("2022-06-01T04:00:00.999Z"), Some(1_654_056_000));
        assert_eq!(parse("2022-06-01T12:00:00"), None);
        assert_eq!(parse("1654056000"), None);
    }
}
