//! The same rows in a plain table, which a self-join reads, and in DuckDB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use service::ClickHouseConfig;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::questions::{Question, Said};
use crate::polls::store::{Store, Work};

/// The columns that the questions need.
const CREATE: &str = "CREATE TABLE plain (person_id UInt64, venue_id UInt32, scanned_at Int64, district UInt32, \
     category LowCardinality(String)) ENGINE = MergeTree ORDER BY scanned_at";
const FILL: &str = "INSERT INTO plain SELECT person_id, venue_id, toInt64(toUnixTimestamp(scanned_at)), district, category \
     FROM venuecode.scans_by_venue WHERE scanned_at >= toDateTime({since:Int64}, 'UTC') \
     AND scanned_at < toDateTime({until:Int64}, 'UTC')";
const HAND_OVER: &str = "INSERT INTO FUNCTION file({path:String}, 'Parquet') \
     SELECT person_id, venue_id, scanned_at, district, toString(category) AS category FROM plain ORDER BY scanned_at \
     SETTINGS engine_file_truncate_on_insert = 1";
/// No question is asked again for longer.
const MOST: Duration = Duration::from_secs(60);

/// What one of them took for a question.
#[derive(Debug, Clone)]
pub(super) struct Rival {
    /// What it said of each instance.
    pub(super) said: Vec<Said>,
    pub(super) p50_ms: f64,
    pub(super) cpu_ms: f64,
    /// Rows read, where that is told.
    pub(super) rows: Option<u64>,
}

/// The plain table, in a database of its own; removed with [`Plain::remove`].
pub(super) struct Plain {
    clickhouse: ClickHouseConfig,
    store: Store,
    files: PathBuf,
}

impl Plain {
    /// Copies the rows of a time. `files` is the folder that ClickHouse may write into.
    pub(super) async fn fill(
        clickhouse: &ClickHouseConfig,
        files: PathBuf,
        time: &std::ops::Range<i64>,
    ) -> anyhow::Result<Self> {
        let clickhouse = ClickHouseConfig { database: "rival".to_owned(), ..clickhouse.clone() };
        let store = Store::new(clickhouse.clone());
        fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
        // The embedded engine goes by the folder that it was started in.
        let files = files.canonicalize()?;
        let plain = Self { clickhouse, store, files };
        plain.remove().await?;
        for sql in ["CREATE DATABASE rival", CREATE] {
            plain.execute(sql).await?;
        }
        let fill = plain.clickhouse.query_client().query(FILL).param("since", time.start).param("until", time.end);
        fill.execute().await.context("cannot copy the rows")?;
        plain.store.until_merged().await?;
        Ok(plain)
    }

    /// Bytes on disk.
    pub(super) async fn bytes(&self) -> anyhow::Result<u64> {
        self.store.number("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'rival'").await
    }

    /// Removes the copy.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let away =
            |error: std::io::Error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        fs::remove_file(self.parquet()).or_else(away)?;
        self.execute("DROP DATABASE IF EXISTS rival SYNC").await
    }

    /// Asks each of a question's instances, and then so many times in all.
    pub(super) async fn ask(&self, question: &Question, times: usize) -> anyhow::Result<Rival> {
        let sqls: Vec<&str> = question.instances.iter().filter_map(|instance| instance.sql.as_deref()).collect();
        let mut said = Vec::new();
        for sql in &sqls {
            said.push(self.said(sql).await.with_context(|| question.name.clone())?);
        }
        let (before, began, mut took) = (self.store.work().await?, Instant::now(), Vec::new());
        for sql in sqls.iter().cycle().take(times) {
            let start = Instant::now();
            self.said(sql).await?;
            took.push(start.elapsed().as_secs_f64() * 1_000.0);
            if began.elapsed() > MOST {
                break;
            }
        }
        let Work { rows, micros, .. } = self.store.work().await?.since(before);
        let count = took.len() as u64;
        Ok(Rival {
            said,
            p50_ms: median(&mut took),
            cpu_ms: micros as f64 / 1_000.0 / count as f64,
            rows: Some(rows / count),
        })
    }

    /// Writes the rows into a file for others.
    pub(super) async fn hand_over(&self) -> anyhow::Result<PathBuf> {
        let path = self.parquet();
        let writing = self.clickhouse.query_client().query(HAND_OVER).param("path", path.display().to_string());
        writing.execute().await.context("cannot write the Parquet file")?;
        Ok(path)
    }

    fn parquet(&self) -> PathBuf {
        self.files.join("plain.parquet")
    }

    async fn said(&self, sql: &str) -> anyhow::Result<Said> {
        let mut cursor = self.clickhouse.query_client().query(sql).fetch_bytes("TabSeparated")?;
        let line = String::from_utf8(cursor.collect().await?.to_vec())?;
        let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| anyhow::anyhow!("not three numbers: {line}"))
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        // The database of the copy may not be there.
        let server = ClickHouseConfig { database: "default".to_owned(), ..self.clickhouse.clone() };
        let of = if sql.contains("DATABASE") { &server } else { &self.clickhouse };
        of.query_client().query(sql).execute().await.with_context(|| sql.to_owned())
    }
}

/// What DuckDB tells.
#[derive(Debug, Deserialize)]
pub(super) struct Duck {
    pub(super) version: String,
    pub(super) bytes: u64,
    answers: Vec<DuckAnswer>,
}

#[derive(Debug, Deserialize)]
struct DuckAnswer {
    said: Vec<Said>,
    ms: Vec<f64>,
    cpu_ms: f64,
}

impl Duck {
    /// Asks all questions that have SQL of DuckDB, whose `python` is given, over the rows of a file.
    pub(super) async fn ask(
        python: &Path,
        parquet: &Path,
        questions: &[&Question],
        times: usize,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir_in(parquet.parent().context("no folder")?).context("no place for DuckDB")?;
        let mut command = Command::new(python);
        command.args(["-c", include_str!("rival.py")]);
        command.arg(scratch.path().join("plain.duckdb")).arg(parquet).arg(scratch.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", python.display()))?;
        let asked: Vec<_> = questions
            .iter()
            .map(|question| {
                let sqls: Vec<_> = question.instances.iter().filter_map(|instance| instance.sql.as_deref()).collect();
                json!({"sqls": sqls, "times": times})
            })
            .collect();
        let mut stdin = process.stdin.take().context("no standard input")?;
        stdin.write_all(&serde_json::to_vec(&asked)?).await?;
        drop(stdin);
        let output = process.wait_with_output().await?;
        ensure!(output.status.success(), "DuckDB ended with {}", output.status);
        let text = String::from_utf8(output.stdout)?;
        serde_json::from_str(text.lines().last().unwrap_or_default()).context("DuckDB says nothing")
    }

    /// What it took for each question, in their order.
    pub(super) fn rivals(self) -> anyhow::Result<Vec<Rival>> {
        let rival = |DuckAnswer { said, mut ms, cpu_ms }: DuckAnswer| {
            if ms.is_empty() {
                bail!("DuckDB was not asked");
            }
            let cpu_ms = cpu_ms / ms.len() as f64;
            Ok(Rival { said, p50_ms: median(&mut ms), cpu_ms, rows: None })
        };
        self.answers.into_iter().map(rival).collect()
    }
}

fn median(ms: &mut [f64]) -> f64 {
    ms.sort_unstable_by(f64::total_cmp);
    ms.get(ms.len() / 2).copied().unwrap_or(0.0)
}
