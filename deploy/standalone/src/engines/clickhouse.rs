//! The embedded ClickHouse: its configuration, its child process, its readiness.
//!
//! The engine is the real one, as a library (`libchdb.rs`) or as a `clickhouse` binary on `PATH`; it listens for HTTP
//! on the loopback address only.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::child::{Child, ChildSpec};
use crate::data_dir::DataDir;
use crate::engines::ClickHouseAccess;
use crate::engines::libchdb::{self, Engine};
use crate::probe;
use crate::secrets::{Secrets, write_private};

/// The database of the application.
pub const DATABASE: &str = "venuecode";

/// The one table that the reading user appends to.
const AUDIT_LOG: &str = "venuecode.audit_log";
const CONFIG: &str = include_str!("clickhouse/config.xml");
const USERS: &str = include_str!("clickhouse/users.xml");
const QUERY_LOG: &str = "    <query_log>
        <database>system</database>
        <table>query_log</table>
        <partition_by>event_date</partition_by>
        <ttl>event_date + INTERVAL 2 DAY DELETE</ttl>
        <flush_interval_milliseconds>7500</flush_interval_milliseconds>
    </query_log>
";
/// Loading the library from a cold disk is what takes long.
const READY_PATIENCE: Duration = Duration::from_secs(120);

/// A user and its password; the password never prints.
#[derive(Clone)]
pub struct Credentials {
    /// Name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What differs between installations.
#[derive(Debug, Clone)]
pub struct ClickHouseOptions {
    /// The library or binary to run.
    pub engine: Option<Engine>,
    /// Keep `system.query_log`, for two days or until the next start.
    pub query_log: bool,
    /// Let the reading user also see the databases called test_…, and append to them: tests have one database each. Its
    /// other rights are the same, so that tests meet what is refused.
    pub is_for_tests: bool,
}

/// Writes the configuration and starts the engine as a supervised child that stores in `DIR/clickhouse`.
///
/// # Errors
/// The configuration cannot be written or the child not started.
pub fn start(
    port: u16,
    options: &ClickHouseOptions,
    data: &DataDir,
    secrets: &Secrets,
    grace: Duration,
) -> anyhow::Result<(ClickHouseAccess, Child)> {
    let credentials = |user: &str, password: &str| Credentials { user: user.to_owned(), password: password.to_owned() };
    let access = ClickHouseAccess {
        url: format!("http://127.0.0.1:{port}"),
        admin: credentials("admin", &secrets.clickhouse_admin),
        processor: credentials("processor", &secrets.clickhouse_processor),
        query: credentials("query", &secrets.clickhouse_query),
    };
    let config = write_config(port, options, data, &access)?;
    let engine = options.engine.clone().map_or_else(libchdb::locate, Ok)?;
    let spec = ChildSpec {
        name: "clickhouse",
        arguments: vec!["engine".into(), "clickhouse".into(), "--config".into(), config.into()],
        environment: engine.environment(),
        stop_by: engine.stop_by(),
        grace,
    };
    Ok((access, Child::start(spec, data)?))
}

/// Waits until the engine answers a query of its own admin: whoever else got the port cannot.
///
/// # Errors
/// It ended first or took too long.
pub async fn until_ready(child: &Child, port: u16, admin: &Credentials) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let headers = [format!("X-ClickHouse-User: {}", admin.user), format!("X-ClickHouse-Key: {}", admin.password)];
    child.until_ready(READY_PATIENCE, async || probe::answers_ok(address, "/?query=SELECT%201", &headers).await).await
}

fn write_config(
    port: u16,
    options: &ClickHouseOptions,
    data: &DataDir,
    access: &ClickHouseAccess,
) -> anyhow::Result<PathBuf> {
    let conf = data.join("conf");
    let users_path = conf.join("users.xml");
    let config_path = conf.join("config.xml");
    let users = fill(
        USERS,
        &[
            ("admin_password", &access.admin.password),
            ("processor_password", &access.processor.password),
            ("query_password", &access.query.password),
            ("database", DATABASE),
            ("audit_log", AUDIT_LOG),
            // The databases of tests come and go, each with a log.
            ("readable", if options.is_for_tests { "test_*" } else { DATABASE }),
            ("appendable", if options.is_for_tests { "test_*.*" } else { AUDIT_LOG }),
        ],
    );
    let config = fill(
        CONFIG,
        &[
            ("data", &data.join("clickhouse").to_string_lossy()),
            ("users", &users_path.to_string_lossy()),
            ("log", &data.log_file("clickhouse-server").to_string_lossy()),
            ("port", &port.to_string()),
        ],
    );
    let config = config.replace("{{query_log}}", if options.query_log { QUERY_LOG } else { "" });
    for (path, text) in [(&users_path, users), (&config_path, config)] {
        write_private(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(config_path)
}

fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace(&format!("{{{{{name}}}}}"), &value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_the_configuration() {
        assert_eq!(fill("<a>{{v}}</a>", &[("v", "x</a>&")]), "<a>x&lt;/a&gt;&amp;</a>");
    }

    #[test]
    fn passwords_never_print() {
        let credentials = Credentials { user: "admin".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
