//! Prints for requests: off the async threads, a few posters at a time, with a short queue.

use std::{path::PathBuf, sync::Arc, time::Instant};

use tokio::sync::{OnceCell, Semaphore};

use super::{Fonts, FontsError, Order, Poster, Press, PressError};
use crate::metrics;

/// Posters that may wait for each one that is being printed: they are there within about a second.
const WAITING_PER_WORKER: usize = 4;

/// How posters are printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Posters")]
pub struct PosterConfig {
    /// Folder with the fonts of the posters, as deploy/fonts/fetch.sh prints it; without it posters are answered with 503
    #[arg(long, env = "VENUECODE_FONTS", value_name = "DIR")]
    pub fonts: Option<PathBuf>,
    /// Posters that are printed at the same time, up to 0.5 GB each; four times as many may wait
    #[arg(long, env = "VENUECODE_POSTER_WORKERS", default_value_t = 2, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub poster_workers: u32,
}

/// Why there is no poster.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// No folder of fonts is set.
    #[error("no folder of fonts is set")]
    NoFonts,
    /// The fonts cannot be used; they are looked for again with the next poster.
    #[error(transparent)]
    Fonts(#[from] FontsError),
    /// Too many others wait.
    #[error("too many posters are being printed")]
    Full,
    /// The poster cannot be printed.
    #[error(transparent)]
    Press(#[from] PressError),
    /// The printer ended abnormally.
    #[error("the printer ended abnormally")]
    Aborted,
}

/// Prints posters for requests.
pub struct PrintShop {
    fonts: Option<PathBuf>,
    press: OnceCell<Arc<Press>>,
    queue: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

impl PrintShop {
    /// A shop that reads the fonts with the first poster.
    pub fn new(config: &PosterConfig) -> Self {
        let workers = config.poster_workers as usize;
        Self {
            fonts: config.fonts.clone(),
            press: OnceCell::new(),
            queue: Arc::new(Semaphore::new(workers * (1 + WAITING_PER_WORKER))),
            workers: Arc::new(Semaphore::new(workers)),
        }
    }

    /// Prints a poster.
    ///
    /// # Errors
    /// When there are no fonts, the queue is full, or the poster cannot be printed.
    pub async fn print(&self, poster: Poster, order: Order) -> Result<Vec<u8>, ShopError> {
        let press = Arc::clone(self.press.get_or_try_init(|| self.set_up()).await?);
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| ShopError::Full)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| ShopError::Aborted)?;
        // Both are given back when the printing ends, also if nobody waits for it any more.
        let work = move || -> Result<Vec<u8>, ShopError> {
            let started = Instant::now();
            let bytes = press.print(&poster, order)?;
            metrics::printed(order.format.as_str(), started.elapsed());
            Ok(bytes)
        };
        in_a_thread((place, worker), work).await
    }

    async fn set_up(&self) -> Result<Arc<Press>, ShopError> {
        let fonts = self.fonts.clone().ok_or(ShopError::NoFonts)?;
        in_a_thread((), move || Ok(Arc::new(Press::try_new(Fonts::try_read(&fonts)?)?))).await
    }
}

async fn in_a_thread<T: Send + 'static>(
    held: impl Send + 'static,
    work: impl FnOnce() -> Result<T, ShopError> + Send + 'static,
) -> Result<T, ShopError> {
    let work = move || {
        let done = work();
        drop(held);
        done
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| ShopError::Aborted)?
}
