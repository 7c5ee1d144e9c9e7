//! `venuecode import-venues`: the venue directory from a CSV file.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use csv::StringRecord;
use futures::StreamExt;
use schemas::VenueId;

use super::mapping::find;
use super::refusals::{Refusal, Refusals};
use super::source::open_csv;
use crate::gateway::{Batch, Feed, Gateway, GatewayConfig, MAX_LINES, VenueLine, describe};
use crate::terminal::{Progress, grouped, print};

/// Imports the venue directory from a CSV file
#[derive(Debug, Clone, clap::Args)]
pub struct ImportVenuesArgs {
    /// CSV file with a header, plain or gzip
    pub file: PathBuf,
    /// Column with the venue's number
    #[arg(long, default_value = "venue", value_name = "COLUMN")]
    pub id_column: String,
    /// Column with the name; without it, prefix and number make the name
    #[arg(long, value_name = "COLUMN")]
    pub name_column: Option<String>,
    /// What comes before the number in the name
    #[arg(long, default_value = "Venue ", value_name = "TEXT", conflicts_with = "name_column")]
    pub name_prefix: String,
    /// Column with the latitude in degrees
    #[arg(long, value_name = "COLUMN", requires = "longitude_column")]
    pub latitude_column: Option<String>,
    /// Column with the longitude in degrees
    #[arg(long, value_name = "COLUMN", requires = "latitude_column")]
    pub longitude_column: Option<String>,
    /// Column with the category; without it, all have the one of --category
    #[arg(long, value_name = "COLUMN")]
    pub category_column: Option<String>,
    /// Category of all venues
    #[arg(long, default_value = "other", value_name = "ID")]
    pub category: String,
    /// Column with the district; without it, all have the one of --district
    #[arg(long, value_name = "COLUMN")]
    pub district_column: Option<String>,
    /// District of all venues, six-digit code of GB/T 2260
    #[arg(long, default_value_t = 310_101, value_name = "CODE")]
    pub district: u32,
    /// Column with the address; without it, all have the one of --address
    #[arg(long, value_name = "COLUMN")]
    pub address_column: Option<String>,
    /// Address of all venues
    #[arg(long, default_value = "(imported)", value_name = "TEXT")]
    pub address: String,
    /// Rows per request
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_LINES as i64))]
    pub batch: u16,
    /// Character between columns
    #[arg(long, default_value = ",", value_name = "CHARACTER", value_parser = super::delimiter)]
    pub delimiter: u8,
    /// Write the refused rows, with line and reason, to this CSV file
    #[arg(long, value_name = "PATH")]
    pub refused_file: Option<PathBuf>,
    /// Where venues go.
    #[command(flatten)]
    pub gateway: GatewayConfig,
}

