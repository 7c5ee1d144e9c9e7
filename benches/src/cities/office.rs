//! Applying for venue codes, and reviewing what was applied for.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use schemas::access::Role;
use schemas::organisation::is_credit_code;
use serde_json::{Value, json};

use super::api::{Answer, Api, Caller, with};

/// Applications under way at once, where a rule takes many.
const AT_ONCE: usize = 8;
/// The applicant where it does not matter who it is.
const APPLICANT: &str = "1123456789abcdef";

/// An organisation that applies, in its city's way.
#[derive(Debug, Clone)]
pub(super) struct Office<'a> {
    pub(super) api: &'a Api,
    /// Credit code.
    pub(super) organisation: String,
    /// As what its people apply.
    pub(super) applicant: &'static str,
    pub(super) channel: &'static str,
    pub(super) district: u32,
}

/// A venue with its code.
#[derive(Debug, Clone)]
pub(super) struct Venue {
    pub(super) number: u64,
    pub(super) code: String,
    /// What its QR code says.
    pub(super) url: String,
}

impl<'a> Office<'a> {
    /// The first organisation of a place of registration (GB/T 2260), which applies by phone.
    pub(super) fn new(api: &'a Api, registered_in: u32, applicant: &'static str, district: u32) -> Self {
        let organisation = credit_code(registered_in, 1);
        Self { api, organisation, applicant, channel: "mobile", district }
    }

    /// The same for another organisation of this place.
    pub(super) fn other(&self, registered_in: u32, nth: u32) -> Self {
        Self { organisation: credit_code(registered_in, nth), ..self.clone() }
    }

    /// The same by another channel.
    pub(super) fn by(&self, channel: &'static str, applicant: &'static str) -> Self {
        Self { channel, applicant, ..self.clone() }
    }

    /// An operator of the organisation.
    pub(super) fn operator(&self) -> Caller {
        Caller::operator(&self.organisation)
    }

    /// A form that is in order.
    pub(super) fn form(&self, category: &str, name: &str, address: &str) -> Value {
        json!({"channel": self.channel, "applicant": {"kind": self.applicant, "person": APPLICANT},
            "organisation": {"credit_code": self.organisation, "name": "测试单位", "kind": "company"},
            "category": category, "name": name, "district": self.district, "address": address,
            "responsible": {"name": "王芳", "phone": "13800000000"}})
    }

    /// Sends a form.
    pub(super) async fn apply(&self, form: &Value) -> anyhow::Result<Answer> {
        self.api.post(&self.operator(), "/v1/applications", form).await
    }

    /// Sends a form, and gives where it can be followed.
    pub(super) async fn submit(&self, form: &Value) -> anyhow::Result<String> {
        let answer = self.apply(form).await?.ok()?;
        Ok(answer["follow"].as_str().context("no path to follow")?.to_owned())
    }

    /// Sends a form, and gives what the registry makes of it.
    pub(super) async fn decided(&self, form: &Value) -> anyhow::Result<(String, Value)> {
        let path = self.submit(form).await?;
        let application = self.followed(&path).await?;
        Ok((path, application))
    }

    /// What has become of an application so far.
    pub(super) async fn followed(&self, path: &str) -> anyhow::Result<Value> {
        self.api.soon(&self.operator(), path, |_| true).await
    }

    /// The same in words.
    pub(super) async fn state(&self, form: &Value) -> anyhow::Result<String> {
        Ok(state(&self.decided(form).await?.1))
    }

    /// Reviews an application, and gives what becomes of it.
    pub(super) async fn review(&self, path: &str, review: &Value) -> anyhow::Result<Value> {
        let review = with(review, &json!({"organisation": self.organisation}));
        self.api.post(&Caller::of(Role::Reviewer), &format!("{path}/reviews"), &review).await?.ok()?;
        self.api.soon(&self.operator(), path, |application| application["state"] != "submitted").await
    }

    /// Approves an application.
    pub(super) async fn approve(&self, path: &str) -> anyhow::Result<Value> {
        self.review(path, &json!({"outcome": "approve"})).await
    }

    /// Gets a code for a venue: applies, and has it approved where the city reviews.
    pub(super) async fn issue(&self, form: &Value) -> anyhow::Result<Venue> {
        let (path, mut application) = self.decided(form).await?;
        if application["state"] == "submitted" {
            application = self.approve(&path).await?;
        }
        self.venue_of(&application).await
    }

    /// Codes for many venues, in the order of their forms.
    pub(super) async fn issue_all(&self, forms: Vec<Value>) -> anyhow::Result<Vec<Venue>> {
        let issued = futures::stream::iter(forms).map(|form| async move { self.issue(&form).await });
        issued.buffered(AT_ONCE).try_collect().await
    }

    /// The venue of an application that was approved, once the doors know its code.
    pub(super) async fn venue_of(&self, application: &Value) -> anyhow::Result<Venue> {
        let text = |name: &str| application[name].as_str().map(str::to_owned);
        let venue = Venue {
            number: application["venue"].as_u64().with_context(|| format!("no venue: {}", state(application)))?,
            code: text("code").context("no code")?,
            url: text("url").context("no URL")?,
        };
        self.until_looked_up(&venue.code, "taken").await?;
        Ok(venue)
    }

    /// Waits until the doors say of a code what they should.
    pub(super) async fn until_looked_up(&self, code: &str, outcome: &str) -> anyhow::Result<Value> {
        let (path, deadline) = (format!("/v1/codes/{code}"), Answer::deadline());
        loop {
            let answer = self.api.look_up(&Caller::of(Role::Device), &path).await?;
            if answer.outcome() == outcome {
                return Ok(answer.json);
            }
            answer.or_wait(&path, deadline).await?;
        }
    }
}

/// State of an application, with the reason of a rejection.
pub(super) fn state(application: &Value) -> String {
    let last = application["history"].as_array().and_then(|history| history.last());
    let reason = last.and_then(|entry| entry["reason"].as_str()).unwrap_or_default();
    format!("{} {reason}", application["state"].as_str().unwrap_or("unknown")).trim_end().to_owned()
}

/// A credit code (GB 32100) with its check character: registered as a company (91) in a place of GB/T 2260.
fn credit_code(registered_in: u32, nth: u32) -> String {
    let stem = format!("91{registered_in}MA1{nth:06}");
    let mut codes = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars().map(|check| format!("{stem}{check}"));
    codes.find(|code| is_credit_code(code)).unwrap_or(stem)
}
