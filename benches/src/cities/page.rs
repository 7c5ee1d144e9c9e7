//! The page that a printed code opens, as any phone's scanner opens it: without a token.

use anyhow::{Context, ensure};

use super::api::{Api, list};
use super::office::Venue;
use super::sheet::Sheet;

/// What `page` finds when everything is there.
const WHOLE: &str = "场所码, Venue code, page.css, page.js, worker.js";

impl Api {
    /// Opens what a venue's code says; its titles, and the parts that make it work and keep it on the phone.
    async fn opened(&self, venue: &Venue) -> anyhow::Result<String> {
        let (_, path) = venue.url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).context("no path")?;
        let html = self.open(&format!("/{path}"), "text/html").await?;
        let mut found: Vec<_> = ["场所码", "Venue code"].into_iter().filter(|title| html.contains(title)).collect();
        let mut text = html;
        for (part, media_type) in
            [("page.css", "text/css"), ("page.js", "text/javascript"), ("worker.js", "text/javascript")]
        {
            ensure!(text.contains(part), "nothing opens {part}");
            let more = self.open(&format!("/V/{part}"), media_type).await?;
            text += &more;
            found.push(part);
        }
        Ok(list(found.into_iter().map(str::to_owned)))
    }
}

/// The rule of a notice that names who scans the code.
pub(super) async fn page(api: &Api, venue: &Venue, source: &'static str, promise: &'static str, sheet: &mut Sheet) {
    sheet.rule("opens", source, promise, WHOLE, api.opened(venue)).await;
}
