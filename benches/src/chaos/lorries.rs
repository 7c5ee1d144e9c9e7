//! Lorries under way: each declares a trip, is scanned at the checkpoint and at its destination. Some were declared by
//! nobody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use rand::{Rng, rngs::StdRng};
use reqwest::Url;
use schemas::access::Role;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::book::{CHECKPOINT, DESTINATION, Lorry};
use super::load::Load;
use super::stack::Stack;
use crate::gateway::http_time;

/// Time between two lorries.
pub(super) const EVERY: Duration = Duration::from_millis(400);
/// One lorry in so many is declared by nobody.
const UNDECLARED: u32 = 8;
/// One in so many declares its trip twice and is scanned twice at its destination.
const REPEATS: u32 = 4;

/// The trips that were declared, and whether their lorries have arrived.
#[derive(Debug, Default)]
pub(super) struct Trips {
    arrived: Mutex<HashMap<Uuid, bool>>,
    lorries: AtomicU32,
}

/// What is wrong with the trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TripFaults {
    /// How many were kept; nothing wrong with that.
    pub(super) kept: u64,
    /// Trips that are not there, or not closed although their lorry has arrived.
    pub(super) lost: u64,
    /// Trips that were closed more than once.
    pub(super) closed_twice: u64,
}

#[derive(Debug, Deserialize)]
struct List {
    trips: Vec<Listed>,
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct Listed {
    trip: Uuid,
    state: String,
}

impl Load {
    /// Drives one lorry from its declaration to its destination.
    pub(super) async fn drive(self: &Arc<Self>, rng: &mut StdRng) -> anyhow::Result<()> {
        let number = self.trips.lorries.fetch_add(1, Ordering::Relaxed);
        let lorry = Lorry { number, is_declared: !rng.random_ratio(1, UNDECLARED) };
        if !lorry.is_declared {
            let scan = self.book.invent_stop(rng, lorry, CHECKPOINT);
            return self.insist(rng, &[scan]).await;
        }
        let at = |hours: i64| http_time(Utc::now().timestamp() + hours * 3600);
        let answers = json!({"name": "张三", "document": {"type": "passport", "number": format!("E{number:07}")},
            "plate": lorry.plate(), "phone": "13800000000", "origin": "菏泽", "entry_point": "兰考",
            "expected_return": at(1), "expected_leave": at(48), "fever_cough": false, "risk_area": false});
        let declared = json!({"request_id": Uuid::from_u128(rng.random()), "answers": answers, "checkpoint": CHECKPOINT,
            "destination": DESTINATION});
        let repeats = rng.random_ratio(1, REPEATS);
        let device = self.tokens.of(Role::Device)?;
        let answer = self.insist_on(rng, "v1/trips", &device, &declared).await?;
        let trip: Uuid = answer["command"].as_str().context("no trip")?.parse()?;
        self.trips.open().insert(trip, false);
        if repeats {
            self.insist_on(rng, "v1/trips", &device, &declared).await?;
        }
        for venue in [CHECKPOINT, DESTINATION] {
            let scan = self.book.invent_stop(rng, lorry, venue);
            self.insist(rng, &[scan]).await?;
        }
        self.trips.open().insert(trip, true);
        if repeats {
            let another = self.book.invent_stop(rng, lorry, DESTINATION);
            self.insist(rng, &[another]).await?;
        }
        Ok(())
    }
}

impl Trips {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, bool>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many trips are not there as they must be.
    pub(super) async fn outstanding(&self, stack: &Stack) -> anyhow::Result<u64> {
        let (known, closed) = listed(stack).await?;
        let trips = self.open();
        let is_there = |trip: &Uuid, arrived: bool| if arrived { closed.contains(trip) } else { known.contains(trip) };
        Ok(trips.iter().filter(|(trip, arrived)| !is_there(trip, **arrived)).count() as u64)
    }

    /// Holds what the query API and the table say against what was kept.
    pub(super) async fn faults(&self, stack: &Stack) -> anyhow::Result<TripFaults> {
        let twice = "SELECT count() FROM (SELECT 1 FROM trips FINAL WHERE step = 'closed' GROUP BY trip_id \
             HAVING count() > 1) FORMAT TSV";
        let closed_twice = stack.sql(twice).await?.trim().parse()?;
        let kept = self.open().len() as u64;
        let lost = self.outstanding(stack).await?;
        Ok(TripFaults { kept, lost, closed_twice })
    }
}

/// The trips that the query API knows, and those of them that are closed.
async fn listed(stack: &Stack) -> anyhow::Result<(HashSet<Uuid>, HashSet<Uuid>)> {
    let url: Url = stack.query()?.join("v1/trips?limit=10000")?;
    let request =
        crate::gateway::http_client()?.get(url).header("authorization", stack.tokens()?.of(Role::Supervisor)?);
    let list: List = request.send().await?.error_for_status()?.json().await?;
    anyhow::ensure!(!list.truncated, "more trips than the query API lists at once");
    let closed = list.trips.iter().filter(|trip| trip.state == "closed").map(|trip| trip.trip).collect();
    Ok((list.trips.iter().map(|trip| trip.trip).collect(), closed))
}
