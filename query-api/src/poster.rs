//! Posters: the sheet at a venue's door with its code as a QR code, as PDF, SVG or PNG (S2: 规范版式).
//!
//! [`Poster`] says what stands on one, [`Press`] turns it into bytes, and [`PrintShop`] lets requests do so off the
//! async threads, a few at a time. The layout is one template for all cities and sizes, `poster/poster.typ`; what a
//! city says comes from its profile. Nothing here reads a clock: the same poster is the same bytes every time.

mod fonts;
mod page;
mod press;
mod qr;
mod request;
mod shop;
mod text;
mod world;

pub use fonts::{Fonts, FontsError};
pub use page::{Poster, Venue};
pub use press::{Press, PressError};
pub use request::{Format, MIN_DPI, Order, default_dpi, max_dpi, size_word};
pub use shop::{PosterConfig, PrintShop, ShopError};
pub use text::Unprintable;
