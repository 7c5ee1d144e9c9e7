//! The lifeline: a pipe on standard input that the parent holds open and never writes to.
//!
//! When the parent ends, however it ends, the kernel closes the pipe and the child sees the end of its input. That is
//! what leaves no orphans even after `kill -9` of the parent, on every Unix and without a watchdog.

use std::io::{self, Read};
use std::thread;

use rustix::process::{Signal, getpid, kill_process};

/// Environment variable that tells a service, or `venuecode up`, that its standard input is a lifeline.
///
/// Without it they ignore their standard input, as they must under systemd or with `</dev/null`.
pub const LIFELINE_VARIABLE: &str = "VENUECODE_LIFELINE";

/// Blocks until the parent has ended or let go of this process.
pub fn wait() {
    let mut byte = [0_u8; 1];
    let mut stdin = io::stdin().lock();
    loop {
        match stdin.read(&mut byte) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Turns the end of the lifeline into a SIGTERM to this process, if it was started with one.
///
/// It then ends in order, as it would after `kill`.
///
/// # Errors
/// The watching thread could not be started.
pub fn raise_sigterm_at_end() -> io::Result<()> {
    if std::env::var_os(LIFELINE_VARIABLE).is_none() {
        return Ok(());
    }
    thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        wait();
        // Only fails for a process that does not exist.
        let _ = kill_process(getpid(), Signal::TERM);
    })?;
    Ok(())
}
