//! Posters as they come from the printer.

use anyhow::{Context, ensure};
use bytes::Bytes;
use serde_json::Value;

use super::api::{Answer, Api, Caller, list};
use super::office::{Office, Venue};
use crate::printed::{Picture, page_sizes_mm, text_of};

/// Pixels per inch of what a phone sees in a few frames, since a hand does not keep its distance.
const FRAMES_DPI: [u16; 3] = [100, 107, 115];

impl Api {
    /// The poster of a venue, once the directory has it.
    pub(super) async fn poster(&self, who: &Caller, venue: &Venue, order: &str) -> anyhow::Result<Bytes> {
        let (path, deadline) = (format!("/v1/venues/{}/poster?{order}", venue.number), Answer::deadline());
        loop {
            let answer = self.ask(who, &path).await?;
            if answer.status == 200 {
                return Ok(answer.bytes);
            }
            answer.or_wait(&path, deadline).await?;
        }
    }

    /// What is written on a poster.
    pub(super) async fn printed(&self, who: &Caller, venue: &Venue) -> anyhow::Result<String> {
        text_of(&self.poster(who, venue, "size=a4&format=pdf").await?)
    }

    /// Those of some words that a poster has.
    pub(super) async fn words_on(&self, who: &Caller, venue: &Venue, words: &[&str]) -> anyhow::Result<String> {
        let text = self.printed(who, venue).await?;
        Ok(list(words.iter().filter(|word| text.contains(**word)).map(|word| (*word).to_owned())))
    }

    /// What the QR code on a poster says, as a phone reads it from a screen and from paper.
    pub(super) async fn qr_code(&self, who: &Caller, venue: &Venue) -> anyhow::Result<String> {
        let pdf = self.poster(who, venue, "size=a4&format=pdf").await?;
        let (mut screen, mut paper) = (Vec::new(), Vec::new());
        for dpi in FRAMES_DPI {
            let png = self.poster(who, venue, &format!("size=a4&format=png&dpi={dpi}")).await?;
            screen.extend(Picture::of_png(&png)?.qr_codes());
            paper.extend(Picture::of_pdf(&pdf, dpi.into())?.qr_codes());
        }
        ensure!(!screen.is_empty() && !paper.is_empty(), "the QR code cannot be read");
        screen.append(&mut paper);
        screen.dedup();
        Ok(list(screen))
    }

    /// Those of the formats that a poster comes in.
    pub(super) async fn formats(&self, who: &Caller, venue: &Venue) -> anyhow::Result<String> {
        let mut formats = Vec::new();
        for (format, beginning) in [("pdf", "%PDF-"), ("svg", "<svg"), ("png", "\u{89}PNG")] {
            let poster = self.poster(who, venue, &format!("size=a4&format={format}")).await?;
            let latin: String = poster.iter().take(beginning.len()).map(|byte| char::from(*byte)).collect();
            if latin.starts_with(beginning) {
                formats.push(format.to_owned());
            }
        }
        Ok(list(formats))
    }

    /// Width and height of a poster's page in millimetres.
    pub(super) async fn size(&self, who: &Caller, venue: &Venue, size: &str) -> anyhow::Result<String> {
        let pdf = self.poster(who, venue, &format!("size={size}&format=pdf")).await?;
        let pages = page_sizes_mm(&pdf)?;
        Ok(list(pages.iter().map(|(width, height)| format!("{width:.0} x {height:.0} mm"))))
    }
}

impl Office<'_> {
    /// Applies for a code for each kind of venue, by its id and the notice's word for it. Gives the venues, and counts
    /// those whose poster has that word; a venue's own name is to be without it.
    pub(super) async fn kinds(
        &self,
        kinds: &[(&str, &str)],
        form: impl Fn(&str) -> Value,
    ) -> anyhow::Result<(Vec<Venue>, String)> {
        let venues = self.issue_all(kinds.iter().map(|(id, _)| form(id)).collect()).await?;
        let mut missing = Vec::new();
        for ((_, word), venue) in kinds.iter().zip(&venues) {
            let text = self.api.printed(&self.operator(), venue).await.with_context(|| (*word).to_owned())?;
            if !text.contains(word) {
                missing.push((*word).to_owned());
            }
        }
        let named = format!("{} of {}", kinds.len() - missing.len(), kinds.len());
        let found = if missing.is_empty() { named } else { format!("{named}, not {}", list(missing)) };
        Ok((venues, found))
    }
}
