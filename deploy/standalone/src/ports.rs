//! Local TCP ports: finding free ones and saying plainly that one is taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail};

/// Below the ports that systems give to outgoing connections: one of those could take a free port before a slow engine
/// listens on it, or while a killed one is away.
const QUIET_PORTS: std::ops::Range<u16> = 15_000..32_000;
const TRIES: u32 = 100;

/// Finds `N` different loopback ports that nobody listens on right now.
///
/// They are free again when this returns, so another process can take one first; the caller tries anew then.
///
/// # Errors
/// No port could be bound.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    ports.copy_from_slice(&free_many(N)?);
    Ok(ports)
}

/// Like [`free`], for a number of ports that is known only at run time.
///
/// # Errors
/// No port could be bound.
pub fn free_many(count: usize) -> io::Result<Vec<u16>> {
    let held: Vec<TcpListener> = (0..count).map(|_| bind_free()).collect::<io::Result<_>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn bind_free() -> io::Result<TcpListener> {
    let quiet = (0..TRIES).map(|_| rand::random_range(QUIET_PORTS));
    let mut bound = quiet.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    bound.next().map_or_else(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), Ok)
}

/// Checks that `address` can be bound; `flag` is the option with which the user can choose another.
///
/// # Errors
/// One line that names the address and the flag.
pub fn ensure_free(address: SocketAddr, flag: &str) -> anyhow::Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("port {address} is in use; choose another with {flag}")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address} ({flag})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_flag() -> anyhow::Result<()> {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let address = taken.local_addr()?;
        let message = ensure_free(address, "--listen-ingest").map_err(|error| error.to_string());
        let expected = format!("port {address} is in use; choose another with --listen-ingest");
        assert_eq!(message, Err(expected));
        Ok(())
    }

    #[test]
    fn free_ports_differ() -> anyhow::Result<()> {
        let [first, second] = free::<2>()?;
        assert!(first != second && first != 0);
        Ok(())
    }
}
