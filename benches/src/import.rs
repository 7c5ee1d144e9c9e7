//! `venuecode import`: scans from a CSV file to the gateway, restartable, with every problem by its line.
//!
//! The gateway derives a scan's identity from its content, so that a row sent twice is stored once. Nothing is kept
//! here but how many rows have been answered.

mod checkpoint;
mod mapping;
mod refusals;
mod source;
pub mod venues;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, FixedOffset, Utc};
use futures::StreamExt;
use schemas::{DocumentType, Method};
use tokio_stream::wrappers::ReceiverStream;

use crate::gateway::{Feed, Gateway, GatewayConfig, LineOutcome, MAX_LINES, describe};
use crate::oracle::Sighting;
use crate::terminal::{Progress, grouped, print};
use checkpoint::Checkpoint;
pub use mapping::{Mapping, MappingError, RowProblem, ScanRow, TimeUnit};
use refusals::{Refusal, Refusals};
use source::{Chunk, Source};

/// Imports scans from a CSV file
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// CSV file with a header, plain or gzip
    pub file: PathBuf,
    /// Type of the document that the person column holds the number of: id_card, passport, permit or other
    #[arg(long, default_value = "other", value_parser = document_type, value_name = "TYPE")]
    pub document_type: DocumentType,
    /// How the scans were made: venue_code, sentinel_health_code, sentinel_id_card, reverse_scan or manual
    #[arg(long, default_value = "venue_code", value_parser = method, value_name = "METHOD")]
    pub method: Method,
    /// Why others registered these people, an id of the city profile; needed with reverse_scan and manual
    #[arg(long, value_name = "ID")]
    pub offline_reason: Option<String>,
    /// Rows per request
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_LINES as i64))]
    pub batch: u16,
    /// Where it is kept how far the import is [default: FILE.progress in the current directory]
    #[arg(long, value_name = "PATH")]
    pub resume_file: Option<PathBuf>,
    /// Start at the first row even if an earlier run got further
    #[arg(long)]
    pub from_start: bool,
    /// Write the refused rows, with line and reason, to this CSV file
    #[arg(long, value_name = "PATH")]
    pub refused_file: Option<PathBuf>,
    /// Go on even if all rows of the first request are refused
    #[arg(long)]
    pub keep_going: bool,
    /// Which columns hold what.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Where scans go.
    #[command(flatten)]
    pub gateway: GatewayConfig,
}

/// Which columns hold what.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Columns")]
pub struct ColumnArgs {
    /// Column with the person's document number
    #[arg(long, default_value = "user", value_name = "COLUMN")]
    pub person_column: String,
    /// Column with the venue's number
    #[arg(long, default_value = "venue", value_name = "COLUMN")]
    pub venue_column: String,
    /// Column with the time of the scan
    #[arg(long, default_value = "time", value_name = "COLUMN")]
    pub time_column: String,
    /// How times are written: minutes, seconds, rfc3339, or a format such as "%Y-%m-%d %H:%M:%S"
    #[arg(long, default_value = "rfc3339", value_name = "UNIT")]
    pub time_unit: TimeUnit,
    /// The time that minutes or seconds count from
    #[arg(long, default_value = "1970-01-01T00:00:00Z", value_name = "RFC3339")]
    pub time_origin: DateTime<Utc>,
    /// Offset from UTC of times that are written in a format without one
    #[arg(long, default_value = "+08:00", value_name = "OFFSET", allow_hyphen_values = true)]
    pub utc_offset: FixedOffset,
    /// Character between columns
    #[arg(long, default_value = ",", value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: u8,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportSummary {
    /// Rows read, those of an interrupted earlier run included.
    pub rows: u64,
    /// Rows taken, each another scan.
    pub accepted: u64,
    /// Rows taken that are the same scan as an earlier row of this run: they are stored once.
    pub duplicate: u64,
    /// Rows refused for good.
    pub refused: u64,
}

/// Imports the file and prints a summary.
///
/// # Errors
/// When the file or the mapping cannot be used, when the gateway cannot be reached for long (the next run goes on from
/// there), or when all rows of the first request are refused.
pub async fn run(args: ImportArgs) -> anyhow::Result<ImportSummary> {
    let stop = service::shutdown::on_signal().context("cannot listen for signals")?;
    let mut import = Import::open(&args)?;
    let work = import.run();
    let stopped = tokio::select! {
        done = work => done.err(),
        () = stop.cancelled() => Some(anyhow::anyhow!("interrupted")),
    };
    match stopped {
        None => {
            import.checkpoint.remove();
            print(&import.report())?;
            Ok(import.checkpoint.summary)
        }
        Some(error) if import.checkpoint.summary.rows == 0 => Err(error),
        Some(error) => {
            import.checkpoint.save()?;
            print(&import.report())?;
            let rows = grouped(import.checkpoint.summary.rows);
            Err(error.context(format!("stopped after row {rows}; the same command goes on from there")))
        }
    }
}

/// Reads all rows of a file as sightings, without a gateway; persons keep the number that the file gives them.
///
/// # Errors
/// When the file cannot be read, or a row is not as the columns say.
pub fn read_sightings(file: &Path, columns: &ColumnArgs) -> anyhow::Result<Vec<Sighting>> {
    let mut source = Source::open(file, columns)?;
    let mut sightings = Vec::new();
    let mut record = csv::StringRecord::new();
    while source.reader.read_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = source.mapping.row(&record).with_context(|| format!("line {line}"))?;
        let person = row.person.parse().with_context(|| format!("line {line}: the person is no number"))?;
        sightings.push(Sighting { person, venue: row.venue, at: row.at });
    }
    Ok(sightings)
}

