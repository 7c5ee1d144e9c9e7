//! `venuecode dead-letters`: looks at what could not be processed, corrects it, and sends it back.
//!
//! Nothing on the topic is ever changed or removed: that a letter was sent back is a further record on it. What is sent
//! back takes the same way as any other message, so a scan that is stored already is known again by its `event_id`.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::Utc;
use clap::{Args, Subcommand};
use service::KafkaConfig;

pub mod correction;
pub mod event_kind;
pub mod filter;
pub mod letters;
pub mod listing;
pub mod resend;

use event_kind::EventKind;
use filter::Filter;
use letters::Letter;
use resend::{Planned, Rules};

/// Shown under `venuecode dead-letters --help`.
pub const EXAMPLES: &str = "\
A letter is known by its offset on the topic of dead letters, the first column of `list`. Sending one back twice stores
nothing twice; `list` shows which have been sent back.

Examples:
  What is there, and why:
    venuecode dead-letters list --pending
    venuecode dead-letters list --topic scans --reason 'not in the directory' --since 2d --json
    venuecode dead-letters show 17

  The cause is gone (the venue is in the directory by now): send the original bytes back:
    venuecode dead-letters replay 17 18
    venuecode dead-letters replay --all --reason 'not in the directory' --dry-run

  The message itself is wrong: correct it, then send it back:
    venuecode dead-letters fix 19 --set scanned_at=1653000000 --set colour=green
    venuecode dead-letters show 19 --value >19.json && vi 19.json && venuecode dead-letters fix 19 --value-file 19.json
    venuecode dead-letters fix 19 --edit

  On a cluster:
    venuecode dead-letters list --kafka kafka-1:9092,kafka-2:9092 --topic-prefix north.";

/// Subcommands of `venuecode dead-letters`.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List letters: where each came from, why, when, and whether it was sent back.
    List(ListArgs),
    /// Show one letter whole. Its value may hold a person key; nothing in it names a person.
    Show(ShowArgs),
    /// Send the original bytes back to the topic they came from, under the same key.
    Replay(ReplayArgs),
    /// Send a corrected value back, after checking it against what its topic holds.
    Fix(FixArgs),
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// Print one JSON object per letter.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The letter, by its offset.
    offset: i64,
    /// Print its original value and nothing else.
    #[arg(long)]
    value: bool,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The letters, by their offsets.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "OFFSET")]
    offsets: Vec<i64>,
    /// All that the filters let through; one that cannot be sent back is named and passed over.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Flags of `fix`.
#[derive(Debug, Args)]
pub struct FixArgs {
    /// The letter, by its offset.
    offset: i64,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    kafka: KafkaConfig,
}

/// Where the corrected value comes from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// Set a field; VALUE is JSON if it reads as such, else text. May be given several times.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Take the whole value from a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Open the value in $VISUAL or $EDITOR.
    #[arg(long)]
    edit: bool,
}

/// Whether to ask before anything is sent.
#[derive(Debug, Args)]
pub struct Consent {
    /// Say what would be sent and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Runs a subcommand.
///
/// # Errors
/// Kafka does not answer, a letter is not there, or what is asked for cannot be sent; then nothing has been.
pub async fn run(command: DeadLettersCommand) -> anyhow::Result<()> {
    match command {
        DeadLettersCommand::List(args) => list(args).await,
        DeadLettersCommand::Show(args) => show(args).await,
        DeadLettersCommand::Replay(args) => replay(args).await,
        DeadLettersCommand::Fix(args) => fix(args).await,
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let mut letters = letters::read(&args.kafka).await?;
    args.filter.apply(&mut letters, &args.kafka, Utc::now());
    let text = if args.json { listing::json_lines(&letters)? } else { listing::table(&letters) };
    io::stdout().write_all(text.as_bytes()).context("cannot write the list")
}

async fn show(args: ShowArgs) -> anyhow::Result<()> {
    let letters = letters::read(&args.kafka).await?;
    let letter = letters::find(&letters, args.offset)?;
    if args.value {
        return io::stdout().write_all(&letter.value()?).context("cannot write the value");
    }
    let check = match EventKind::of(&letter.content.topic, &args.kafka.topics()) {
        Some(kind) => kind.check(&letter.value()?).map(|_| ()),
        None => Err("its topic is not one that letters are sent back to".to_owned()),
    };
    print!("{}", listing::whole(letter, &check)?);
    Ok(())
}

async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    let mut letters = letters::read(&args.kafka).await?;
    if !args.all {
        letters =
            args.offsets.iter().map(|offset| letters::find(&letters, *offset).cloned()).collect::<Result<_, _>>()?;
    }
    args.filter.apply(&mut letters, &args.kafka, Utc::now());
    let plans = letters.iter().map(|letter| resend::plan_original(letter, &args.kafka, &args.rules));
    let (plans, mut refused) = split(&letters, plans);
    let (plans, kept_back) = resend::admissible(plans, &args.kafka, &args.rules).await?;
    refused.extend(kept_back);
    for (offset, why) in &refused {
        eprintln!("letter {offset}: {why}");
    }
    if !args.all && !refused.is_empty() {
        bail!("nothing was sent: {} of {} letters cannot be sent back", refused.len(), letters.len());
    }
    deliver(&args.kafka, plans, &args.consent).await
}

async fn fix(args: FixArgs) -> anyhow::Result<()> {
    let letters = letters::read(&args.kafka).await?;
    let letter = letters::find(&letters, args.offset)?;
    let kind = EventKind::of(&letter.content.topic, &args.kafka.topics())
        .with_context(|| format!("letter {}: letters are not sent back to {}", letter.offset, letter.content.topic))?;
    let original = letter.value()?;
    let value = match &args.source {
        Source { value_file: Some(file), .. } => read_value(file)?,
        Source { edit: true, .. } => correction::in_editor(&original)?,
        Source { set, .. } => correction::with_fields(&original, set, kind)?,
    };
    let plan = resend::plan_corrected(letter, kind, value, &args.rules)
        .map_err(|why| anyhow::anyhow!("letter {}: {why}", letter.offset))?;
    let (plans, kept_back) = resend::admissible(vec![plan], &args.kafka, &args.rules).await?;
    if let Some((offset, why)) = kept_back.first() {
        bail!("letter {offset}: {why}");
    }
    deliver(&args.kafka, plans, &args.consent).await
}

type Refusals = Vec<(i64, String)>;

fn split(letters: &[Letter], plans: impl Iterator<Item = Result<Planned, String>>) -> (Vec<Planned>, Refusals) {
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for (letter, plan) in letters.iter().zip(plans) {
        match plan {
            Ok(plan) => good.push(plan),
            Err(why) => refused.push((letter.offset, why)),
        }
    }
    (good, refused)
}

async fn deliver(kafka: &KafkaConfig, plans: Vec<Planned>, consent: &Consent) -> anyhow::Result<()> {
    for plan in &plans {
        println!("{plan}");
    }
    if plans.is_empty() || consent.dry_run {
        println!("nothing was sent");
        return Ok(());
    }
    if !consent.yes && !agreed(plans.len())? {
        bail!("nothing was sent");
    }
    let sent = resend::send(kafka, &plans).await?;
    println!("sent back: {sent}");
    Ok(())
}

fn agreed(count: usize) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nothing was sent: say --yes where nobody can be asked");
    }
    eprint!("Send {count} message(s) back? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn read_value(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut value = Vec::new();
        io::stdin().read_to_end(&mut value).context("cannot read standard input")?;
        return Ok(value);
    }
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
