//! Real processes to strike: engines under `venuecode exec`, which starts them again when they die, and several
//! instances of the services, which are started again here.

use std::collections::HashSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::plan::{Target, Way};
use crate::link::Link;
use crate::stack::LIFELINE;
use crate::tokens::{TokenConfig, Tokens};

/// The city whose rules hold: the one with codes for lorries.
pub(super) const CITY: &str = "kaifeng";
const READY: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// What is started, and with what.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) venuecode: PathBuf,
    /// Where everything is kept.
    pub(super) data: PathBuf,
    /// `embedded` or `apache`.
    pub(super) kafka: String,
    pub(super) gateways: usize,
    pub(super) processors: usize,
    /// A mistake on purpose in the processors.
    pub(super) fault: Option<String>,
}

/// The running system.
#[derive(Debug)]
pub(super) struct Stack {
    plan: Plan,
    engines: Child,
    environment: Vec<(String, String)>,
    gateways: Vec<Service>,
    processors: Vec<Service>,
    /// Takes over while another one sleeps, where processors do not share the partitions as a group.
    substitute: Service,
    query: Service,
    gateways_to_kafka: Link,
    processors_to_kafka: Link,
    processors_to_clickhouse: Link,
}

/// One instance of a service.
#[derive(Debug)]
struct Service {
    name: String,
    kind: &'static str,
    address: SocketAddr,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    /// How often it was started.
    starts: Arc<AtomicU64>,
}

impl Stack {
    /// Starts everything and waits until it is ready.
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let (engines, environment) = start_engines(&plan).await?;
        let get = |name: &str| value(&environment, name);
        let kafka = get("VENUECODE_KAFKA")?;
        let url: Url = get("VENUECODE_CLICKHOUSE_URL")?.parse()?;
        let clickhouse = format!("127.0.0.1:{}", url.port().context("the port of ClickHouse")?);
        let gateways_to_kafka = Link::to_kafka(kafka).await?;
        let processors_to_kafka = Link::to_kafka(kafka).await?;
        let processors_to_clickhouse = Link::to(&clickhouse).await?;

        let is_embedded = plan.kafka == "embedded";
        let secret = |name: &str| plan.data.join("secrets").join(name).display().to_string();
        let mut common = environment.clone();
        let mut set = |name: &str, value: String| common.push((name.to_owned(), value));
        set("VENUECODE_DATABASE", "venuecode".to_owned());
        set("VENUECODE_CITY", CITY.to_owned());
        set("VENUECODE_CODE_KEYS_FILE", secret("code.keys"));
        set("VENUECODE_PERSON_KEYS_FILE", secret("person.keys"));
        set("VENUECODE_IDENTITY_KEYS_FILE", secret("identity.keys"));
        set("VENUECODE_AUDIT_KEY_FILE", secret("audit.keys"));
        set("VENUECODE_REPORT_KEY_FILE", secret("report.key"));
        set("VENUECODE_TOKEN_KEYS_FILE", secret("token-keys.json"));
        set("VENUECODE_AUTOMATIC_FEEDS", crate::tokens::HOLDER.to_owned());
        set("VENUECODE_LIMIT_SCANS_PER_SECOND", "1000000".to_owned());
        set("VENUECODE_LIMIT_SCANS_BURST", "1000000".to_owned());
        set("VENUECODE_PARTITIONS", if is_embedded { "1" } else { "4" }.to_owned());
        // The embedded broker cannot do without a member that was killed while it joined a group.
        set("VENUECODE_HOLD", if is_embedded { "all" } else { "group" }.to_owned());

