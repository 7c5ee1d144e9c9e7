//! What offices look at: scans one by one, headline figures, who has no code, and which codes nobody scans.

use std::time::Duration;

use schemas::access::Role;
use serde_json::{Value, json};

use super::api::{Api, Caller, list, with};
use super::office::{Office, Venue};
use super::people::{ago, time};

/// What a masked identity begins with.
const MASK: &str = "********";
/// Figures that do not change for so long have all that was scanned before.
const SETTLED: Duration = Duration::from_secs(7);

impl Api {
    /// The scans at a venue as its operator sees them one by one, once there are so many: how many of each colour, and
    /// of how many it is hidden whose they are.
    pub(super) async fn detailed(&self, office: &Office<'_>, venue: &Venue, count: usize) -> anyhow::Result<String> {
        let scans = |answer: &Value| answer["scans"].as_array().cloned().unwrap_or_default();
        let path = details_path(venue);
        let scans = scans(&self.soon(&office.operator(), &path, |answer| scans(answer).len() >= count).await?);
        let number = |is_counted: &dyn Fn(&Value) -> bool| scans.iter().filter(|scan| is_counted(scan)).count();
        let colours = ["green", "yellow", "red"]
            .map(|colour| format!("{} {colour}", number(&|scan: &Value| scan["colour"] == colour)));
        let masked = number(&|scan| scan["person"].as_str().is_some_and(|person| person.starts_with(MASK)));
        Ok(format!("{}; {masked} masked", list(colours)))
    }

    /// By how much a city's headline figures of today grow with a venue of an organisation that had none, and a scan.
    pub(super) async fn headlines(&self, office: &Office<'_>, form: &Value) -> anyhow::Result<String> {
        const FIGURES: [(&str, &str); 5] = [
            ("/organisations", "organisation"),
            ("/codes", "code"),
            ("/days/0/new_codes", "new"),
            ("/days/0/scans", "scan"),
            ("/days/0/scans_kept", "in all"),
        ];
        let figures = |answer: &Value| FIGURES.map(|(at, _)| answer.pointer(at).and_then(Value::as_u64).unwrap_or(0));
        let (who, path) =
            (Caller::of(Role::Regulator), format!("/v1/city/days?from={}&to={}", time(ago(0)), time(ago(-1))));
        // Figures are told from memory, which is some seconds old.
        let mut before = figures(&self.soon(&who, &path, |_| true).await?);
        loop {
            tokio::time::sleep(SETTLED).await;
            let now = figures(&self.soon(&who, &path, |_| true).await?);
            if std::mem::replace(&mut before, now) == now {
                break;
            }
        }
        let venue = office.issue(form).await?;
        self.answered(&venue, &self.tested("green").await?).await?;
        let has_grown = |answer: &Value| figures(answer).iter().zip(before).all(|(now, before)| *now > before);
        let after = figures(&self.soon(&who, &path, has_grown).await?);
        let growth = after.iter().zip(before).zip(FIGURES);
        Ok(list(growth.map(|((after, before), (_, name))| format!("{} {name}", after - before))))
    }

    /// Whether a regulator sees an organisation among those without a code: after its application was rejected, and
    /// after a code was issued to it.
    pub(super) async fn without_code(&self, office: &Office<'_>, form: &Value) -> anyhow::Result<String> {
        let path = format!("/v1/codes/missing?district={}", office.district);
        let is_listed = |answer: &Value| {
            let mut listed = answer["organisations"].as_array().into_iter().flatten();
            listed.any(|row| row["organisation"] == office.organisation.as_str() && row["rejected"] == 1)
        };
        let who = Caller::of(Role::Regulator);
        let application = office.submit(form).await?;
        office.review(&application, &json!({"outcome": "reject", "reason": "wrong_data"})).await?;
        self.soon(&who, &path, is_listed).await?;
        office.issue(&with(form, &json!({"address": "御街10号"}))).await?;
        self.soon(&who, &path, |answer| !is_listed(answer)).await?;
        Ok("listed, gone".to_owned())
    }

    /// Whether a regulator sees a venue among those whose codes nobody scans: before anybody did, and after.
    pub(super) async fn without_scans(&self, office: &Office<'_>, venue: &Venue) -> anyhow::Result<String> {
        let path = format!("/v1/codes/unused?days=1&limit=10000&district={}", office.district);
        let is_listed =
            |answer: &Value| answer["venues"].as_array().into_iter().flatten().any(|row| row["venue"] == venue.number);
        let who = Caller::of(Role::Regulator);
        self.soon(&who, &path, is_listed).await?;
        self.answered(venue, &self.tested("green").await?).await?;
        self.soon(&who, &path, |answer| !is_listed(answer)).await?;
        Ok("listed, gone".to_owned())
    }
}

/// Where the scans at a venue are asked for, one by one.
pub(super) fn details_path(venue: &Venue) -> String {
    format!("/v1/scans?scope=venue&id={}&from={}&to={}", venue.number, time(ago(24 * 60)), time(ago(-60)))
}
