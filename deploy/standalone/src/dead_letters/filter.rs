//! Which letters are meant.

use chrono::{DateTime, Utc};
use clap::Args;
use service::KafkaConfig;

use super::letters::Letter;

/// Filters; a letter must pass all of them.
#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only letters of this topic, with or without the prefix.
    #[arg(long)]
    topic: Option<String>,
    /// Only letters whose reason has this text in it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only letters found since then: a time (2026-11-20T08:00:00+08:00) or how long ago (30m, 12h, 2d).
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Since>,
    /// Only letters that were not sent back yet.
    #[arg(long)]
    pending: bool,
}

/// A moment, or its distance from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(DateTime<Utc>),
    Ago(std::time::Duration),
}

impl Filter {
    /// Removes the letters that are not meant.
    pub fn apply(&self, letters: &mut Vec<Letter>, kafka: &KafkaConfig, now: DateTime<Utc>) {
        let since = self.since.map(|since| match since {
            Since::At(at) => at.timestamp(),
            Since::Ago(ago) => now.timestamp().saturating_sub_unsigned(ago.as_secs()),
        });
        letters.retain(|letter| {
            let content = &letter.content;
            let bare = content.topic.strip_prefix(&kafka.topic_prefix).unwrap_or(&content.topic);
            self.topic.as_ref().is_none_or(|topic| *topic == content.topic || topic == bare)
                && self.reason.as_ref().is_none_or(|text| content.reason.contains(text))
                && since.is_none_or(|since| content.found_at >= since)
                && (!self.pending || letter.replays.is_empty())
        });
    }
}

fn parse_since(text: &str) -> Result<Since, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(at.to_utc()));
    }
    humantime::parse_duration(text)
        .map(Since::Ago)
        .map_err(|_| "neither a time as in 2026-11-20T08:00:00+08:00 nor a duration as in 30m, 12h or 2d".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use schemas::events::{DeadLetter, DeadLetterReplay};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        kafka: KafkaConfig,
    }

    fn letter(offset: i64, topic: &str, reason: &str, found_at: i64) -> Letter {
        let (topic, reason) = (topic.to_owned(), reason.to_owned());
        let (key_hex, value_hex) = (String::new(), String::new());
        let content = DeadLetter { v: 1, topic, partition: 0, offset, reason, found_at, key_hex, value_hex };
        Letter { offset, content, replays: Vec::new() }
    }

    fn passing(arguments: &[&str]) -> Vec<i64> {
        let cli = Cli::parse_from(["list", "--topic-prefix", "p."].iter().chain(arguments));
        let mut letters = vec![
            letter(1, "p.scans", "field `venue`: venue 7 is not in the directory", 1_000),
            letter(2, "p.health", "not a message of this topic", 9_000),
            letter(3, "p.scans", "not a message of this topic", 9_500),
        ];
        let topic = "p.scans".to_owned();
        let replay = DeadLetterReplay {
            v: 1,
            replay_of: 3,
            topic,
            partition: 0,
            offset: 4,
            corrected: true,
            replayed_at: 9_900,
        };
        letters[2].replays.push(replay);
        cli.filter.apply(&mut letters, &cli.kafka, DateTime::from_timestamp(10_000, 0).expect("a time"));
        letters.iter().map(|letter| letter.offset).collect()
    }

    #[test]
    fn a_letter_must_pass_every_filter() {
        assert_eq!(passing(&[]), [1, 2, 3]);
        assert_eq!(passing(&["--topic", "scans"]), [1, 3]);
        assert_eq!(passing(&["--topic", "p.scans", "--reason", "directory"]), [1]);
        assert_eq!(passing(&["--since", "20m"]), [2, 3]);
        assert_eq!(passing(&["--since", "1970-01-01T02:38:00Z"]), [3]);
        assert_eq!(passing(&["--pending"]), [1, 2]);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        assert!(parse_since("yesterday").is_err());
    }
}
