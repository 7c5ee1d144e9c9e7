//! Applications for venue codes: more than the organisations may have, some for a place that has one already, reviewed once
//! or, by mistake, twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rand::{Rng, rngs::StdRng};
use schemas::CityProfile;
use schemas::access::{Role, Scope};
use serde_json::json;
use uuid::Uuid;

use super::load::Load;
use super::stack::{CITY, Stack};

/// Time between two applications.
pub(super) const EVERY: Duration = Duration::from_millis(60);
/// Credit codes of organisations that do not exist.
const ORGANISATIONS: [&str; 2] = ["91310000MA1FL0000N", "91310000MA1FL0001R"];
/// Places that an organisation applies for: more than its quota.
const PLACES: u32 = 400;
/// One application in so many is reviewed a second time, the other way.
const REVIEWED_TWICE: u32 = 4;

/// The applications and reviews that were kept.
#[derive(Debug, Default)]
pub(super) struct Applications(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    applications: HashSet<Uuid>,
    reviews: HashSet<Uuid>,
}

/// What is wrong with the applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ApplicationFaults {
    /// How many were kept; nothing wrong with that.
    pub(super) kept: u64,
    /// Applications and reviews of which the registry says nothing.
    pub(super) lost: u64,
    /// Applications that were approved or rejected more than once.
    pub(super) decided_twice: u64,
    /// How many were rejected because an organisation had as many as it may; nothing wrong with that, but without any
    /// the next number says nothing.
    pub(super) over_quota: u64,
    /// Codes that organisations have beyond their quota.
    pub(super) quota_exceeded: u64,
}

impl Load {
    /// Applies for a code, and reviews the application.
    pub(super) async fn apply(self: &Arc<Self>, rng: &mut StdRng) -> anyhow::Result<()> {
        // The first one applies for so many that it soon has as many as it may.
        let organisation = ORGANISATIONS[usize::from(rng.random_ratio(1, 5))];
        let place = rng.random_range(0..PLACES);
        let scope = Scope { organisation: Some(organisation.to_owned()), ..Scope::default() };
        let operator = self.tokens.of_limited(Role::Operator, &organisation.to_lowercase(), &scope)?;
        let application = json!({"request_id": Uuid::from_u128(rng.random()), "channel": "mobile",
            "applicant": {"kind": "manager", "person": "1123456789abcdef"},
            "organisation": {"credit_code": organisation, "name": "茶业公司", "kind": "company"},
            "category": "restaurant", "name": "茶馆", "district": 410_202, "address": format!("福州路{place}号"),
            "responsible": {"name": "张三", "phone": "13800000000"}});
        let answer = self.insist_on(rng, "v1/applications", &operator, &application).await?;
        let id: Uuid = answer["command"].as_str().context("no application")?.parse()?;
        self.applications.open().applications.insert(id);

        let reviewer = self.tokens.of(Role::Reviewer)?;
        let path = format!("v1/applications/{id}/reviews");
        let approved = rng.random_ratio(9, 10);
        let times = if rng.random_ratio(1, REVIEWED_TWICE) { 2 } else { 1 };
        for outcome in [approved, !approved].into_iter().take(times) {
            let request = Uuid::from_u128(rng.random());
            let review = if outcome {
                json!({"request_id": request, "organisation": organisation, "outcome": "approve"})
            } else {
                json!({"request_id": request, "organisation": organisation, "outcome": "reject", "reason": "vague_address"})
            };
            self.insist_on(rng, &path, &reviewer, &review).await?;
            self.applications.open().reviews.insert(request);
        }
        Ok(())
    }
}

impl Applications {
    fn open(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many applications and reviews are not there.
    pub(super) async fn outstanding(&self, stack: &Stack) -> anyhow::Result<u64> {
        let commands = stack.sql("SELECT DISTINCT command_id FROM application_states FORMAT TSV").await?;
        let known: HashSet<Uuid> = commands.lines().map(str::parse).collect::<Result<_, _>>()?;
        let kept = self.open();
        Ok(kept.applications.iter().chain(&kept.reviews).filter(|id| !known.contains(*id)).count() as u64)
    }

    /// Holds what the registry has decided against what was kept.
    pub(super) async fn faults(&self, stack: &Stack) -> anyhow::Result<ApplicationFaults> {
        let twice = "SELECT count() FROM (SELECT 1 FROM application_states FINAL \
             WHERE refused = '' AND state IN ('approved', 'rejected') GROUP BY application_id HAVING count() > 1) FORMAT TSV";
        let decided_twice = stack.sql(twice).await?.trim().parse()?;
        let city = CityProfile::try_built_in(CITY)?;
        let quota = city.application.channels.first().context("no channel")?.quota;
        let beyond = format!(
            "SELECT sum(greatest(codes, {quota}) - {quota}) FROM (SELECT organisation, count() AS codes FROM (SELECT * FROM \
             application_states FINAL ORDER BY application_id, revision DESC LIMIT 1 BY application_id) \
             WHERE state IN ('approved', 'submitted') GROUP BY organisation) FORMAT TSV"
        );
        let quota_exceeded = stack.sql(&beyond).await?.trim().parse()?;
        let over_quota = "SELECT uniqExact(application_id) FROM application_states WHERE reason = 'quota' FORMAT TSV";
        let over_quota = stack.sql(over_quota).await?.trim().parse()?;
        let kept = self.open().applications.len() as u64;
        let lost = self.outstanding(stack).await?;
        Ok(ApplicationFaults { kept, lost, decided_twice, over_quota, quota_exceeded })
    }
}
