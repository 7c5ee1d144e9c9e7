//! Local TCP ports: finding free ones and saying plainly that one is taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use socket2::{Domain, Socket, Type};

/// Below the ports that systems give to outgoing connections, and none of those that `venuecode up` has by default.
const QUIET_PORTS: std::ops::Range<u16> = 20_000..28_000;
const TRIES: u32 = 1_000;

/// Finds `N` different loopback ports that nobody has, and keeps them from everybody else who asks here, in this process
/// or another, until this process ends; whoever it names them to can listen on them, again and again.
///
/// # Errors
/// No port could be bound.
pub fn claim<const N: usize>() -> io::Result<[u16; N]> {
    let mut ports = [0; N];
    ports.copy_from_slice(&claim_many(N)?);
    Ok(ports)
}

/// Like [`claim`], for a number of ports that is known only at run time.
///
/// # Errors
/// No port could be bound.
pub fn claim_many(count: usize) -> io::Result<Vec<u16>> {
    (0..count).map(|_| claim_row(1)).collect()
}

/// Like [`claim`], for this many ports in a row, of which it says the first.
///
/// # Errors
/// No such row is free.
pub fn claim_row(length: u16) -> io::Result<u16> {
    let bind_row = |first: u16| (0..length).map(|nth| bind(first + nth)).collect::<io::Result<Vec<Socket>>>();
    for _ in 0..TRIES {
        let first = rand::random_range(QUIET_PORTS);
        match bind_row(first) {
            Ok(held) => {
                // The kernel gives them back when this process ends, however it does.
                std::mem::forget(held);
                return Ok(first);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

/// Takes a port that nobody has, without listening. Linux lets sockets with `SO_REUSEADDR` share an address while none
/// of them listens: a server, which has that option, can bind it then, and who binds it as this does, without the option
/// until it is bound, cannot.
fn bind(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Takes a port that nobody listens on, also from somebody who has it for this process to listen on.
fn hold(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Checks that `address` can be listened on, and keeps its port from [`claim`] until this process ends, unless it is on
/// another address than the loopback one or any; `flag` is the option with which the user can choose another.
///
/// # Errors
/// One line that names the address and the flag.
pub fn ensure_free(address: SocketAddr, flag: &str) -> anyhow::Result<()> {
    match hold(address) {
        Ok(socket) => {
            std::mem::forget(socket);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("port {address} is in use; choose another with {flag}")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address} ({flag})")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::*;

    /// A claim that ends with the test.
    fn bind_any() -> anyhow::Result<Socket> {
        let mut bound = QUIET_PORTS.filter_map(|port| bind(port).ok());
        bound.next().context("no port is free")
    }

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
    fn a_claimed_port_is_had_by_nobody_else_but_can_be_listened_on() -> anyhow::Result<()> {
        let [port] = claim::<1>()?;
        for _ in 0..2 {
            assert!(bind(port).is_err(), "claimed twice");
            let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            assert!(bind(port).is_err(), "claimed while somebody listens");
        }
        Ok(())
    }

    #[test]
    fn a_port_that_was_found_free_can_be_claimed_by_nobody_but_can_be_listened_on() -> anyhow::Result<()> {
        let claimed = bind_any()?;
        let address = claimed.local_addr()?.as_socket().context("no address")?;
        ensure_free(address, "--kafka-port")?;
        drop(claimed);
        assert!(bind(address.port()).is_err(), "claimed");
        let _listener = TcpListener::bind(address)?;
        Ok(())
    }

    #[test]
    fn a_port_claimed_by_another_is_free_for_whom_it_was_claimed() -> anyhow::Result<()> {
        let [port] = claim::<1>()?;
        ensure_free(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "--kafka-port")?;
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        Ok(())
    }

    #[test]
    fn claimed_ports_differ_and_so_do_those_of_a_row() -> anyhow::Result<()> {
        let (first, single) = (claim_row(3)?, claim::<2>()?);
        let ports = BTreeSet::from_iter((first..first + 3).chain(single));
        assert_eq!(ports.len(), 5, "{ports:?}");
        assert!(ports.iter().all(|port| bind(*port).is_err()), "{ports:?}");
        let listeners = ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)));
        assert_eq!(listeners.collect::<io::Result<Vec<_>>>()?.len(), 5);
        Ok(())
    }
}
