//! How letters are shown.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use serde_json::json;

use super::correction::pretty;
use super::letters::Letter;

/// One line per letter, with a head.
#[must_use]
pub fn table(letters: &[Letter]) -> String {
    let mut rows = vec![["OFFSET", "FOUND", "ORIGIN", "SENT BACK", "REASON"].map(str::to_owned)];
    rows.extend(letters.iter().map(|letter| {
        let content = &letter.content;
        [letter.offset.to_string(), time(content.found_at), origin(letter), state(letter), content.reason.clone()]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3)];
    rows.iter().fold(String::new(), |mut text, [offset, found, origin, state, reason]| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{offset:>0$}  {found:<1$}  {origin:<2$}  {state:<3$}  {reason}",
            widths[0], widths[1], widths[2], widths[3]
        );
        text
    })
}

/// One JSON object per letter, without its key and value.
///
/// # Errors
/// Never, in fact: nothing in a letter cannot be written as JSON.
pub fn json_lines(letters: &[Letter]) -> anyhow::Result<String> {
    let mut text = String::new();
    for letter in letters {
        let content = &letter.content;
        let line = json!({
            "offset": letter.offset,
            "found_at": time(content.found_at),
            "origin": {"topic": content.topic, "partition": content.partition, "offset": content.offset},
            "reason": content.reason,
            "replays": replays(letter),
        });
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

/// Everything about one letter; `check` is what its event type says of its value today.
///
/// # Errors
/// Its key or value is not hexadecimal.
pub fn whole(letter: &Letter, check: &Result<(), String>) -> anyhow::Result<String> {
    let content = &letter.content;
    let (key, value) = (letter.key()?, letter.value()?);
    let mut text = String::new();
    writeln!(text, "letter     {}", letter.offset)?;
    writeln!(text, "found      {}", time(content.found_at))?;
    writeln!(text, "origin     {}", origin(letter))?;
    writeln!(text, "reason     {}", content.reason)?;
    for replay in &letter.replays {
        let how = if replay.corrected { "corrected" } else { "as it was" };
        let to = format!("{}/{}/{}", replay.topic, replay.partition, replay.offset);
        writeln!(text, "sent back  {} to {to}, {how}", time(replay.replayed_at))?;
    }
    let verdict = check.as_ref().map_or_else(|problem| problem.as_str(), |()| "a well-formed message of its topic");
    writeln!(text, "check      {verdict}")?;
    writeln!(text, "key        {}", readable(&key))?;
    writeln!(text, "value\n{}", readable(&pretty(&value)))?;
    Ok(text)
}

/// Text as it is, but without control characters that a terminal would obey; other bytes in hexadecimal.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect(),
        Err(_) => format!("0x{}", hex::encode(bytes)),
    }
}

fn replays(letter: &Letter) -> Vec<serde_json::Value> {
    let replay = letter.replays.iter().map(|replay| {
        json!({"at": time(replay.replayed_at), "topic": replay.topic, "partition": replay.partition,
            "offset": replay.offset, "corrected": replay.corrected})
    });
    replay.collect()
}

fn origin(letter: &Letter) -> String {
    format!("{}/{}/{}", letter.content.topic, letter.content.partition, letter.content.offset)
}

fn state(letter: &Letter) -> String {
    match letter.replays.as_slice() {
        [] => "-".to_owned(),
        [replay] => time(replay.replayed_at),
        [.., replay] => format!("{} ({} times)", time(replay.replayed_at), letter.replays.len()),
    }
}

/// A time in UTC, to the second.
pub(super) fn time(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map_or_else(|| at.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        assert_eq!(readable(b"\x1b[2Jred"), "\u{fffd}[2Jred");
        assert_eq!(readable(b"\xff\x00"), "0xff00");
    }
}
