//! The companion in the person's lorry: what becomes of its trip goes on while nobody knows who declared it.

use anyhow::{Context, ensure};
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use super::city::{COMPANION, City, DISTRICT};
use crate::support::eventually;

/// Any checkpoint: the log of trips has what the directory said.
const CHECKPOINT: u32 = 99;

/// The lorry of the person's trip.
pub struct Lorry {
    vehicle: String,
    destination: u32,
}

impl Lorry {
    /// One that nobody declared anything of.
    fn another(&self) -> Self {
        let last = if self.vehicle.ends_with('0') { "1" } else { "0" };
        let vehicle = format!("{}{last}", &self.vehicle[..self.vehicle.len() - 1]);
        Self { vehicle, destination: self.destination }
    }
}

impl City<'_> {
    /// The lorry enters with the companion in it.
    pub fn lorry_that_has_entered(&self) -> anyhow::Result<Lorry> {
        let declared = self.actions("trips")?.into_iter().find(|event| event["action"]["type"] == "declare");
        let declared = declared.context("no trip is declared")?;
        ensure!(declared["action"]["driver"] == self.person.to_string(), "by somebody else");
        let vehicle = declared["vehicle"].as_str().context("no vehicle")?.to_owned();
        let destination = declared["action"]["destination"].as_u64().context("no destination")?;
        let lorry = Lorry { vehicle, destination: u32::try_from(destination)? };
        self.pass(&lorry, "checkpoint_scanned", CHECKPOINT)?;
        Ok(lorry)
    }

    /// The lorry arrives with the companion in it, on the trip that was declared: no office hears of it, as it does of another
    /// lorry that arrives after it.
    pub fn arrives_unnoticed(&self, lorry: &Lorry) -> anyhow::Result<()> {
        let another = lorry.another();
        for lorry in [lorry, &another] {
            self.pass(lorry, "destination_scanned", lorry.destination)?;
        }
        let noticed = || -> anyhow::Result<Vec<Value>> {
            let mut actions: Vec<_> = self.actions("alerts")?.into_iter().map(|mut it| it["action"].take()).collect();
            actions.retain(|raised| raised["kind"] == "undeclared_trip" && raised["person"] == COMPANION);
            Ok(actions)
        };
        eventually("the other lorry to be noticed", || noticed().is_ok_and(|raised| !raised.is_empty()).then_some(()))?;
        let of: Vec<_> = noticed()?.iter().map(|raised| raised["vehicle"].clone()).collect();
        ensure!(of == [json!(another.vehicle)], "{of:?}");
        Ok(())
    }

    fn pass(&self, lorry: &Lorry, kind: &str, venue: u32) -> anyhow::Result<()> {
        let now = Utc::now();
        let scanned = json!({"v": 1, "vehicle": lorry.vehicle, "at_ms": now.timestamp_millis(), "action": {"type": kind,
            "at": now.timestamp(), "scan": Uuid::now_v7(), "person": COMPANION, "venue": venue, "district": DISTRICT,
            "method": "manual", "verdict": "admit", "colour": "green"}});
        let value = scanned.to_string();
        self.produce("trips", (lorry.vehicle.as_bytes(), value.as_bytes()), now.timestamp_millis())
    }

    fn actions(&self, topic: &'static str) -> anyhow::Result<Vec<Value>> {
        let messages = self.messages(topic)?;
        Ok(messages.iter().filter_map(|message| serde_json::from_slice(&message.value).ok()).collect())
    }
}
