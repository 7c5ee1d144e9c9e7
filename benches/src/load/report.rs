//! The figures, as a table and as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::drive::{Outcome, Shape};
use super::machine::{Machine, Versions};
use super::overload::OverloadReport;
use crate::tables::TablesReport;
use crate::terminal::{Table, grouped};

/// All figures of a run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) gateway_cpu_us_per_empty_request: Option<f64>,
    pub(super) singles: PhaseReport,
    pub(super) batches: PhaseReport,
    pub(super) overload: OverloadReport,
    pub(super) processor_cpu_us_per_scan: Option<f64>,
    pub(super) query_cpu_us_per_request: Option<f64>,
    pub(super) freshness_ms: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tables: Option<TablesReport>,
    pub(super) machine: Machine,
    pub(super) versions: Versions,
}

/// One kind of load. CPU is absent when the process ids are not known.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PhaseReport {
    connections: u16,
    per_request: u16,
    pub(super) scans_per_s: f64,
    gateway_cpu_us_per_scan: Option<f64>,
    p50_ms: f64,
    p99_ms: f64,
    failed_requests: u64,
}

/// The middle and the tail of a distribution.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Percentiles {
    /// In milliseconds, from a histogram in microseconds.
    pub(crate) fn of_us(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| rounded(histogram.value_at_quantile(quantile) as f64 / 1000.0);
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

impl PhaseReport {
    pub(super) fn new(shape: Shape, outcome: &Outcome, gateway_us: Option<f64>) -> Self {
        let latency = Percentiles::of_us(&outcome.latency_us);
        Self {
            connections: shape.connections,
            per_request: shape.per_request,
            scans_per_s: (outcome.scans as f64 / outcome.elapsed.as_secs_f64()).round(),
            gateway_cpu_us_per_scan: gateway_us.map(rounded),
            p50_ms: latency.p50,
            p99_ms: latency.p99,
            failed_requests: outcome.failed,
        }
    }
}

impl Report {
    /// The figures for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&["load", "scans/s", "gateway CPU us/scan", "p50 ms", "p99 ms", "failed requests"]);
        for phase in [&self.singles, &self.batches] {
            table.row(vec![
                format!("connections {}, scans a request {}", phase.connections, phase.per_request),
                grouped(phase.scans_per_s as u64),
                shown(phase.gateway_cpu_us_per_scan),
                phase.p50_ms.to_string(),
                phase.p99_ms.to_string(),
                phase.failed_requests.to_string(),
            ]);
        }
        format!(
            "{}  an empty request costs the gateway {} us of CPU\n{}\n  processor CPU {} us/scan; query API CPU {} us/look-up; visible after p50 {} ms, p99 {} ms{}",
            table.render(),
            shown(self.gateway_cpu_us_per_empty_request),
            self.overload.line(),
            shown(self.processor_cpu_us_per_scan),
            shown(self.query_cpu_us_per_request),
            self.freshness_ms.p50,
            self.freshness_ms.p99,
            self.tables.as_ref().map(|tables| format!("\n{}", tables.lines())).unwrap_or_default()
        )
    }
}

fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "unknown".to_owned(), |n| rounded(n).to_string())
}

pub(crate) fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
