//! Reads posters as people and phones do: what is printed, how large it is, and what its QR code says.

use anyhow::Context as _;
use hayro::{
    RenderCache, RenderSettings,
    hayro_interpret::{
        BlendMode, ClipPath, Context, Device, GlyphDrawMode, Image, InterpreterCache, InterpreterSettings, Paint,
        PathDrawMode, SoftMask, font::Glyph, hayro_cmap::BfString, interpret_page,
    },
    hayro_syntax::Pdf,
    vello_cpu::{
        color::palette::css::WHITE,
        kurbo::{Affine, BezPath, Rect},
    },
};

/// Pixels that a phone's viewfinder (1920 of them on 1.3 m, one metre away) has for a metre of a poster.
const PIXELS_PER_METRE: f64 = 1480.0;

/// The resolution at which a phone sees a poster from here.
pub fn dpi_from(metres: f64) -> f64 {
    PIXELS_PER_METRE / metres * 0.0254
}

/// Shades of grey, by rows.
#[derive(Debug)]
pub struct Picture {
    width: usize,
    height: usize,
    shades: Vec<u8>,
}

impl Picture {
    /// A picture.
    ///
    /// # Errors
    /// When it is no PNG.
    pub fn of_png(bytes: &[u8]) -> anyhow::Result<Self> {
        let picture = image::load_from_memory(bytes)?.to_luma8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Ok(Self { width, height, shades: picture.into_raw() })
    }

    /// The first page as it would be printed.
    ///
    /// # Errors
    /// When it is no PDF, or has no page.
    pub fn of_pdf(bytes: &[u8], dpi: f64) -> anyhow::Result<Self> {
        let pdf = read(bytes)?;
        let scale = (dpi / 72.0) as f32;
        let settings = RenderSettings { x_scale: scale, y_scale: scale, bg_color: WHITE, ..RenderSettings::default() };
        let page = pdf.pages().first().context("no page")?;
        let pixmap = hayro::render(page, &RenderCache::new(), &InterpreterSettings::default(), &settings);
        let (width, height) = (pixmap.width().into(), pixmap.height().into());
        let grey = |rgba: &[u8]| (rgba.iter().take(3).map(|c| u32::from(*c)).sum::<u32>() / 3) as u8;
        Ok(Self { width, height, shades: pixmap.data_as_u8_slice().chunks(4).map(grey).collect() })
    }

    /// Width and height.
    pub const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Whether nothing is printed near the left and right edge between the band of colour and the foot.
    pub fn is_blank_at_the_edges(&self) -> bool {
        let margin = self.width / 50;
        let rows = self.shades.chunks(self.width).skip(self.height / 2).take(self.height * 2 / 5);
        rows.flat_map(|row| row[..margin].iter().chain(&row[self.width - margin..])).all(|shade| *shade > 250)
    }

    /// What every QR code in it says.
    pub fn qr_codes(&self) -> Vec<String> {
        let shade = |x: usize, y: usize| self.shades[y * self.width + x];
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(self.width, self.height, shade);
        prepared.detect_grids().iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect()
    }
}

/// Width and height of each page in millimetres.
///
/// # Errors
/// When it is no PDF.
pub fn page_sizes_mm(pdf: &[u8]) -> anyhow::Result<Vec<(f64, f64)>> {
    let mm = |points: f64| points / 72.0 * 25.4;
    let areas = read(pdf)?.pages().iter().map(|page| page.media_box()).collect::<Vec<_>>();
    Ok(areas.into_iter().map(|area| (mm(area.width()), mm(area.height()))).collect())
}

/// The text of a PDF's first page as a search sees it, in the order in which it is set.
///
/// # Errors
/// When it is no PDF, or has no page.
pub fn text_of(pdf: &[u8]) -> anyhow::Result<String> {
    let pdf = read(pdf)?;
    let page = pdf.pages().first().context("no page")?;
    let (cache, mut reader) = (InterpreterCache::new(), TextReader::default());
    let area = Rect::new(0.0, 0.0, 1.0, 1.0);
    let mut context = Context::new(Affine::IDENTITY, area, &cache, page.xref(), InterpreterSettings::default());
    interpret_page(page, &mut context, &mut reader);
    Ok(reader.0)
}

fn read(pdf: &[u8]) -> anyhow::Result<Pdf> {
    Pdf::new(pdf.to_vec()).map_err(|error| anyhow::anyhow!("not a PDF: {error:?}"))
}

/// Keeps the text and draws nothing.
#[derive(Default)]
struct TextReader(String);

impl<'a> Device<'a> for TextReader {
    fn draw_glyph(&mut self, glyph: &Glyph<'a>, _: Affine, _: Affine, _: &Paint<'a>, _: &GlyphDrawMode) {
        match glyph.as_unicode() {
            Some(BfString::Char(character)) => self.0.push(character),
            Some(BfString::String(text)) => self.0.push_str(&text),
            None => self.0.push('\u{fffd}'),
        }
    }

    fn set_soft_mask(&mut self, _: Option<SoftMask<'a>>) {}
    fn set_blend_mode(&mut self, _: BlendMode) {}
    fn draw_path(&mut self, _: &BezPath, _: Affine, _: &Paint<'a>, _: &PathDrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: Affine) {}
    fn pop_clip_path(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
