//! Ten times what the gateway takes, from many clients at once, sent whether or not answers come (an open loop); then an
//! ordinary load again, to see how soon all is well.
//!
//! The load generator has one thread of the same machine: what it cannot send because all of its connections wait is
//! counted as not sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use hyper::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::drive::{Connection, DEVICES, LONGEST_US, accepted};
use super::report::{Percentiles, rounded};
use super::{Load, cpu::Process};

/// How many times what it takes the gateway is offered.
const TIMES: f64 = 10.0;
const SINGLE_CONNECTIONS: usize = 512;
const BATCH_CONNECTIONS: usize = 128;
/// The ordinary load, as a part of what it takes.
const ORDINARY: f64 = 0.25;
const BEFORE: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(2);
/// An answer that takes longer than this is not well.
const WELL_MS: f64 = 100.0;

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct OverloadReport {
    capacity_scans_per_s: f64,
    offered_scans_per_s: f64,
    sent_scans_per_s: f64,
    accepted_scans_per_s: f64,
    /// Requests, and lines of batches, by status.
    shed_per_s: BTreeMap<String, f64>,
    single_ms: Percentiles,
    batch_ms: Percentiles,
    ordinary_single_ms: Percentiles,
    gateway_rss_max_mib: Option<f64>,
    gateway_cpu_cores: Option<f64>,
    /// Seconds until nothing was shed and answers came in time; `None` when that did not happen.
    recovered_after_s: Option<usize>,
}

/// What became of an ordinary load.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// Scans.
    pub(crate) sent: u64,
    /// Scans for which no connection was idle.
    pub(crate) not_sent: u64,
    pub(crate) accepted: u64,
    /// Requests by status.
    pub(crate) shed: BTreeMap<String, u64>,
    pub(crate) answer_ms: Percentiles,
}

/// One second of it.
#[derive(Debug)]
struct Second {
    sent: u64,
    not_sent: u64,
    accepted: u64,
    shed: BTreeMap<String, u64>,
    single_us: Histogram<u64>,
    batch_us: Histogram<u64>,
}

/// Requests per second.
#[derive(Debug, Clone, Copy)]
struct Rates {
    singles: f64,
    batches: f64,
}

/// Measures, and adds what was accepted to `sent`.
pub(super) async fn measure(
    load: &Load<'_>,
    capacity: f64,
    per_request: u16,
    sent: &mut u64,
) -> anyhow::Result<OverloadReport> {
    let ordinary = Rates { singles: capacity * ORDINARY, batches: 0.0 };
    let singles = capacity;
    let overload = Rates { singles, batches: (TIMES * capacity - singles) / f64::from(per_request) };
    let offered = overload.singles + overload.batches * f64::from(per_request);
    eprintln!("overload: {offered:.0} scans/s offered for {} s, from {DEVICES} devices", load.seconds.as_secs());
    let lanes = Lanes::new(load, per_request);
    let before = sum(lanes.offer(ordinary, BEFORE).await?)?;
    let gateway = load.processes.gateway.as_ref();
    let cpu = gateway.map(Process::cpu).transpose()?;
    let started = Instant::now();
    let during = sum(lanes.offer(overload, load.seconds).await?)?;
    let elapsed_s = started.elapsed().as_secs_f64();
    let cpu = gateway.map(Process::cpu).transpose()?.zip(cpu).map(|(now, then)| (now - then).as_secs_f64() / elapsed_s);
    let after = lanes.offer(ordinary, AFTER).await?;
    let is_well = |second: &Second| {
        second.accepted > 0
            && second.shed.is_empty()
            && second.not_sent == 0
            && Percentiles::of_us(&second.single_us).p99 <= WELL_MS
    };
    let recovered = after.iter().position(is_well);
    let after = sum(after)?;
    *sent += before.accepted + during.accepted + after.accepted;
    let seconds = load.seconds.as_secs_f64();
    Ok(OverloadReport {
        capacity_scans_per_s: capacity.round(),
        offered_scans_per_s: offered.round(),
        sent_scans_per_s: (during.sent as f64 / seconds).round(),
        accepted_scans_per_s: (during.accepted as f64 / seconds).round(),
        shed_per_s: during.shed.iter().map(|(status, n)| (status.clone(), (*n as f64 / seconds).round())).collect(),
        single_ms: Percentiles::of_us(&during.single_us),
        batch_ms: Percentiles::of_us(&during.batch_us),
        ordinary_single_ms: Percentiles::of_us(&before.single_us),
        gateway_rss_max_mib: gateway.map(Process::rss_max_mib).transpose()?.map(rounded),
        gateway_cpu_cores: cpu.map(rounded),
        recovered_after_s: recovered,
    })
}

/// Offers so many single scans a second for a time.
pub(super) async fn offer(load: &Load<'_>, rate: f64, duration: Duration) -> anyhow::Result<Offered> {
    let second = sum(Lanes::new(load, 1).offer(Rates { singles: rate, batches: 0.0 }, duration).await?)?;
    let Second { sent, not_sent, accepted, shed, single_us, .. } = second;
    Ok(Offered { sent, not_sent, accepted, shed, answer_ms: Percentiles::of_us(&single_us) })
}

/// Idle connections of both kinds.
struct Lanes<'a> {
    load: &'a Load<'a>,
    per_request: u16,
    singles: RefCell<Vec<Connection<'a>>>,
    batches: RefCell<Vec<Connection<'a>>>,
}

