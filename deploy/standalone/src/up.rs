//! `venuecode up`: the engines and all three services in the foreground, until Ctrl-C or SIGTERM.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use service::city::read_city;
use service::ports;

use crate::child::Child;
use crate::data_dir::DataDir;
use crate::engines::clickhouse::{ClickHouseOptions, Credentials, DATABASE};
use crate::engines::{EnginePlan, Engines, KafkaArgs, libchdb};
use crate::exec::external_clickhouse;
use crate::secrets::Secrets;
use crate::signals::Signals;
use crate::{fonts, lifeline, services};

const ENGINE_GRACE: Duration = Duration::from_secs(60);

/// Flags of `venuecode up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Directory for everything that is kept; created if it is not there.
    #[arg(long, env = "VENUECODE_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Address of the gateway (scans, registrations, feeds).
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen_ingest: SocketAddr,
    /// Address of the processor's health and metrics.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    listen_processor: SocketAddr,
    /// Address of the query service (tracing, footfall, consoles).
    #[arg(long, default_value = "127.0.0.1:8082", value_name = "ADDR")]
    listen_query: SocketAddr,
    /// Loopback port of the Kafka started here; three nodes take the two after it as well.
    #[arg(long, default_value_t = 19092, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65533))]
    kafka_port: u16,
    /// Loopback port of the embedded ClickHouse.
    #[arg(long, default_value_t = 18123, value_name = "PORT")]
    clickhouse_port: u16,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Use a ClickHouse that runs elsewhere; users and passwords as for `venuecode exec`.
    #[arg(long, value_name = "URL")]
    clickhouse: Option<String>,
    /// City profile: the name of a built-in one, or the path of a .toml file.
    #[arg(long, env = "VENUECODE_CITY", default_value = "shanghai", value_name = "NAME|FILE")]
    city: String,
    /// Accounts of automatic health feeds, whose bulk changes need no second account; separated by commas.
    #[arg(long, env = "VENUECODE_AUTOMATIC_FEEDS", value_name = "ACCOUNT", value_delimiter = ',')]
    pub automatic_feeds: Vec<String>,
    /// Keep ClickHouse's system.query_log, for two days or until the next start.
    #[arg(long, env = "VENUECODE_QUERY_LOG", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    query_log: bool,
}

/// Runs everything until a signal, then stops it in the order of the data.
///
/// # Errors
/// The directory or a port is in use, or a part did not become ready; everything that had started is stopped.
pub async fn run(args: UpArgs) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    lifeline::raise_sigterm_at_end()?;
    if let Some(system) = System::start(&args, &mut signals).await? {
        system.print_addresses();
        println!("ready; Ctrl-C stops");
        signals.recv().await;
        system.stop().await;
    }
    Ok(())
}

/// The engines and the services, all ready.
pub struct System {
    engines: Engines,
    services: Vec<Child>,
    addresses: Addresses,
    token_key: PathBuf,
}

/// Where the three services listen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The gateway.
    pub ingest: SocketAddr,
    /// The processor's health endpoints.
    pub processor: SocketAddr,
    /// The query API.
    pub query: SocketAddr,
}

impl System {
    /// Starts everything and waits until it is ready; `None` when a signal comes first.
    ///
    /// # Errors
    /// The directory or a port is in use, or a part did not become ready; everything that had started is stopped.
    pub async fn start(args: &UpArgs, signals: &mut Signals) -> anyhow::Result<Option<Self>> {
        read_city(&args.city).context("--city")?;
        let data = DataDir::open(&args.data)?;
        let engine = if args.clickhouse.is_none() { Some(libchdb::locate()?) } else { None };
        args.check_ports()?;
        let secrets = Secrets::load_or_generate(&data)?;
        let plan = EnginePlan {
            kafka: args.kafka.plan(&args.broker_ports())?,
            external_clickhouse: args.clickhouse.as_deref().map(external_clickhouse),
            clickhouse_port: args.clickhouse_port,
            clickhouse: ClickHouseOptions { engine, query_log: args.query_log, is_for_tests: false },
            grace: ENGINE_GRACE,
        };
        eprintln!("venuecode: starting, data in {}", data.path().display());
        let engines = Engines::launch(&plan, &data, &secrets).await?;
        let mut system = Self {
            engines,
            services: Vec::new(),
            addresses: args.addresses(),
            token_key: secrets.token_key_file.clone(),
        };
        let outcome = tokio::select! {
            outcome = start_services(args, &data, &secrets, &system.engines, &mut system.services) => outcome.map(|()| true),
            _ = signals.recv() => Ok(false),
        };
        match outcome {
            Ok(true) => Ok(Some(system)),
            Ok(false) => {
                system.stop().await;
                Ok(None)
            }
            Err(error) => {
                system.stop().await;
                Err(error)
            }
        }
    }

    /// Stops the services in the order of the data, then the engines.
    pub async fn stop(self) {
        eprintln!("venuecode: stopping");
        for service in self.services {
            service.stop().await;
        }
        self.engines.stop().await;
    }

    /// Prints where everything can be reached.
    pub fn print_addresses(&self) {
        println!("ingest      http://{}", services::reachable(self.addresses.ingest));
        println!("processor   http://{}", services::reachable(self.addresses.processor));
        println!("query-api   http://{}", services::reachable(self.addresses.query));
        println!("Kafka       {}", self.engines.kafka);
        println!("ClickHouse  {}", self.engines.clickhouse.url);
        println!("a token     {}", self.token_line());
    }
}

