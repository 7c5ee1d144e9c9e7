//! A city's system as its clients see it: HTTP with tokens, and nothing else.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use chrono::Utc;
use reqwest::{Method, Url, header};
use schemas::PersonKey;
use schemas::access::{Limit, Role, Scope};
use serde_json::Value;
use service::access::{Issuer, SigningKey};
use tokio::time::Instant;

use crate::stack::Stack;

/// How soon a command or a scan shows in what is read.
const SOON: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);
const TOKEN_S: u32 = 600;
/// So much of an answer is shown when it is not what was waited for.
const SHOWN_CHARS: usize = 300;

/// The services of a city.
#[derive(Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    gateway: Url,
    query: Url,
    issuer: Issuer,
    /// How many people there are so far.
    pub(super) people: AtomicU32,
}

/// Who sends a request: a role with its limits.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) role: Role,
    pub(super) scope: Scope,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) bytes: Bytes,
    /// The same as JSON; null where it is none.
    pub(super) json: Value,
}

impl Caller {
    /// A role without further limits.
    pub(super) fn of(role: Role) -> Self {
        Self { role, scope: Scope::default() }
    }

    /// The operator of an organisation.
    pub(super) fn operator(organisation: &str) -> Self {
        let organisation = Some(organisation.to_owned());
        Self { role: Role::Operator, scope: Scope { organisation, ..Scope::default() } }
    }

    /// The office of a district.
    pub(super) fn office(district: u32) -> Self {
        Self { role: Role::District, scope: Scope { district: Some(district), ..Scope::default() } }
    }

    /// A regulator of a district.
    pub(super) fn regulator(district: u32) -> Self {
        Self { role: Role::Regulator, scope: Scope { district: Some(district), ..Scope::default() } }
    }

    /// Somebody with a phone.
    pub(super) fn citizen(person: PersonKey) -> Self {
        Self::of(Role::Citizen).in_person(person)
    }

    /// The same, limited to one person.
    pub(super) fn in_person(mut self, person: PersonKey) -> Self {
        self.scope.person = Some(person);
        self
    }

    /// Everybody who may hold a token, limited as the role has to be.
    pub(super) fn everybody(person: PersonKey, organisation: &str, district: u32) -> Vec<Self> {
        let caller = |role: &Role| match role.required_limit() {
            Some(Limit::Person) => Self::citizen(person),
            Some(Limit::Organisation) => Self::operator(organisation),
            Some(Limit::District) => Self::office(district),
            _ => Self::of(*role),
        };
        Role::ALL.iter().map(caller).collect()
    }
}

impl Answer {
    /// The answer of a request that was carried out.
    ///
    /// # Errors
    /// When it was refused.
    pub(super) fn ok(self) -> anyhow::Result<Value> {
        match self.problem() {
            None => Ok(self.json),
            Some(problem) => bail!("{problem}: {}", self.json["detail"]),
        }
    }

    /// Status, kind and field of a refusal, such as `422 missing-field address`.
    pub(super) fn problem(&self) -> Option<String> {
        if (200..300).contains(&self.status) {
            return None;
        }
        let kind = self.json["type"].as_str().unwrap_or_default().trim_start_matches("urn:venuecode:problem:");
        let field = self.json["field"].as_str().unwrap_or_default();
        Some(format!("{} {kind} {field}", self.status).trim_end().to_owned())
    }

    /// `taken`, or the refusal.
    pub(super) fn outcome(&self) -> String {
        self.problem().unwrap_or_else(|| "taken".to_owned())
    }
}

impl Api {
    /// A client of a running system, which issues its own tokens.
    pub(super) fn try_new(stack: &Stack) -> anyhow::Result<Self> {
        let key = stack.tokens.token_key_file.as_deref().context("no key for tokens")?;
        Ok(Self {
            http: crate::gateway::http_client()?,
            gateway: stack.gateway.clone(),
            query: stack.query.clone(),
            issuer: Issuer::new(SigningKey::read(key)?),
            people: AtomicU32::new(0),
        })
    }

