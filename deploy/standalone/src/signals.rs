//! The signals that end a foreground command: interrupt, terminate, hang-up.

use std::io;

use rustix::process::Signal as RawSignal;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives SIGINT, SIGTERM and SIGHUP from the moment it is made.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Installs the handlers; from here on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    pub async fn recv(&mut self) -> RawSignal {
        tokio::select! {
            _ = self.interrupt.recv() => RawSignal::INT,
            _ = self.terminate.recv() => RawSignal::TERM,
            _ = self.hangup.recv() => RawSignal::HUP,
        }
    }
}