        let mut ports =
            service::ports::claim_many(plan.gateways + plan.processors + 2).context("no free port")?.into_iter();
        let mut service = |kind: &'static str, number: usize, extra: Vec<(&str, String)>| -> anyhow::Result<Service> {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.next().context("a port is missing")?));
            let mut environment = common.clone();
            environment.push(("VENUECODE_LISTEN".to_owned(), address.to_string()));
            environment.extend(extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
            let (name, starts) = (format!("{kind}-{}", number + 1), Arc::default());
            Ok(Service { name, kind, address, environment, child: None, starts })
        };
        let gateway = |number: usize| {
            vec![
                ("VENUECODE_KAFKA", gateways_to_kafka.address.to_string()),
                ("VENUECODE_SPOOL", plan.data.join(format!("spool-{}", number + 1)).display().to_string()),
            ]
        };
        let processor = || {
            let mut extra = vec![
                ("VENUECODE_KAFKA", processors_to_kafka.address.to_string()),
                ("VENUECODE_CLICKHOUSE_URL", format!("http://{}", processors_to_clickhouse.address)),
                // An insert whose answer was lost shall not hold a round up.
                ("VENUECODE_INSERT_TIMEOUT_S", "5".to_owned()),
            ];
            extra.extend(plan.fault.iter().map(|fault| ("VENUECODE_FAULT", fault.clone())));
            extra
        };
        let gateways = (0..plan.gateways).map(|n| service("ingest", n, gateway(n))).collect::<Result<_, _>>()?;
        let processors =
            (0..plan.processors).map(|n| service("processor", n, processor())).collect::<Result<_, _>>()?;
        let substitute = service("processor", plan.processors, processor())?;
        let reader = [("USER", get("VENUECODE_QUERY_USER")?), ("PASSWORD", get("VENUECODE_QUERY_PASSWORD")?)];
        let [user, password] = reader.map(|(_, value)| value.to_owned());
        let reader = vec![("VENUECODE_CLICKHOUSE_USER", user), ("VENUECODE_CLICKHOUSE_PASSWORD", password)];
        let query = service("query-api", 0, reader)?;
        let mut stack = Self {
            engines,
            environment,
            gateways,
            processors,
            substitute,
            query,
            gateways_to_kafka,
            processors_to_kafka,
            processors_to_clickhouse,
            plan,
        };
        stack.start_services().await?;
        Ok(stack)
    }

    async fn start_services(&mut self) -> anyhow::Result<()> {
        let Self { plan, gateways, processors, query, .. } = self;
        let services: Vec<&mut Service> = gateways.iter_mut().chain(processors).chain([query]).collect();
        for service in services {
            service.start(plan)?;
        }
        self.until_ready().await
    }

    /// Waits until every service says that it is ready.
    pub(super) async fn until_ready(&mut self) -> anyhow::Result<()> {
        let Self { gateways, processors, query, .. } = self;
        for service in gateways.iter_mut().chain(processors).chain([query]) {
            service.until_ready().await?;
        }
        Ok(())
    }

    /// Addresses of the gateways.
    pub(super) fn gateways(&self) -> anyhow::Result<Vec<Url>> {
        self.gateways.iter().map(Service::url).collect()
    }

    /// Tokens that all services take.
    pub(super) fn tokens(&self) -> anyhow::Result<Tokens> {
        let key = self.plan.data.join("secrets/token.key");
        Tokens::try_new(&TokenConfig { token_key_file: Some(key), token: None })
    }

    /// Address of the query API.
    pub(super) fn query(&self) -> anyhow::Result<Url> {
        self.query.url()
    }

    /// How often the query API was started; counts on.
    pub(super) fn query_starts(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.query.starts)
    }

    /// Runs a statement on ClickHouse, past all links, and returns what it answers.
    pub(super) async fn sql(&self, statement: &str) -> anyhow::Result<String> {
        let get = |name: &str| value(&self.environment, name);
        let request = reqwest::Client::new()
            .post(get("VENUECODE_CLICKHOUSE_URL")?)
            .query(&[("database", "venuecode")])
            .header("X-ClickHouse-User", get("VENUECODE_CLICKHOUSE_USER")?)
            .header("X-ClickHouse-Key", get("VENUECODE_CLICKHOUSE_PASSWORD")?)
            .body(statement.to_owned());
        let response = request.send().await.context("ClickHouse does not answer")?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{statement}: {text}");
        Ok(text)
    }

    /// Kills a process: SIGKILL, so that it cannot prepare for it.
    pub(super) async fn kill(&mut self, target: Target) -> anyhow::Result<()> {
        signal(self.pid(target)?, Signal::KILL);
        if let Some(service) = self.service(target) {
            service.ended().await?;
        }
        Ok(())
    }

    /// Where ClickHouse keeps a table; waits until it answers, since it may have been struck before.
    pub(super) async fn folder_of(&self, table: &str) -> anyhow::Result<PathBuf> {
        let sql = format!("SELECT data_paths[1] FROM system.tables WHERE database = 'venuecode' AND name = '{table}'");
        let deadline = Instant::now() + READY;
        loop {
            match self.sql(&sql).await {
                Ok(folder) => return Ok(PathBuf::from(folder.trim())),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Kills ClickHouse, and takes from a table every part that an insert has made since `known` was read: to be called
    /// while no insert is acknowledged. What is left is what a kill leaves that falls between the note of a token and
    /// the part's last rename: the token is known, and the rows are not there. Returns how many parts it was.
    pub(super) async fn kill_in_the_hole(&mut self, folder: &Path, known: &HashSet<String>) -> anyhow::Result<usize> {
        self.kill(Target::ClickHouse).await?;
        let new: Vec<String> = inserted_parts(folder)?.difference(known).cloned().collect();
        for part in &new {
            // The name under which ClickHouse writes a part, and which it clears away when it starts.
            fs::rename(folder.join(part), folder.join(format!("tmp_insert_{part}")))?;
        }
        Ok(new.len())
    }

    /// Asks a service to end, and waits until it has.
    pub(super) async fn terminate(&mut self, target: Target) -> anyhow::Result<()> {
        signal(self.pid(target)?, Signal::TERM);
        match self.service(target) {
            Some(service) => service.ended().await,
            None => bail!("engines are not restarted in order"),
        }
    }

    /// Stops a process in its tracks, as a machine does that is suspended.
    pub(super) fn pause(&mut self, target: Target) -> anyhow::Result<()> {
        signal(self.pid(target)?, Signal::STOP);
        Ok(())
    }

    /// Lets a paused process go on.
    pub(super) fn resume(&mut self, target: Target) -> anyhow::Result<()> {
        signal(self.pid(target)?, Signal::CONT);
        Ok(())
    }

    /// Starts a service again that was killed or has ended; engines come back by themselves.
    pub(super) fn start_again(&mut self, target: Target) -> anyhow::Result<()> {
        let plan = self.plan.clone();
        self.service(target).map_or(Ok(()), |service| service.start(&plan))
    }

    /// Starts the processor that takes over from one that sleeps.
    pub(super) fn start_substitute(&mut self) -> anyhow::Result<()> {
        let plan = self.plan.clone();
        self.substitute.start(&plan)
    }

    /// Kills it again.
    pub(super) async fn kill_substitute(&mut self) -> anyhow::Result<()> {
        signal(self.substitute.pid()?, Signal::KILL);
        self.substitute.ended().await
    }

    /// The link of a way.
    pub(super) const fn link(&self, way: Way) -> &Link {
        match way {
            Way::GatewaysToKafka => &self.gateways_to_kafka,
            Way::ProcessorsToKafka => &self.processors_to_kafka,
            Way::ProcessorsToClickHouse => &self.processors_to_clickhouse,
        }
    }

    /// Starts services again that have ended although nobody struck them, and returns their names.
    pub(super) fn revive(&mut self) -> anyhow::Result<Vec<String>> {
        let Self { plan, gateways, processors, query, .. } = self;
        let mut revived = Vec::new();
        for service in gateways.iter_mut().chain(processors).chain([query]) {
            let ended = service.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                revived.push(format!("{} ({status})", service.name));
                service.start(plan)?;
            }
        }
        Ok(revived)
    }

    /// Stops everything.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let Self { gateways, processors, substitute, query, .. } = &mut self;
        for service in gateways.iter_mut().chain(processors).chain([substitute, query]) {
            if let Ok(pid) = service.pid() {
                signal(pid, Signal::TERM);
                service.ended().await?;
            }
        }
        drop(self.engines.stdin.take());
        tokio::time::timeout(STOP, self.engines.wait()).await.context("the engines do not stop")??;
        Ok(())
    }

    fn service(&mut self, target: Target) -> Option<&mut Service> {
        match target {
            Target::Gateway(number) => self.gateways.get_mut(number),
            Target::Processor(number) => self.processors.get_mut(number),
            Target::Query => Some(&mut self.query),
            Target::Broker | Target::ClickHouse => None,
        }
    }

    fn pid(&mut self, target: Target) -> anyhow::Result<Pid> {
        let engine = match target {
            Target::Broker => "kafka",
            Target::ClickHouse => "clickhouse",
            Target::Gateway(_) | Target::Processor(_) | Target::Query => {
                return self.service(target).context("there is no such service")?.pid();
            }
        };
        let file = self.plan.data.join("run").join(format!("{engine}.pid"));
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.trim().parse().ok().and_then(Pid::from_raw).context("not a process id")
    }
}

