//! Turns a poster into bytes.

use typst::{
    Library, LibraryExt,
    diag::{SourceDiagnostic, Warned},
    foundations::{Bytes, Smart},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    utils::{LazyHash, Scalar},
};
use typst_layout::{Page, PagedDocument};
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};
use typst_render::RenderOptions;
use typst_svg::SvgOptions;

use super::{Fonts, Format, Order, Poster, Unprintable, page::Sheet, world::PosterWorld};

const TEMPLATE: &str = include_str!("poster.typ");
/// How many posters typst may remember what it laid out for; most of it is the same for all of them.
const REMEMBERED: usize = 4;
const POINTS_PER_INCH: f64 = 72.0;
const INCHES_PER_METRE: f64 = 1000.0 / 25.4;

/// Why a poster was not printed.
#[derive(Debug, thiserror::Error)]
pub enum PressError {
    /// It has a character that cannot be printed.
    #[error(transparent)]
    Unprintable(#[from] Unprintable),
    /// Its URL is longer than a QR code can hold.
    #[error("the URL does not fit into a QR code")]
    Url(#[from] qrcode2::Error),
    /// Our own mistake in template or export.
    #[error("the poster cannot be set: {0}")]
    Unset(String),
}

/// The template and the fonts, ready to print.
pub struct Press {
    pub(super) library: LazyHash<Library>,
    pub(super) fonts: Fonts,
    pub(super) template: Source,
    pub(super) texts: FileId,
}

impl Press {
    /// A press with these fonts.
    ///
    /// # Errors
    /// When typst does not take the names of its files, which are constant.
    pub fn try_new(fonts: Fonts) -> Result<Self, PressError> {
        let template = Source::new(file("/poster.typ")?, TEMPLATE.to_owned());
        Ok(Self { library: LazyHash::new(Library::default()), fonts, template, texts: file("/poster.json")? })
    }

    /// Names the bytes that [`Press::print`] would make, without making them.
    ///
    /// # Errors
    /// When its URL does not fit into a QR code.
    pub fn fingerprint(poster: &Poster, order: Order) -> Result<blake3::Hash, PressError> {
        let mut hasher = blake3::Hasher::new();
        for part in [env!("CARGO_PKG_VERSION").as_bytes(), TEMPLATE.as_bytes(), &texts(poster, order)?] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Ok(hasher.update(order.format.as_str().as_bytes()).update(&order.dpi.to_le_bytes()).finalize())
    }

    /// Sets a poster and exports it; takes tens to hundreds of milliseconds of CPU.
    ///
    /// # Errors
    /// When a character cannot be printed, or on our own mistake.
    pub fn print(&self, poster: &Poster, order: Order) -> Result<Vec<u8>, PressError> {
        poster.check(&self.fonts)?;
        let world = PosterWorld { press: self, texts: Bytes::new(texts(poster, order)?) };
        let printed = export(&world, order);
        comemo::evict(REMEMBERED);
        printed
    }
}

fn texts(poster: &Poster, order: Order) -> Result<Vec<u8>, PressError> {
    serde_json::to_vec(&Sheet::try_new(poster, order.size)?).map_err(|error| PressError::Unset(error.to_string()))
}

fn file(name: &str) -> Result<FileId, PressError> {
    let path = VirtualPath::new(name).map_err(|error| PressError::Unset(error.to_string()))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

fn export(world: &PosterWorld<'_>, order: Order) -> Result<Vec<u8>, PressError> {
    let Warned { output, warnings } = typst::compile::<PagedDocument>(world);
    let document = output.map_err(|errors| unset(&errors))?;
    // A warning is a font that is missing, or a layout that does not settle.
    if !warnings.is_empty() {
        return Err(unset(&warnings));
    }
    let [page] = document.pages() else {
        return Err(PressError::Unset(format!("it takes {} pages", document.pages().len())));
    };
    match order.format {
        Format::Pdf => pdf(&document),
        Format::Svg => Ok(typst_svg::svg(page, &SvgOptions { render_bleed: false, pretty: false }).into_bytes()),
        Format::Png => png(page, order.dpi),
    }
}

/// PDF/A-2b: only this makes typst refuse what it cannot print rather than leave it out.
fn pdf(document: &PagedDocument) -> Result<Vec<u8>, PressError> {
    let standards = PdfStandards::new(&[PdfStandard::A_2b]).map_err(|e| PressError::Unset(e.message().to_string()))?;
    let options =
        PdfOptions { standards, creator: Smart::Custom(Some("VenueCode".to_owned())), ..PdfOptions::default() };
    typst_pdf::pdf(document, &options).map_err(|errors| unset(&errors))
}

fn png(page: &Page, dpi: u16) -> Result<Vec<u8>, PressError> {
    let pixel_per_pt = Scalar::new(f64::from(dpi) / POINTS_PER_INCH);
    let pixmap = typst_render::render(page, &RenderOptions { pixel_per_pt, render_bleed: false });
    let png = pixmap.encode_png().map_err(|error| PressError::Unset(error.to_string()))?;
    Ok(with_resolution(png, dpi))
}

/// Adds the chunk `pHYs`, by which a printer finds the size in millimetres (PNG, section 11.3.4.3).
fn with_resolution(mut png: Vec<u8>, dpi: u16) -> Vec<u8> {
    const BEHIND_THE_HEADER: usize = 8 + 25;
    let per_metre = (f64::from(dpi) * INCHES_PER_METRE).round() as u32;
    let mut chunk = b"pHYs".to_vec();
    chunk.extend([per_metre, per_metre].iter().flat_map(|number| number.to_be_bytes()));
    chunk.push(1); // The unit is the metre.
    let (length, sum) = (chunk.len() as u32 - 4, crc32fast::hash(&chunk));
    let chunk = length.to_be_bytes().into_iter().chain(chunk).chain(sum.to_be_bytes());
    png.splice(BEHIND_THE_HEADER..BEHIND_THE_HEADER, chunk);
    png
}

fn unset(diagnostics: &[SourceDiagnostic]) -> PressError {
    let messages: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    PressError::Unset(messages.join("; "))
}