/// Imports the file and prints a summary.
///
/// # Errors
/// When the file or a column cannot be used, the gateway cannot be reached for long, or a venue is refused: scans at it
/// would be refused too.
pub async fn run(args: ImportVenuesArgs) -> anyhow::Result<u64> {
    let gateway = Gateway::try_new(&args.gateway)?;
    let (mut reader, _, _) = open_csv(&args.file, args.delimiter)?;
    let headers = reader.headers().with_context(|| format!("cannot read the header of {}", args.file.display()))?;
    let headers = headers.clone();
    let columns = Columns::find(&args, &headers).with_context(|| format!("{}", args.file.display()))?;
    let mut refusals = Refusals::open(args.refused_file.as_deref(), false, &headers)?;

    let mut batches = vec![Batch::default()];
    let mut refused = Vec::new();
    for (nth, record) in reader.into_records().enumerate() {
        let record = record.with_context(|| format!("cannot read {}", args.file.display()))?;
        let line = record.position().map_or(nth as u64 + 2, csv::Position::line);
        match columns.venue(&args, &record) {
            Err(reason) => refused.push(Refusal { line, reason, record: Some(record) }),
            Ok(venue) => {
                if batches.last().is_none_or(|b: &Batch<_>| b.len() >= usize::from(args.batch)) {
                    batches.push(Batch::default());
                }
                if let Some(batch) = batches.last_mut() {
                    batch.push(&venue.line(), (line, record.clone()))?;
                }
            }
        }
    }
    let total: usize = batches.iter().map(Batch::len).sum();

    gateway.wait_ready().await?;
    let mut progress = Progress::start("venues", total as u64);
    let (mut taken, mut done) = (0u64, 0u64);
    batches.retain(|b| !b.is_empty());
    let mut answers = std::pin::pin!(gateway.feed(Feed::Venues, futures::stream::iter(batches)));
    while let Some(answer) = answers.next().await {
        let (batch, outcomes) = answer?;
        done += outcomes.len() as u64;
        for ((line, record), outcome) in batch.into_tags().into_iter().zip(&outcomes) {
            match &outcome.problem {
                None => taken += 1,
                Some(problem) => {
                    refused.push(Refusal { line, reason: describe(problem), record: Some(record) });
                }
            }
        }
        progress.advance_to(done, done);
    }
    progress.finish();
    refused.sort_by_key(|r| r.line);
    let refused_rows = refused.len() as u64;
    refusals.add(refused)?;
    let (accepted, shown) = (grouped(taken), grouped(refused_rows));
    print(&format!(
        "导入场所 Import of venues\n  {:<10} {accepted:>15}\n  {:<10} {shown:>15}\n{refusals}",
        "accepted", "refused"
    ))?;
    ensure!(refused_rows == 0, "{shown} venues were refused");
    Ok(taken)
}

/// Where in a row each thing is.
struct Columns {
    id: usize,
    name: Option<usize>,
    place: Option<(usize, usize)>,
    category: Option<usize>,
    district: Option<usize>,
    address: Option<usize>,
}

/// A row that can be sent.
struct Row<'a> {
    id: VenueId,
    name: String,
    place: Option<(f64, f64)>,
    category: &'a str,
    district: u32,
    address: &'a str,
}

impl Columns {
    fn find(args: &ImportVenuesArgs, headers: &StringRecord) -> Result<Self, super::MappingError> {
        let optional =
            |column: &Option<String>, option| column.as_deref().map(|column| find(headers, column, option)).transpose();
        let latitude = optional(&args.latitude_column, "latitude-column")?;
        Ok(Self {
            id: find(headers, &args.id_column, "id-column")?,
            name: optional(&args.name_column, "name-column")?,
            place: latitude.zip(optional(&args.longitude_column, "longitude-column")?),
            category: optional(&args.category_column, "category-column")?,
            district: optional(&args.district_column, "district-column")?,
            address: optional(&args.address_column, "address-column")?,
        })
    }

    fn venue<'a>(&self, args: &'a ImportVenuesArgs, record: &'a StringRecord) -> Result<Row<'a>, String> {
        let field = |index: usize| record.get(index).unwrap_or_default().trim();
        let degrees = |index: usize| {
            let text = field(index);
            text.parse::<f64>().map_err(|_| format!("`{text}` is no latitude or longitude in degrees"))
        };
        let id: VenueId = field(self.id).parse().map_err(|_| format!("`{}` is no venue number", field(self.id)))?;
        let district = match self.district {
            Some(column) => field(column).parse().map_err(|_| format!("`{}` is no district code", field(column)))?,
            None => args.district,
        };
        Ok(Row {
            id,
            name: self.name.map_or_else(|| format!("{}{id}", args.name_prefix), |column| field(column).to_owned()),
            place: self.place.map(|(lat, lon)| Ok::<_, String>((degrees(lat)?, degrees(lon)?))).transpose()?,
            category: self.category.map_or(args.category.as_str(), field),
            district,
            address: self.address.map_or(args.address.as_str(), field),
        })
    }
}

impl Row<'_> {
    fn line(&self) -> VenueLine<'_> {
        VenueLine {
            venue: self.id,
            name: &self.name,
            category: self.category,
            district: self.district,
            address: self.address,
            latitude: self.place.map(|p| p.0),
            longitude: self.place.map(|p| p.1),
        }
    }
}
