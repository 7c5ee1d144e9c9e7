//! The figures, as tables and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::questions::{Aim, Question, Said};
use super::rivals::Rival;
use crate::city::CityPlan;
use crate::load::machine::{Machine, Versions};
use crate::load::report::{Percentiles, rounded};
use crate::terminal::{Table, grouped};

/// All figures of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueriesReport {
    rows: u64,
    people: u32,
    venues: u32,
    days: u16,
    seed: u64,
    peaks: Peaks,
    questions: Vec<Measured>,
    pub(super) sizes: Sizes,
    machine: Machine,
    versions: Versions,
    clickhouse: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duckdb: Option<String>,
}

/// How far above the middle the city goes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Peaks {
    /// Scans of the busiest venue on its busiest day.
    pub(super) venue_day: u64,
    /// Scans of the heaviest person on all days.
    pub(super) person: u64,
    /// Those of the person in the middle.
    pub(super) median: u64,
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Sizes {
    pub(super) scan_tables: u64,
    pub(super) plain_table: Option<u64>,
    pub(super) duckdb: Option<u64>,
}

/// What was measured of one question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    question: String,
    /// Of each person or place; none where a limit cut the answer off.
    said: Vec<Option<Said>>,
    #[serde(flatten)]
    figures: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Compared>,
}

/// What a question takes, of one answer each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Figures {
    asked: u64,
    rows_read: u64,
    bytes_read: u64,
    clickhouse_cpu_ms: f64,
    api_cpu_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// What the others took and said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Compared {
    plain: Taken,
    #[serde(skip_serializing_if = "Option::is_none")]
    duckdb: Option<Taken>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Taken {
    said: Vec<Said>,
    p50_ms: f64,
    cpu_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_read: Option<u64>,
}

impl Figures {
    pub(super) fn new(
        micros: &Histogram<u64>,
        (rows, bytes): (u64, u64),
        clickhouse_us: u64,
        api_cpu: Duration,
    ) -> Self {
        let (asked, Percentiles { p50, p99 }) = (micros.len().max(1), Percentiles::of_us(micros));
        let each_ms = |us: u64| rounded(us as f64 / asked as f64 / 1_000.0);
        Self {
            asked: micros.len(),
            rows_read: rows / asked,
            bytes_read: bytes / asked,
            clickhouse_cpu_ms: each_ms(clickhouse_us),
            api_cpu_ms: each_ms(u64::try_from(api_cpu.as_micros()).unwrap_or(u64::MAX)),
            p50_ms: p50,
            p99_ms: p99,
        }
    }
}

impl Aim {
    fn is_reached(self, figures: &Figures) -> bool {
        match self {
            Self::Rows(rows) => figures.rows_read < rows,
            Self::P99Ms(ms) => figures.p99_ms < ms,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Rows(rows) => format!("rows < {}", grouped(rows)),
            Self::P99Ms(ms) => format!("p99 < {ms} ms"),
        }
    }
}

impl Measured {
    pub(super) fn new(question: &Question, said: Vec<Option<Said>>, figures: Figures) -> Self {
        Self {
            question: question.name.clone(),
            said,
            figures,
            aim: question.aim.map(Aim::text),
            reached: question.aim.map(|aim| aim.is_reached(&figures)),
            others: None,
        }
    }

    /// How many contacts, visits or steps the answers list, on average; unknown where one was cut off.
    fn listed(&self) -> String {
        let all: Option<Vec<u64>> = self.said.iter().map(|said| said.map(|[count, ..]| count)).collect();
        all.map_or_else(|| "cut off".to_owned(), |all| grouped(all.iter().sum::<u64>() / all.len().max(1) as u64))
    }

    /// Whether the others say the same; unknown where an answer was cut off.
    fn agrees(&self) -> Option<bool> {
        let others = self.others.as_ref()?;
        let all: Vec<Said> = self.said.iter().copied().collect::<Option<_>>()?;
        Some(all == others.plain.said && others.duckdb.as_ref().is_none_or(|duckdb| all == duckdb.said))
    }
}

impl Compared {
    pub(super) fn new(plain: Rival, duckdb: Option<Rival>) -> Self {
        let taken = |Rival { said, p50_ms, cpu_ms, rows }: Rival| Taken {
            said,
            p50_ms: rounded(p50_ms),
            cpu_ms: rounded(cpu_ms),
            rows_read: rows,
        };
        Self { plain: taken(plain), duckdb: duckdb.map(taken) }
    }
}

impl QueriesReport {
    pub(super) fn new(
        (plan, peaks): (&CityPlan, Peaks),
        questions: Vec<Measured>,
        sizes: Sizes,
        (machine, versions): (Machine, Versions),
        clickhouse: String,
    ) -> Self {
        let CityPlan { people, venues, scans: rows, days, seed, .. } = *plan;
        Self { rows, people, venues, days, seed, peaks, questions, sizes, machine, versions, clickhouse, duckdb: None }
    }