struct Import<'a> {
    args: &'a ImportArgs,
    gateway: Gateway,
    source: Option<Source>,
    refusals: Refusals,
    checkpoint: Checkpoint,
    receipts: HashSet<u64>,
    resumed_after: u64,
}

impl<'a> Import<'a> {
    fn open(args: &'a ImportArgs) -> anyhow::Result<Self> {
        let source = Source::open(&args.file, &args.columns)?;
        let checkpoint = Checkpoint::open(args, source.file_bytes)?;
        let resumed_after = checkpoint.summary.rows;
        let refusals = Refusals::open(args.refused_file.as_deref(), resumed_after > 0, &source.headers)?;
        Ok(Self {
            args,
            gateway: Gateway::try_new(&args.gateway)?,
            source: Some(source),
            refusals,
            checkpoint,
            receipts: HashSet::new(),
            resumed_after,
        })
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        let source = self.source.take().context("an import runs once")?;
        let gateway = self.gateway.clone();
        gateway.wait_ready().await?;
        let mut progress = Progress::start("rows", source.file_bytes);
        if self.resumed_after > 0 {
            eprintln!("going on after row {} of an earlier run", grouped(self.resumed_after));
        }

        let connections = usize::from(self.args.gateway.connections);
        let (sender, chunks) = tokio::sync::mpsc::channel(connections);
        let reading = source.read_chunks(self.args, self.resumed_after, sender);
        let push = |chunk: anyhow::Result<Chunk>| async {
            let chunk = chunk?;
            let outcomes = gateway.push(Feed::Scans, &chunk.batch).await?;
            anyhow::Ok((chunk, outcomes))
        };
        let mut answered = std::pin::pin!(ReceiverStream::new(chunks).map(push).buffered(connections));
        let mut first = true;
        while let Some(answer) = answered.next().await {
            let (chunk, outcomes) = answer?;
            let bytes = chunk.bytes_read;
            if std::mem::take(&mut first) {
                progress.resume_at(chunk.bytes_before, self.resumed_after);
            }
            self.account(chunk, outcomes)?;
            progress.advance_to(bytes, self.checkpoint.summary.rows);
            self.checkpoint.save_now_and_then()?;
        }
        reading.await.context("reading the file ended abnormally")?;
        self.refusals.finish()?;
        progress.finish();
        Ok(())
    }

    fn account(&mut self, chunk: Chunk, outcomes: Vec<LineOutcome>) -> anyhow::Result<()> {
        let rows = (chunk.batch.len() + chunk.refused.len()) as u64;
        let mut refused = chunk.refused;
        let mut seen_before = 0;
        for (tag, outcome) in chunk.batch.into_tags().into_iter().zip(&outcomes) {
            if let Some(problem) = &outcome.problem {
                refused.push(Refusal { line: tag.line, reason: describe(problem), record: tag.record });
            } else if let Some(receipt) = outcome.receipt {
                let (high, low) = receipt.as_u64_pair();
                seen_before += u64::from(!self.receipts.insert(high ^ low));
            }
        }
        refused.sort_by_key(|r| r.line);
        let summary = &mut self.checkpoint.summary;
        let first_chunk = summary.rows == 0;
        let refused_rows = refused.len() as u64;
        summary.rows += rows;
        summary.refused += refused_rows;
        summary.duplicate += seen_before;
        summary.accepted += rows - refused_rows - seen_before;
        self.refusals.add(refused)?;
        if first_chunk && rows > 0 && refused_rows == rows && !self.args.keep_going {
            // Nothing was taken, so the next run, with another mapping, has nothing to skip.
            *summary = ImportSummary::default();
            bail!("all of the first {rows} rows were refused, so the mapping is probably wrong:\n{}", self.refusals);
        }
        Ok(())
    }

    fn report(&self) -> String {
        let ImportSummary { rows, accepted, duplicate, refused } = self.checkpoint.summary;
        let mut text = String::from("导入 Import\n");
        for (name, number) in [("rows", rows), ("accepted", accepted), ("duplicate", duplicate), ("refused", refused)] {
            let _ = writeln!(text, "  {name:<10} {:>15}", grouped(number));
        }
        if refused > 0 {
            let _ = write!(text, "{}", self.refusals);
        }
        text
    }
}

fn document_type(text: &str) -> Result<DocumentType, String> {
    let known = [DocumentType::IdCard, DocumentType::Passport, DocumentType::Permit, DocumentType::Other];
    let words = known.map(DocumentType::as_str).join(", ");
    known.into_iter().find(|d| d.as_str() == text).ok_or(format!("expected one of {words}"))
}

fn method(text: &str) -> Result<Method, String> {
    let words = || Method::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", ");
    Method::ALL.iter().copied().find(|m| m.as_str() == text).ok_or_else(|| format!("expected one of {}", words()))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        br"\t" => Ok(b'\t'),
        _ => Err(r"expected one ASCII character, or \t".to_owned()),
    }
}

#[cfg(test)]
mod tests;
