//! `venuecode token`: the keys that tokens are signed with, and the tokens themselves.

pub mod keys;
mod show;

use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use schemas::access::{Role, Scope};
use schemas::{PersonKey, VenueId};
use service::access::{Issuer, SigningKey};

/// What the help of `venuecode token` ends with.
pub const EXAMPLES: &str = "\
A token says who its holder is, one role, what it is limited to, and until when it holds. It is signed with a private
key that only the issuer has; the services have the public ones and read them again when they change.

Examples:
  venuecode token issue --role device --sub sentinel-7 --venue 861
  TOKEN=$(venuecode token issue --role epidemiologist --sub cdc-3 --expires 8h)
  curl -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8082/v1/…'
  echo \"$TOKEN\" | venuecode token show

  venuecode token keygen                 # a new key signs from now on; tokens of the old one still hold
  venuecode token keygen --retire KID    # when they have run out, or at once if that key has leaked";

const ISSUE_EXAMPLES: &str = "\
Roles: device, citizen (needs --person), operator (needs --organisation), reviewer, district (needs --district),
epidemiologist, supervisor, dashboard, regulator, feed, admin, auditor. Which role may use which route is in each
service's /openapi.json. A limit narrows what the role may do; a route that cannot hold to it refuses the token.

Examples:
  venuecode token issue --role device --sub sentinel-7 --venue 861,1271 --expires 7d
  venuecode token issue --role operator --sub console --organisation 91310000MA1FL0000N
  venuecode token issue --role district --sub jingan --district 310106 --expires 8h";

/// Flags of `venuecode token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a new key, which signs from now on; or retire old ones.
    Keygen(keys::KeygenArgs),
    /// Print a new token.
    #[command(after_help = ISSUE_EXAMPLES)]
    Issue(IssueArgs),
    /// Say what a token says, without its signature. It is read from VENUECODE_TOKEN or from standard input.
    Show(show::ShowArgs),
}

/// Where the keys are.
#[derive(Debug, Clone, Args)]
pub struct KeyFiles {
    /// File of the private key.
    #[arg(
        long = "key",
        env = "VENUECODE_TOKEN_KEY_FILE",
        default_value = "data/secrets/token.key",
        value_name = "FILE"
    )]
    pub private: PathBuf,
}

/// Flags of `venuecode token issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    #[command(flatten)]
    key: KeyFiles,
    /// What the holder may do.
    #[arg(long)]
    role: Role,
    /// Who holds it: the number of a device, an account; no name, document or phone number.
    #[arg(long, value_name = "NAME")]
    sub: String,
    /// Only this organisation's venues: its unified social credit code.
    #[arg(long, value_name = "CODE")]
    organisation: Option<String>,
    /// Only this province, city or district: the first 2, 4 or all 6 digits of its code.
    #[arg(long, value_name = "DIGITS")]
    district: Option<u32>,
    /// Only these venues.
    #[arg(long = "venue", value_name = "NUMBER", value_delimiter = ',')]
    venues: Vec<VenueId>,
    /// Only this person: a person key.
    #[arg(long, value_name = "KEY")]
    person: Option<PersonKey>,
    /// How long it holds.
    #[arg(long, default_value = "12h", value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: std::time::Duration,
    /// Who issues it (`iss`).
    #[arg(long, env = "VENUECODE_TOKEN_ISSUER", default_value = "venuecode", value_name = "NAME")]
    issuer: String,
    /// Which installation it is for (`aud`).
    #[arg(long, env = "VENUECODE_TOKEN_AUDIENCE", default_value = "venuecode", value_name = "NAME")]
    audience: String,
}

/// Runs a subcommand.
///
/// # Errors
/// A file cannot be read or written, or the role needs a limit that was not given.
pub fn run(command: TokenCommand) -> anyhow::Result<()> {
    let printed = match command {
        TokenCommand::Keygen(args) => args.run()?,
        TokenCommand::Issue(args) => args.issue()?,
        TokenCommand::Show(args) => args.run(Utc::now())?,
    };
    println!("{printed}");
    Ok(())
}

impl IssueArgs {
    fn issue(self) -> anyhow::Result<String> {
        let key = SigningKey::read(&self.key.private)?;
        let scope = Scope {
            organisation: self.organisation,
            district: self.district,
            venues: Some(self.venues).filter(|venues| !venues.is_empty()),
            person: self.person,
        };
        let lifetime_s = u32::try_from(self.expires.as_secs()).context("--expires is too long")?;
        let issuer = Issuer { key, issuer: self.issuer, audience: self.audience };
        issuer.issue(self.role, &self.sub, scope, Utc::now().timestamp(), lifetime_s)
    }
}
