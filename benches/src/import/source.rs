//! The CSV file: opened plain or gzip by its first bytes, and read in chunks on a thread of its own.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use schemas::Direction;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use super::refusals::Refusal;
use super::{ColumnArgs, ImportArgs, Mapping};
use crate::gateway::{Batch, DocumentLine, ScanLine, http_time};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is remembered of a line that was sent.
#[derive(Debug)]
pub(super) struct Tag {
    /// Its line in the file.
    pub(super) line: u64,
    /// The row itself, if refused rows are written out.
    pub(super) record: Option<StringRecord>,
}

/// Consecutive rows: those that can be sent, and those that cannot.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) batch: Batch<Tag>,
    pub(super) refused: Vec<Refusal>,
    /// Bytes of the file that were read before and after.
    pub(super) bytes_before: u64,
    pub(super) bytes_read: u64,
}

/// An opened CSV file whose header fits the mapping.
pub(super) struct Source {
    pub(super) reader: csv::Reader<Box<dyn Read + Send>>,
    pub(super) headers: StringRecord,
    pub(super) mapping: Mapping,
    pub(super) file_bytes: u64,
    bytes_read: Arc<AtomicU64>,
}

impl Source {
    pub(super) fn open(path: &Path, columns: &ColumnArgs) -> anyhow::Result<Self> {
        let (mut reader, file_bytes, bytes_read) = open_csv(path, columns.delimiter)?;
        let headers = reader.headers().with_context(|| format!("cannot read the header of {}", path.display()))?;
        let headers = headers.clone();
        let mapping = Mapping::try_new(columns, &headers).with_context(|| format!("{}", path.display()))?;
        Ok(Self { reader, headers, mapping, file_bytes, bytes_read })
    }

    /// Reads the rows after the first `skip` on a thread, as fast as the receiver takes them.
    pub(super) fn read_chunks(
        mut self,
        args: &ImportArgs,
        skip: u64,
        sender: Sender<anyhow::Result<Chunk>>,
    ) -> JoinHandle<()> {
        let args = args.clone();
        tokio::task::spawn_blocking(move || {
            let mut record = StringRecord::new();
            for _ in 0..skip {
                // Broken rows count as rows here as they did the first time.
                if matches!(self.reader.read_record(&mut record), Ok(false)) {
                    break;
                }
            }
            loop {
                let chunk = self.chunk(&args);
                let last = !matches!(&chunk, Ok(Some(_)));
                let closed = chunk.transpose().is_some_and(|chunk| sender.blocking_send(chunk).is_err());
                if last || closed {
                    return;
                }
            }
        })
    }

    /// The next chunk, or `None` at the end of the file.
    fn chunk(&mut self, args: &ImportArgs) -> anyhow::Result<Option<Chunk>> {
        let bytes_before = self.bytes_read.load(Ordering::Relaxed);
        let mut chunk = Chunk { batch: Batch::default(), refused: Vec::new(), bytes_before, bytes_read: bytes_before };
        let mut record = StringRecord::new();
        let keep = |record: &StringRecord| args.refused_file.is_some().then(|| record.clone());
        while chunk.batch.len() + chunk.refused.len() < usize::from(args.batch) {
            let line = self.reader.position().line();
            match self.reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                    chunk.refused.push(Refusal { line, reason: "is not UTF-8 text".to_owned(), record: None });
                    continue;
                }
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", args.file.display())),
            }
            let line = record.position().map_or(line, csv::Position::line);
            match self.mapping.row(&record) {
                Ok(row) => {
                    let scan = ScanLine {
                        code: None,
                        venue: Some(row.venue),
                        document: DocumentLine { kind: args.document_type, number: row.person },
                        method: args.method,
                        direction: Direction::Entry,
                        scanned_at: Some(http_time(row.at)),
                        offline_reason: args.offline_reason.as_deref(),
                    };
                    chunk.batch.push(&scan, Tag { line, record: keep(&record) })?;
                }
                Err(problem) => {
                    chunk.refused.push(Refusal { line, reason: problem.to_string(), record: keep(&record) });
                }
            }
        }
        chunk.bytes_read = self.bytes_read.load(Ordering::Relaxed);
        Ok((chunk.batch.len() + chunk.refused.len() > 0).then_some(chunk))
    }
}

type CsvReader = csv::Reader<Box<dyn Read + Send>>;

/// A CSV reader over a plain or gzip file, the file's size, and a counter of its bytes read so far.
pub(super) fn open_csv(path: &Path, delimiter: u8) -> anyhow::Result<(CsvReader, u64, Arc<AtomicU64>)> {
    let cannot_open = || format!("cannot open {}", path.display());
    let mut file = File::open(path).with_context(cannot_open)?;
    let file_bytes = file.metadata().with_context(cannot_open)?.len();
    let mut magic = [0; 2];
    let gzip = file.read_exact(&mut magic).is_ok() && magic == GZIP_MAGIC;
    file.rewind().with_context(|| format!("cannot read {}: expected a file, not a pipe", path.display()))?;
    let bytes_read = Arc::new(AtomicU64::new(0));
    let counted = BufReader::with_capacity(1 << 16, Counted { file, bytes_read: Arc::clone(&bytes_read) });
    let text: Box<dyn Read + Send> = if gzip { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
    let reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
    Ok((reader, file_bytes, bytes_read))
}

struct Counted {
    file: File,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
