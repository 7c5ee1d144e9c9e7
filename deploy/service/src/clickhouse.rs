//! ClickHouse clients: one for inserts, one for queries.

use clickhouse::{Client, Compression};

use crate::secret::Secret;

/// Where ClickHouse is and who asks.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "ClickHouse")]
pub struct ClickHouseConfig {
    /// HTTP address
    #[arg(
        long = "clickhouse",
        env = "VENUECODE_CLICKHOUSE_URL",
        default_value = "http://127.0.0.1:18123",
        value_name = "URL"
    )]
    pub url: String,
    /// User
    #[arg(long = "clickhouse-user", env = "VENUECODE_CLICKHOUSE_USER", default_value = "default", value_name = "USER")]
    pub user: String,
    /// Password; better given in the environment than on the command line
    #[arg(
        long = "clickhouse-password",
        env = "VENUECODE_CLICKHOUSE_PASSWORD",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true,
        value_name = "PASSWORD"
    )]
    pub password: Secret,
    /// Database
    #[arg(long, env = "VENUECODE_DATABASE", default_value = "venuecode")]
    pub database: String,
}

impl ClickHouseConfig {
    /// A client without a database, for creating one.
    pub(crate) fn server(&self) -> Client {
        Client::default().with_url(&self.url).with_user(&self.user).with_password(self.password.reveal())
    }

    /// A client for inserts: compressed, and inserted before it is acknowledged.
    pub fn insert_client(&self) -> Client {
        self.server().with_database(&self.database).with_compression(Compression::Lz4).with_setting("async_insert", "0")
    }

    /// A client for queries: uncompressed, which is three to six times faster on a fast network.
    pub fn query_client(&self) -> Client {
        self.server().with_database(&self.database).with_compression(Compression::None)
    }

    /// A client for queries with a person in them: the server's log of queries, in which values stand as they are, gets none.
    pub fn unlogged_client(&self) -> Client {
        self.query_client().with_setting("log_queries", "0")
    }
}
