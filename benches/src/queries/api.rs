//! The query API as questions are asked of it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use reqwest::{Url, header::AUTHORIZATION};
use schemas::access::Role;

use super::LONGEST_US;
use super::questions::{Ask, Question, Said};
use super::report::Figures;
use crate::gateway::{base_url, http_client};
use crate::load::cpu::Processes;
use crate::polls::store::{Store, Work};
use crate::stack::Stack;
use crate::tokens::{HOLDER, Tokens};

/// No question is asked again for longer.
const MOST: Duration = Duration::from_secs(60);

/// A running query API.
#[derive(Debug)]
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
    pub(super) tokens: Tokens,
    processes: Processes,
}

impl Api {
    pub(super) fn try_new(stack: &Stack) -> anyhow::Result<Self> {
        let (http, base) = (http_client()?, base_url(&stack.query)?);
        Ok(Self { http, base, tokens: Tokens::try_new(&stack.tokens)?, processes: Processes::find(Some(&stack.pids))? })
    }

    /// Asks and reads the whole answer.
    pub(super) async fn ask(&self, ask: &Ask) -> anyhow::Result<Bytes> {
        self.ask_as(ask, HOLDER).await
    }

    /// The same by an account.
    pub(super) async fn ask_as(&self, ask: &Ask, account: &str) -> anyhow::Result<Bytes> {
        let (role, request) = match ask {
            Ask::Get(role, path) => (*role, self.http.get(self.base.join(path)?)),
            Ask::Trace(body) => (Role::Epidemiologist, self.http.post(self.base.join("v1/traces")?).json(body)),
        };
        let answer = request.header(AUTHORIZATION, self.tokens.of_holder(role, account)?).send().await?;
        let (status, bytes) = (answer.status(), answer.bytes().await?);
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    /// What it says of each instance.
    pub(super) async fn said(&self, question: &Question) -> anyhow::Result<Vec<Option<Said>>> {
        let mut said = Vec::new();
        for instance in &question.instances {
            said.push(instance.said(&serde_json::from_slice(&self.ask(&instance.whole).await?)?)?);
        }
        Ok(said)
    }

    /// Asks the instances in turn, so many times in all.
    pub(super) async fn figures(&self, store: &Store, question: &Question, times: u32) -> anyhow::Result<Figures> {
        let query = self.processes.query.as_ref().context("the query API has no process")?;
        let mut micros = Histogram::<u64>::new_with_max(LONGEST_US, 3)?;
        let (before, cpu, began) = (store.work().await?, query.cpu()?, Instant::now());
        for instance in question.instances.iter().cycle().take(times as usize) {
            let start = Instant::now();
            self.ask(&instance.ask).await?;
            micros.saturating_record(u64::try_from(start.elapsed().as_micros()).unwrap_or(LONGEST_US));
            if began.elapsed() > MOST {
                break;
            }
        }
        let api_cpu = query.cpu()?.saturating_sub(cpu);
        let Work { rows, bytes, micros: clickhouse_us } = store.work().await?.since(before);
        Ok(Figures::new(&micros, (rows, bytes), clickhouse_us, api_cpu))
    }
}