impl System {
    /// File with the private key that this system's tokens are signed with.
    #[must_use]
    pub fn token_key(&self) -> &Path {
        &self.token_key
    }

    /// A line for the shell that gets a token to try the query API with.
    fn token_line(&self) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| "venuecode".into());
        let (program, key) = (program.display(), self.token_key.display());
        format!("TOKEN=$({program} token issue --key {key} --role regulator --sub me)")
    }
}

/// Waits for the engines, starts the services in the order in which they are to be stopped and waits until all are ready.
async fn start_services(
    args: &UpArgs,
    data: &DataDir,
    secrets: &Secrets,
    engines: &Engines,
    children: &mut Vec<Child>,
) -> anyhow::Result<()> {
    engines.until_ready().await?;
    let clickhouse = &engines.clickhouse;
    let services = [
        ("ingest", args.listen_ingest, None),
        ("processor", args.listen_processor, Some(&clickhouse.processor)),
        ("query-api", args.listen_query, Some(&clickhouse.query)),
    ];
    for (name, listen, credentials) in services {
        let mut environment = service_environment(args, secrets, engines, credentials);
        match name {
            "ingest" => {
                environment.push(("VENUECODE_SPOOL", data.join("spool").into()));
                environment.push(("VENUECODE_TABLES", data.join("tables").into()));
                environment.push(("VENUECODE_AUTOMATIC_FEEDS", args.automatic_feeds.join(",").into()));
                environment.push(("VENUECODE_PAGE_ORIGIN", origin(args.listen_query).into()));
            }
            "query-api" => {
                environment.push(("VENUECODE_AUDIT_KEY_FILE", secrets.audit_key_file.clone().into()));
                environment.push(("VENUECODE_REPORT_KEY_FILE", secrets.report_key_file.clone().into()));
                environment.push((fonts::FONTS_VARIABLE, fonts::folder()?.into()));
                environment.push(("VENUECODE_GATEWAY_ORIGIN", origin(args.listen_ingest).into()));
            }
            _ => {}
        }
        children.push(services::start(name, listen, environment, data)?);
    }
    for ((_, listen, _), child) in services.iter().zip(children.iter()) {
        services::until_ready(child, *listen).await?;
    }
    Ok(())
}

/// The origin under which a browser on this machine reaches a service.
fn origin(listen: SocketAddr) -> String {
    format!("http://{}", services::reachable(listen))
}

fn service_environment(
    args: &UpArgs,
    secrets: &Secrets,
    engines: &Engines,
    credentials: Option<&Credentials>,
) -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<(&'static str, OsString)> = vec![
        ("VENUECODE_CITY", args.city.clone().into()),
        ("VENUECODE_CODE_KEYS_FILE", secrets.code_keys_file.clone().into()),
        ("VENUECODE_PERSON_KEYS_FILE", secrets.person_keys_file.clone().into()),
        ("VENUECODE_IDENTITY_KEYS_FILE", secrets.identity_keys_file.clone().into()),
        ("VENUECODE_TOKEN_KEYS_FILE", secrets.token_keys_file.clone().into()),
    ];
    // Without other installations on this Kafka there is no group to wait for after a processor was killed.
    let hold = if engines.kafka_is_embedded() { "all" } else { "group" };
    environment.push(("VENUECODE_HOLD", hold.into()));
    // Each partition is a request of its own to a broker that has one writer: a second one only costs.
    let partitions = if engines.kafka_is_embedded() { "1" } else { "4" };
    environment.push(("VENUECODE_PARTITIONS", partitions.into()));
    environment.extend(engines.kafka_environment().into_iter().map(|(name, value)| (name, value.into())));
    if let Some(credentials) = credentials {
        environment.extend([
            ("VENUECODE_CLICKHOUSE_URL", engines.clickhouse.url.clone().into()),
            ("VENUECODE_CLICKHOUSE_USER", credentials.user.clone().into()),
            ("VENUECODE_CLICKHOUSE_PASSWORD", credentials.password.clone().into()),
            ("VENUECODE_DATABASE", DATABASE.into()),
        ]);
    }
    environment
}

impl UpArgs {
    /// Everything on loopback ports that are free, in `data`.
    ///
    /// # Errors
    /// No port is free.
    pub fn on_free_ports(data: PathBuf, city: &str) -> anyhow::Result<Self> {
        let [ingest, processor, query, kafka_port, clickhouse_port] = ports::claim::<5>().context("no free port")?;
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self {
            data,
            listen_ingest: loopback(ingest),
            listen_processor: loopback(processor),
            listen_query: loopback(query),
            kafka_port,
            clickhouse_port,
            kafka: KafkaArgs::embedded(),
            clickhouse: None,
            city: city.to_owned(),
            automatic_feeds: Vec::new(),
            query_log: false,
        })
    }

    /// Where the services will listen.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        Addresses { ingest: self.listen_ingest, processor: self.listen_processor, query: self.listen_query }
    }

    fn broker_ports(&self) -> Vec<u16> {
        (self.kafka_port..).take(self.kafka.broker_ports()).collect()
    }

    fn check_ports(&self) -> anyhow::Result<()> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        ports::ensure_free(self.listen_ingest, "--listen-ingest")?;
        ports::ensure_free(self.listen_processor, "--listen-processor")?;
        ports::ensure_free(self.listen_query, "--listen-query")?;
        for port in self.broker_ports() {
            ports::ensure_free(loopback(port), "--kafka-port")?;
        }
        if self.clickhouse.is_none() {
            ports::ensure_free(loopback(self.clickhouse_port), "--clickhouse-port")?;
        }
        Ok(())
    }
}
