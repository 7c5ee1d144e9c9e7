//! Rows that were refused: the first few for the summary, all of them for a file if one is asked for.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::Context;
use csv::StringRecord;

/// So many are shown.
const SHOWN: usize = 5;

/// A row that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Its line in the file.
    pub(super) line: u64,
    /// Why.
    pub(super) reason: String,
    /// The row itself, if refused rows are written out.
    pub(super) record: Option<StringRecord>,
}

/// All refusals of a run.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    first: Vec<(u64, String)>,
    count: u64,
    file: Option<csv::Writer<File>>,
}

impl Refusals {
    /// Without a file, or with one that starts anew unless an earlier run is continued.
    pub(super) fn open(path: Option<&Path>, append: bool, headers: &StringRecord) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let file = OpenOptions::new().create(true).append(append).write(true).truncate(!append).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
        if !append {
            writer.write_record(["line", "problem"].into_iter().chain(headers.iter()))?;
        }
        Ok(Self { file: Some(writer), ..Self::default() })
    }

    pub(super) fn add(&mut self, refusals: Vec<Refusal>) -> anyhow::Result<()> {
        for Refusal { line, reason, record } in refusals {
            self.count += 1;
            if let Some(file) = &mut self.file {
                let record = record.unwrap_or_default();
                file.write_record([line.to_string().as_str(), reason.as_str()].into_iter().chain(record.iter()))
                    .context("cannot write the refused rows")?;
            }
            if self.first.len() < SHOWN {
                self.first.push((line, reason));
            }
        }
        if let Some(file) = &mut self.file {
            file.flush().context("cannot write the refused rows")?;
        }
        Ok(())
    }

    /// Makes sure that all are written.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.add(Vec::new())
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, reason) in &self.first {
            writeln!(f, "    line {line}: {reason}")?;
        }
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            let hint = if self.file.is_some() { "" } else { " (--refused-file writes them all)" };
            writeln!(f, "    and {more} more{hint}")?;
        }
        Ok(())
    }
}
