//! Signs what is said of an erasure, so that who was erased, or a regulator, can show it to anybody.
//!
//! A report is a compact JWS (RFC 7515) with Ed25519, of a type of its own: its key verifies no token. It says what was
//! removed, what is kept and why, and where bytes may be until when; it names nobody, neither the person, whom a digest
//! tells to those who know the key, nor accounts of offices.

use std::path::PathBuf;

use schemas::{
    PersonDigest,
    city::Bilingual,
    events::ErasureBasis,
    stores::{TABLES, TOPICS, TableErased},
};
use serde::Serialize;
use service::access::{PublicKey, SigningKey};
use uuid::Uuid;

use crate::{QueryError, store::ErasureRow};

/// The type in a report's head.
pub const TYPE: &str = "erasure-report+jwt";

/// With what reports are signed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportConfig {
    /// File with the private key that reports about erasures are signed with, as `venuecode token keygen` writes one; another
    /// than tokens are signed with
    #[arg(long, env = "VENUECODE_REPORT_KEY_FILE", value_name = "FILE")]
    pub report_key_file: PathBuf,
}

/// Signs reports.
#[derive(Debug)]
pub struct ReportSigner {
    key: SigningKey,
    /// Which installation it is.
    issuer: String,
}

/// What a report says. Times are in seconds since 1970, as in all claims (RFC 7519).
#[derive(Debug, Serialize)]
struct Report<'r> {
    /// The installation, as its tokens name it.
    iss: &'r str,
    /// When it was signed.
    iat: i64,
    /// The erasure.
    sub: Uuid,
    district: u32,
    /// Of whom: [`PersonDigest`] of the person key.
    digest: &'r str,
    digest_algorithm: &'static str,
    basis: &'r str,
    basis_name: Option<Bilingual>,
    evidence: &'r str,
    asked_at: i64,
    confirmed_at: Option<i64>,
    /// What was made or accepted before is erased.
    erased_before: Option<i64>,
    done_at: i64,
    removed: Vec<Removed<'r>>,
    remains: Vec<Remains<'r>>,
    /// Under which condition the times in `remains` hold.
    provided: &'static str,
    /// Where bytes may be beside topics.
    elsewhere: [Elsewhere; 6],
    kept: Vec<Kept>,
}

#[derive(Debug, Serialize)]
struct Removed<'r> {
    table: &'r str,
    rows: u64,
}

/// Bytes that no service reaches any more, until the log itself lets them go.
#[derive(Debug, Serialize)]
struct Remains<'r> {
    topic: &'r str,
    /// None when no end is known, as with the embedded Kafka, whose file is written anew when it starts next.
    until: Option<i64>,
    /// How the topic is kept, and why if it is for good.
    because: Option<String>,
}

impl<'r> Remains<'r> {
    fn new(topic: &'r str, until_ms: i64) -> Self {
        let known = TOPICS.iter().find(|known| known.name == topic);
        let until = (until_ms > 0).then_some(until_ms / 1000);
        Self { topic, until, because: known.map(|topic| topic.kept.words()) }
    }
}

/// Nobody is told of these by a service, and no message says when they are gone.
#[derive(Debug, Serialize)]
struct Elsewhere {
    place: &'static str,
    until: &'static str,
}

/// The broker's settings are not looked at here: who runs it may have changed them.
const PROVIDED: &str = "topics have the settings with which this version makes them, and on a compacted one each partition \
                        gets something newer: what was written last is not compacted";

const ELSEWHERE: [Elsewhere; 6] = [
    Elsewhere {
        place: "a dependant's registration in the topic identities, which names the person as guardian",
        until: "the dependant registers again; with the embedded Kafka it starts again",
    },
    Elsewhere { place: "the file of the embedded Kafka", until: "it starts again" },
    Elsewhere { place: "snapshots of gateways", until: "the next one is written, or `venuecode` starts" },
    Elsewhere { place: "parts of tables that were written anew", until: "ClickHouse removes them, minutes later" },
    Elsewhere {
        place: "ClickHouse's log of queries, where statements name the person",
        until: "its own retention is over, two days as `venuecode` sets it",
    },
    Elsewhere { place: "backups", until: "whoever makes them removes them" },
];

#[derive(Debug, Serialize)]
struct Kept {
    table: &'static str,
    because: &'static str,
}

impl ReportSigner {
    /// Reads the key.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn try_new(config: &ReportConfig, issuer: &str) -> anyhow::Result<Self> {
        Ok(Self { key: SigningKey::read(&config.report_key_file)?, issuer: issuer.to_owned() })
    }

    /// The key that reports are verified with.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The signed report about an erasure, as of `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`QueryError::ErasureNotDone`] when it was not carried out.
    pub fn sign(&self, erasure: &ErasureRow, now: i64) -> Result<String, QueryError> {
        let done_at_ms = erasure.done_at_ms.ok_or(QueryError::ErasureNotDone)?;
        let removed = erasure.removed_tables.iter().zip(&erasure.removed_rows);
        let remains = erasure.remains_topics.iter().zip(&erasure.remains_until_ms);
        let kept = TABLES.iter().filter_map(|table| match table.erased {
            TableErased::Kept(because) => Some(Kept { table: table.name, because }),
            _ => None,
        });
        let report = Report {
            iss: &self.issuer,
            iat: now,
            sub: erasure.erasure_id,
            district: erasure.district,
            digest: &erasure.digest,
            digest_algorithm: PersonDigest::ALGORITHM,
            basis: &erasure.basis,
            basis_name: ErasureBasis::of(&erasure.basis).map(ErasureBasis::name),
            evidence: &erasure.evidence,
            asked_at: erasure.asked_at_ms / 1000,
            confirmed_at: erasure.confirmed_at_ms.map(|at| at / 1000),
            erased_before: erasure.erased_before_ms.map(|at| at / 1000),
            done_at: done_at_ms / 1000,
            removed: removed.map(|(table, rows)| Removed { table, rows: *rows }).collect(),
            remains: remains.map(|(topic, until_ms)| Remains::new(topic, *until_ms)).collect(),
            provided: PROVIDED,
            elsewhere: ELSEWHERE,
            kept: kept.collect(),
        };
        self.key.sign_statement(TYPE, &report).map_err(|_| QueryError::Unsigned)
    }
}