impl Service {
    fn start(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let log = plan.data.join("logs").join(format!("{}.log", self.name));
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(&plan.venuecode);
        command.args(["service", self.kind]).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env(LIFELINE.0, LIFELINE.1).stdin(Stdio::piped());
        command.stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        self.starts.fetch_add(1, Ordering::Release);
        self.child = Some(command.spawn().with_context(|| format!("cannot start {}", self.name))?);
        Ok(())
    }

    fn url(&self) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("http://{}", self.address))?)
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).with_context(|| format!("{} does not run", self.name))
    }

    async fn ended(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let ended = tokio::time::timeout(STOP, child.wait()).await;
        ended.with_context(|| format!("{} does not end", self.name))??;
        Ok(())
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let http = crate::gateway::http_client()?;
        let url = self.url()?.join("readyz")?;
        let deadline = Instant::now() + READY;
        while !http.get(url.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(Instant::now() < deadline, "{} is not ready after {} s", self.name, READY.as_secs());
            sleep(POLL).await;
        }
        Ok(())
    }
}

/// Starts the engines and returns the environment that says where they are.
async fn start_engines(plan: &Plan) -> anyhow::Result<(Child, Vec<(String, String)>)> {
    fs::create_dir_all(&plan.data)?;
    let mut command = Command::new(&plan.venuecode);
    command.arg("exec").arg("--data").arg(&plan.data).args(["--kafka-engine", &plan.kafka]);
    command.args(["--", "sh", "-c", "env; echo; exec cat"]);
    let log = File::create(plan.data.join("engines.log"))?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0);
    let mut engines = command.spawn().with_context(|| format!("cannot start {}", plan.venuecode.display()))?;
    let mut lines = BufReader::new(engines.stdout.take().context("no standard output")?).lines();
    let mut environment = Vec::new();
    while let Some(line) = lines.next_line().await? {
        match line.split_once('=') {
            _ if line.is_empty() => return Ok((engines, environment)),
            Some((name, value)) if name.starts_with("VENUECODE_") => {
                environment.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
    bail!("the engines did not start: {}", tail(&plan.data.join("engines.log")))
}

/// The parts of a table that inserts have made, not merges, whose rows may be older.
pub(super) fn inserted_parts(folder: &Path) -> anyhow::Result<HashSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names: HashSet<String> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<_>>()?;
    Ok(names
        .into_iter()
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with("_0"))
        .collect())
}

fn value<'a>(environment: &'a [(String, String)], name: &str) -> anyhow::Result<&'a str> {
    let found = environment.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str()).with_context(|| format!("{name} is not exported"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// Fails only for a process that is gone already, and then there is nothing to do.
fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}
