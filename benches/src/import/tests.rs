//! Reading, resuming and counting, without a gateway: its answers are made up here, their meaning is not.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    import: ImportArgs,
}

/// A directory with `scans.csv`, and arguments that import it.
struct Setup {
    directory: TempDir,
    file: PathBuf,
}

impl Setup {
    fn new(content: &[u8]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("scans.csv");
        std::fs::write(&file, content).expect("writable");
        Self { directory, file }
    }

    fn args(&self, more: &[&str]) -> ImportArgs {
        let progress = self.directory.path().join("progress");
        let fixed = ["import".into(), self.file.clone().into_os_string(), "--resume-file".into(), progress.into()];
        let given = ["--time-column", "second", "--time-unit", "seconds"].iter().chain(more).map(Into::into);
        Cli::try_parse_from(fixed.into_iter().chain(given)).expect("valid arguments").import
    }

    async fn chunks(&self, more: &[&str], skip: u64) -> Vec<Chunk> {
        let args = self.args(more);
        let source = Source::open(&args.file, &args.columns).expect("opens");
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let reading = source.read_chunks(&args, skip, sender);
        let mut chunks = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            chunks.push(chunk.expect("readable"));
        }
        reading.await.expect("ends");
        chunks
    }
}

const ROWS: &[u8] = b"user,venue,second\n1,7,60\n2,x,61\n\"3\n\",7,62\n4,7\n\xff,7,64\n6,7,65\n";

/// Lines that can be sent, and lines that cannot, of all chunks.
fn lines(chunks: &[Chunk]) -> (Vec<u64>, Vec<u64>) {
    let sent = chunks.iter().flat_map(|c| c.batch.tags()).map(|tag| tag.line).collect();
    (sent, chunks.iter().flat_map(|c| &c.refused).map(|r| r.line).collect())
}

fn accepted(line: usize, receipt: u128) -> LineOutcome {
    let receipt = uuid::Uuid::from_u128(receipt);
    serde_json::from_value(json!({"line": line, "receipt": receipt, "verdict": "recorded", "colour": "unknown"}))
        .expect("an outcome")
}

fn refused(line: usize) -> LineOutcome {
    let problem = json!({"type": "urn:x", "title": "unknown venue", "status": 404, "field": "venue"});
    serde_json::from_value(json!({"line": line, "problem": problem})).expect("an outcome")
}

#[tokio::test]
async fn rows_keep_their_lines_and_a_gzip_file_is_read_as_a_plain_one() {
    let expected = (vec![2, 4, 8], vec![3, 6, 7]);
    let plain = Setup::new(ROWS);
    assert_eq!(lines(&plain.chunks(&[], 0).await), expected);
    assert_eq!(lines(&plain.chunks(&["--batch", "2"], 0).await), expected);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(ROWS).expect("in memory");
    let gzip = Setup::new(&gzip.finish().expect("in memory"));
    assert_eq!(lines(&gzip.chunks(&[], 0).await), expected);
    assert_eq!(gzip.chunks(&[], 0).await[0].bytes_read, std::fs::metadata(&gzip.file).expect("is there").len());
}

#[tokio::test]
async fn a_resumed_import_reads_exactly_the_rest() {
    let setup = Setup::new(ROWS);
    let all = setup.chunks(&["--batch", "1"], 0).await;
    for skip in 0..=all.len() {
        let rest = setup.chunks(&["--batch", "1"], skip as u64).await;
        assert_eq!(lines(&rest), lines(&all[skip..]), "after {skip} rows");
    }
}

#[tokio::test]
async fn every_row_is_counted_once_as_accepted_duplicate_or_refused() {
    let setup = Setup::new(ROWS);
    let file = setup.directory.path().join("refused.csv");
    let args = setup.args(&["--refused-file", file.to_str().expect("UTF-8")]);
    let mut import = Import::open(&args).expect("opens");
    let chunk = setup.chunks(&["--refused-file", "x"], 0).await.remove(0);
    import.account(chunk, vec![accepted(1, 5), accepted(2, 5), refused(3)]).expect("goes on");
    let expected = ImportSummary { rows: 6, accepted: 1, duplicate: 1, refused: 4 };
    assert_eq!(import.checkpoint.summary, expected);
    import.refusals.finish().expect("writable");
    let written = std::fs::read_to_string(&file).expect("written");
    let last = written.lines().last().expect("rows");
    assert_eq!(last, "8,venue: unknown venue,6,7,65", "by line, with the row itself:\n{written}");
    assert!(import.report().contains("line 3: column `venue`: `x` is no venue number"), "{}", import.report());
}

#[tokio::test]
async fn a_first_request_of_which_nothing_is_taken_stops_the_import() {
    let setup = Setup::new(b"user,venue,second\n1,7,60\n");
    let (args, keep_going) = (setup.args(&[]), setup.args(&["--keep-going"]));
    let mut import = Import::open(&args).expect("opens");
    let error = import.account(setup.chunks(&[], 0).await.remove(0), vec![refused(1)]).unwrap_err().to_string();
    assert!(error.contains("the mapping is probably wrong:\n    line 2: venue: unknown venue"), "{error}");
    assert_eq!(import.checkpoint.summary, ImportSummary::default(), "the next run begins at the first row");
    let mut import = Import::open(&keep_going).expect("opens");
    import.account(setup.chunks(&[], 0).await.remove(0), vec![refused(1)]).expect("goes on");
}

#[test]
fn progress_is_kept_for_the_same_import_only() {
    let setup = Setup::new(ROWS);
    let mut first = Checkpoint::open(&setup.args(&[]), 100).expect("opens");
    assert_eq!(first.summary.rows, 0);
    first.summary = ImportSummary { rows: 3, accepted: 1, duplicate: 1, refused: 1 };
    first.save().expect("writable");
    assert_eq!(Checkpoint::open(&setup.args(&[]), 100).expect("opens").summary, first.summary);
    assert_eq!(Checkpoint::open(&setup.args(&["--from-start"]), 100).expect("opens").summary.rows, 0);
    for (more, bytes) in [(&["--utc-offset", "+09:00"][..], 100), (&["--gateway", "http://other"], 100), (&[], 101)] {
        let error = Checkpoint::open(&setup.args(more), bytes).map(|c| c.summary.rows).unwrap_err().to_string();
        assert!(error.contains("is the progress of another import"), "{more:?}: {error}");
    }
    first.remove();
    assert_eq!(Checkpoint::open(&setup.args(&[]), 100).expect("opens").summary.rows, 0);
}