    /// Sends something to the gateway.
    pub(super) async fn post(&self, who: &Caller, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let body = ("application/json", body.to_string());
        self.send(&self.gateway, Method::POST, who, path, Some(body)).await
    }

    /// Looks something up on the gateway.
    pub(super) async fn look_up(&self, who: &Caller, path: &str) -> anyhow::Result<Answer> {
        self.send(&self.gateway, Method::GET, who, path, None).await
    }

    /// Asks the query API.
    pub(super) async fn ask(&self, who: &Caller, path: &str) -> anyhow::Result<Answer> {
        self.send(&self.query, Method::GET, who, path, None).await
    }

    /// Opens what anybody may open on the query API, as text.
    pub(super) async fn open(&self, path: &str, media_type: &str) -> anyhow::Result<String> {
        let answer = self.http.get(self.query.join(path)?).send().await?.error_for_status()?;
        let sent_as = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        ensure!(sent_as.is_some_and(|sent_as| sent_as.starts_with(media_type)), "{path} is {sent_as:?}");
        Ok(answer.text().await?)
    }

    /// Asks the query API with a body.
    pub(super) async fn ask_with(&self, who: &Caller, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let body = ("application/json", body.to_string());
        self.send(&self.query, Method::POST, who, path, Some(body)).await
    }

    /// Sends one line of a feed, and gives its receipt.
    pub(super) async fn feed(&self, role: Role, path: &str, line: &Value) -> anyhow::Result<Value> {
        let body = ("application/x-ndjson", line.to_string());
        let answer = self.send(&self.gateway, Method::POST, &Caller::of(role), path, Some(body)).await?.ok()?;
        let outcome = answer["lines"][0].clone();
        ensure!(outcome["problem"].is_null(), "{path}: {outcome}");
        Ok(outcome)
    }

    /// Asks the query API until the answer is as it should be.
    pub(super) async fn soon(&self, who: &Caller, path: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = self.ask(who, path).await?;
            if answer.status == 200 && so(&answer.json) {
                return Ok(answer.json);
            }
            answer.or_wait(path, deadline).await?;
        }
    }

    async fn send(
        &self,
        service: &Url,
        method: Method,
        who: &Caller,
        path: &str,
        body: Option<(&str, String)>,
    ) -> anyhow::Result<Answer> {
        let token = self.issuer.issue(
            who.role,
            &format!("cities-{}", who.role),
            who.scope.clone(),
            Utc::now().timestamp(),
            TOKEN_S,
        )?;
        let mut request = self.http.request(method, service.join(path)?).bearer_auth(token);
        if let Some((media_type, text)) = body {
            request = request.header(header::CONTENT_TYPE, media_type).body(text);
        }
        let answer = request.send().await?;
        let (status, bytes) = (answer.status().as_u16(), answer.bytes().await?);
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, bytes, json })
    }
}

impl Answer {
    /// Waits a moment before the same is asked again.
    ///
    /// # Errors
    /// When it has been asked for long enough.
    pub(super) async fn or_wait(&self, path: &str, deadline: Instant) -> anyhow::Result<()> {
        if Instant::now() >= deadline {
            let shown: String = String::from_utf8_lossy(&self.bytes).chars().take(SHOWN_CHARS).collect();
            bail!("not within {} s: {path}: {} {shown}", SOON.as_secs(), self.status);
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }

    /// Until when something may be asked again.
    pub(super) fn deadline() -> Instant {
        Instant::now() + SOON
    }
}

/// An object with some fields changed; null takes a field out.
pub(super) fn with(object: &Value, changes: &Value) -> Value {
    let mut changed = object.clone();
    for (name, value) in changes.as_object().into_iter().flatten() {
        match changed.as_object_mut() {
            Some(fields) if value.is_null() => _ = fields.remove(name),
            _ => changed[name] = value.clone(),
        }
    }
    changed
}

/// Texts one after the other.
pub(super) fn list(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(", ")
}
