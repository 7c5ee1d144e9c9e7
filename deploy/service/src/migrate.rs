//! Brings the tables to the version that this build needs, and tells which version is there.

use anyhow::{Context, bail};
use schemas::ddl::{MIGRATIONS, VERSION};

use crate::ClickHouseConfig;

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
     (version UInt32, name String, applied_at DateTime('UTC') DEFAULT now()) ENGINE = MergeTree ORDER BY version";

/// Creates the database if it is not there and applies what is missing; running it twice changes nothing.
///
/// # Errors
/// When ClickHouse does not answer or refuses, or its tables are newer than this build or of another one.
pub async fn migrate(config: &ClickHouseConfig) -> anyhow::Result<()> {
    let database = &config.database;
    if database.is_empty() || !database.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        bail!("database `{database}` is not a name: expected letters, digits and underscores");
    }
    let create = format!("CREATE DATABASE IF NOT EXISTS `{database}`");
    config.server().query(&create).execute().await.with_context(|| format!("cannot create database {database}"))?;
    let client = config.query_client();
    client.query(CREATE_LEDGER).execute().await.context("cannot create the table of migrations")?;
    let applied = applied_version(config).await?;
    if applied > VERSION {
        bail!("database {database} is at version {applied}, this build knows versions up to {VERSION}");
    }
    check_names(config).await?;
    for migration in MIGRATIONS.iter().filter(|m| m.version > applied) {
        client.query(migration.sql).execute().await.with_context(|| format!("migration {} failed", migration.name))?;
        let note = "INSERT INTO schema_migrations (version, name) VALUES ({version:UInt32}, {name:String})";
        let note = client.query(note).param("version", migration.version).param("name", migration.name);
        note.execute().await.with_context(|| format!("cannot note migration {}", migration.name))?;
        tracing::info!(migration = migration.name, "applied a migration");
    }
    Ok(())
}

/// Whether the migrations that were applied are those of this build: numbers alone do not tell.
async fn check_names(config: &ClickHouseConfig) -> anyhow::Result<()> {
    let names = "SELECT version, any(name) FROM schema_migrations GROUP BY version ORDER BY version";
    let applied: Vec<(u32, String)> =
        config.query_client().query(names).fetch_all().await.context("cannot read the names of the migrations")?;
    for (version, name) in applied {
        let own = MIGRATIONS.iter().find(|migration| migration.version == version).map_or("none", |own| own.name);
        if own != name {
            bail!(
                "the tables of database {} were made by another build: its migration {version} is `{name}`, this build's \
                 is `{own}`. Tables of such a build are not carried over: keep using that build, or begin with an empty \
                 database (with embedded engines: a new data directory)",
                config.database
            );
        }
    }
    Ok(())
}

/// The version of the tables; 0 when there are none.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn applied_version(config: &ClickHouseConfig) -> anyhow::Result<u32> {
    let exists = "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'";
    let client = config.query_client();
    let exists: u64 = client
        .query(exists)
        .param("database", &config.database)
        .fetch_one()
        .await
        .context("cannot ask ClickHouse for its tables")?;
    if exists == 0 {
        return Ok(0);
    }
    let version = client.query("SELECT max(version) FROM schema_migrations").fetch_one().await;
    version.context("cannot read the version of the tables")
}