impl<'a> Lanes<'a> {
    fn new(load: &'a Load<'a>, per_request: u16) -> Self {
        let connections = |count: usize| {
            let device = |n: usize| (n % usize::from(DEVICES)) as u8;
            RefCell::new((0..count).map(|n| Connection::of_device(&load.target, device(n))).collect())
        };
        let (singles, batches) = (connections(SINGLE_CONNECTIONS), connections(BATCH_CONNECTIONS));
        Self { load, per_request, singles, batches }
    }

    /// Sends at these rates for a time, waits for the last answers, and tells what became of each second's requests.
    async fn offer(&self, rates: Rates, duration: Duration) -> anyhow::Result<Vec<Second>> {
        self.load.bodies.renew();
        let count = duration.as_secs().max(1) as usize;
        let seconds = (0..count).map(|_| Second::new().map(RefCell::new)).collect::<anyhow::Result<Vec<_>>>()?;
        let (start, mut tick) = (Instant::now(), tokio::time::interval(TICK));
        let (mut singles, mut batches) = (0, 0);
        let mut under_way = FuturesUnordered::new();
        while start.elapsed() < duration {
            tokio::select! {
                _ = tick.tick() => {}
                Some(()) = under_way.next() => continue,
            }
            let elapsed = start.elapsed().as_secs_f64();
            let second = &seconds[(elapsed as usize).min(count - 1)];
            while singles < (rates.singles * elapsed) as u64 {
                singles += 1;
                under_way.extend(self.request(1, second));
            }
            while batches < (rates.batches * elapsed) as u64 {
                batches += 1;
                under_way.extend(self.request(self.per_request, second));
            }
        }
        while under_way.next().await.is_some() {}
        drop(under_way);
        Ok(seconds.into_iter().map(RefCell::into_inner).collect())
    }

    /// Sends a request if a connection is idle.
    fn request<'f>(
        &'f self,
        scans: u16,
        second: &'f RefCell<Second>,
    ) -> Option<impl Future<Output = ()> + use<'f, 'a>> {
        let is_batch = scans > 1;
        let lane = if is_batch { &self.batches } else { &self.singles };
        let Some(mut connection) = lane.borrow_mut().pop() else {
            second.borrow_mut().not_sent += u64::from(scans);
            return None;
        };
        second.borrow_mut().sent += u64::from(scans);
        let body = self.load.bodies.next(scans);
        Some(async move {
            let sent = Instant::now();
            let answer = connection.post(body, is_batch).await;
            let took_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LONGEST_US);
            lane.borrow_mut().push(connection);
            let mut second = second.borrow_mut();
            let mut shed = |status: String, count: u64| *second.shed.entry(status).or_default() += count;
            match answer {
                Ok((StatusCode::OK, answer)) => {
                    let taken = if is_batch { accepted(&answer).unwrap_or_default() } else { 1 };
                    if taken < u64::from(scans) {
                        shed("503 lines".to_owned(), u64::from(scans) - taken);
                    }
                    second.accepted += taken;
                    let latency = if is_batch { &mut second.batch_us } else { &mut second.single_us };
                    latency.saturating_record(took_us);
                }
                Ok((status, _)) => shed(status.as_u16().to_string(), 1),
                Err(_) => shed("connection".to_owned(), 1),
            }
        })
    }
}

impl Second {
    fn new() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_max(LONGEST_US, 3);
        let (single_us, batch_us) = (histogram()?, histogram()?);
        Ok(Self { sent: 0, not_sent: 0, accepted: 0, shed: BTreeMap::new(), single_us, batch_us })
    }
}

fn sum(seconds: Vec<Second>) -> anyhow::Result<Second> {
    let mut sum = Second::new()?;
    for second in seconds {
        sum.sent += second.sent;
        sum.not_sent += second.not_sent;
        sum.not_sent += second.not_sent;
        sum.accepted += second.accepted;
        second.shed.into_iter().for_each(|(status, count)| *sum.shed.entry(status).or_default() += count);
        sum.single_us.add(&second.single_us)?;
        sum.batch_us.add(&second.batch_us)?;
    }
    Ok(sum)
}

impl OverloadReport {
    /// The figures for people.
    pub(super) fn line(&self) -> String {
        let shed: Vec<_> = self.shed_per_s.iter().map(|(status, count)| format!("{status}: {count}/s")).collect();
        let unknown = || "unknown".to_owned();
        format!(
            "  overload: offered {} scans/s, sent {}, accepted {}; shed {}; accepted singles p50 {} ms, p99 {} ms (ordinary \
             load: {} and {}), batches p50 {} ms, p99 {} ms; gateway at most {} MiB, {} cores; recovered {}",
            self.offered_scans_per_s,
            self.sent_scans_per_s,
            self.accepted_scans_per_s,
            if shed.is_empty() { "nothing".to_owned() } else { shed.join(", ") },
            self.single_ms.p50,
            self.single_ms.p99,
            self.ordinary_single_ms.p50,
            self.ordinary_single_ms.p99,
            self.batch_ms.p50,
            self.batch_ms.p99,
            self.gateway_rss_max_mib.map_or_else(unknown, |mib| mib.to_string()),
            self.gateway_cpu_cores.map_or_else(unknown, |cores| cores.to_string()),
            self.recovered_after_s.map_or_else(|| "not at all".to_owned(), |s| format!("within {} s", s + 1)),
        )
    }
}
