//! The desk of a district: alerts about abnormal scans, and what is done about them.

use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list};
use super::door::text;
use super::office::Venue;

impl Api {
    /// The alerts of a venue that its district sees, once there are so many.
    pub(super) async fn alerts_at(&self, district: u32, venue: &Venue, count: usize) -> anyhow::Result<Vec<Value>> {
        let of_venue = |alerts: &Value| -> Vec<Value> {
            let all = alerts["alerts"].as_array().into_iter().flatten();
            all.filter(|alert| alert["venue"] == venue.number).cloned().collect()
        };
        let office = Caller::office(district);
        Ok(of_venue(&self.soon(&office, "/v1/alerts", |alerts| of_venue(alerts).len() >= count).await?))
    }

    /// Kind and colour of each of them, in alphabetical order.
    pub(super) async fn alerted(&self, district: u32, venue: &Venue, count: usize) -> anyhow::Result<String> {
        let alerts = self.alerts_at(district, venue, count).await?;
        let shown = |alert: &Value| Ok(format!("{} {}", text(alert, "/kind")?, text(alert, "/colour")?));
        let mut kinds = alerts.iter().map(shown).collect::<anyhow::Result<Vec<_>>>()?;
        kinds.sort();
        Ok(list(kinds))
    }

    /// How many alerts another district sees.
    pub(super) async fn alerts_elsewhere(&self, district: u32) -> anyhow::Result<String> {
        let answer = self.ask(&Caller::office(district), "/v1/alerts").await?.ok()?;
        Ok(answer["alerts"].as_array().map_or(0, Vec::len).to_string())
    }

    /// Acknowledges an alert of a venue and says that the person was taken away; its states and the disposition.
    pub(super) async fn handled(&self, district: u32, venue: &Venue) -> anyhow::Result<String> {
        let alerts = self.alerts_at(district, venue, 1).await?;
        let path = format!("/v1/alerts/{}", text(alerts.first().unwrap_or(&Value::Null), "/alert")?);
        let (office, mut states) = (Caller::office(district), Vec::new());
        for (command, body, state) in [
            ("acknowledgement", json!({}), "acknowledged"),
            ("disposition", json!({"disposition": "transferred"}), "disposed"),
        ] {
            self.post(&office, &format!("{path}/{command}"), &body).await?.ok()?;
            let alert = self.soon(&office, &path, |alert| alert["state"] == state).await?;
            states.push(state.to_owned());
            states.extend(alert["disposition_name"]["zh"].as_str().map(str::to_owned));
        }
        Ok(list(states))
    }

    /// The roles whose question is answered.
    pub(super) async fn who_may(&self, callers: &[Caller], path: &str) -> anyhow::Result<String> {
        let mut roles: Vec<Role> = Vec::new();
        for caller in callers {
            if self.ask(caller, path).await?.status == 200 {
                roles.push(caller.role);
            }
        }
        Ok(list(roles.iter().map(ToString::to_string)))
    }
}