    pub(super) fn compare(&mut self, question: &str, others: Compared) {
        if let Some(measured) = self.questions.iter_mut().find(|measured| measured.question == question) {
            measured.others = Some(others);
        }
    }

    /// Whether nobody says anything else than the query API.
    pub fn agree(&self) -> bool {
        self.questions.iter().all(|measured| measured.agrees() != Some(false))
    }

    /// How many questions all answered, and said the same.
    pub fn agreed(&self) -> usize {
        self.questions.iter().filter(|measured| measured.agrees() == Some(true)).count()
    }

    /// The figures for people, beside the times of an earlier run.
    pub(super) fn tables(&self, before: Option<&Self>) -> String {
        let Peaks { venue_day, person, median } = self.peaks;
        let optional = |bytes: Option<u64>, of: &str| {
            bytes.map(|bytes| format!(", {} {of}", self.per_row(bytes))).unwrap_or_default()
        };
        let mut text = format!(
            "{} scans of {} people at {} venues in {} days, seed {}; {} scans of one venue on one day, {} of one person, {} of \
             one in the middle\n{} bytes a scan on disk{}{}\n{}, {} cores, Linux {}; {}; ClickHouse {}{}\n\n",
            grouped(self.rows),
            grouped(self.people.into()),
            grouped(self.venues.into()),
            self.days,
            self.seed,
            grouped(venue_day),
            grouped(person),
            grouped(median),
            self.per_row(self.sizes.scan_tables),
            optional(self.sizes.plain_table, "in one plain table"),
            optional(self.sizes.duckdb, "in DuckDB"),
            self.machine.cpu,
            self.machine.cores,
            self.machine.kernel,
            self.versions.venuecode.as_deref().unwrap_or("venuecode of unknown version"),
            self.clickhouse,
            self.duckdb.as_ref().map(|version| format!(", DuckDB {version}")).unwrap_or_default(),
        );
        let mut headings = vec![
            "question",
            "lists",
            "rows read",
            "KiB read",
            "ClickHouse CPU ms",
            "API CPU ms",
            "p50 ms",
            "p99 ms",
            "aim",
        ];
        headings.extend(before.map(|_| "times the p50 before (aim < 1.5)"));
        let mut table = Table::new(&headings);
        for measured in &self.questions {
            let mut cells = measured.cells();
            cells.extend(before.map(|before| before.ratio(measured)));
            table.row(cells);
        }
        text.push_str(&table.render());
        if self.questions.iter().any(|measured| measured.others.is_some()) {
            let mut table = Table::new(&[
                "question",
                "p50 ms",
                "self-join p50 ms",
                "CPU ms",
                "rows read",
                "DuckDB p50 ms",
                "CPU ms",
                "answers",
            ]);
            self.questions.iter().filter_map(Measured::compared).for_each(|cells| table.row(cells));
            let _ = write!(text, "\nThe same by a self-join over one plain table, and by DuckDB\n{}", table.render());
        }
        text
    }

    fn per_row(&self, bytes: u64) -> f64 {
        (bytes as f64 / self.rows.max(1) as f64 * 10.0).round() / 10.0
    }

    /// How much longer a question takes than it did here.
    fn ratio(&self, measured: &Measured) -> String {
        let before = self.questions.iter().find(|before| before.question == measured.question);
        before.map_or_else(String::new, |before| rounded(measured.figures.p50_ms / before.figures.p50_ms).to_string())
    }
}

impl Measured {
    fn cells(&self) -> Vec<String> {
        let Figures { rows_read, bytes_read, clickhouse_cpu_ms, api_cpu_ms, p50_ms, p99_ms, .. } = self.figures;
        let reached = if self.reached == Some(true) { "reached" } else { "missed" };
        vec![
            self.question.clone(),
            self.listed(),
            grouped(rows_read),
            grouped(bytes_read / 1_024),
            clickhouse_cpu_ms.to_string(),
            api_cpu_ms.to_string(),
            p50_ms.to_string(),
            p99_ms.to_string(),
            self.aim.as_ref().map(|aim| format!("{aim}: {reached}")).unwrap_or_default(),
        ]
    }

    fn compared(&self) -> Option<Vec<String>> {
        let Compared { plain, duckdb } = self.others.as_ref()?;
        let of_duck = |number: fn(&Taken) -> f64| duckdb.as_ref().map_or_else(String::new, |d| number(d).to_string());
        let answers = match self.agrees() {
            Some(true) => "the same",
            Some(false) => "DIFFER",
            None => "cut off by a limit",
        };
        Some(vec![
            self.question.clone(),
            self.figures.p50_ms.to_string(),
            plain.p50_ms.to_string(),
            plain.cpu_ms.to_string(),
            plain.rows_read.map(grouped).unwrap_or_default(),
            of_duck(|duckdb| duckdb.p50_ms),
            of_duck(|duckdb| duckdb.cpu_ms),
            answers.to_owned(),
        ])
    }
}

#[cfg(test)]
mod tests;
