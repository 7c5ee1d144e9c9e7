//! The gateway's connections: HTTP/1.1, each with a bound on what it holds and how long it may take.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::admission::{Clients, Connection};

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long, at the end, a connection that has asked nothing yet may take to ask.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// What a connection may hold of what was read and not yet taken.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// A pause when the system has no connection to give.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);
/// For a client too many; it is not read, so that it costs nothing.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What answers the requests of one connection.
pub trait Answering:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Answering for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serves until `stop`, each address by the service that is made for it; then takes what has connected already, answers
/// what is under way, and returns.
pub async fn serve<S: Answering>(
    service_for: impl Fn(SocketAddr) -> S,
    listener: TcpListener,
    clients: Arc<Clients>,
    stop: CancellationToken,
) {
    let open = TaskTracker::new();
    let take = |stream: TcpStream, address: SocketAddr| match clients.connect(address) {
        Some(connection) => {
            open.spawn(talk(stream, connection, service_for(address), stop.clone()));
        }
        None => turn_away(&stream),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => take(stream, address),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take connections; trying again");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
    // The system takes no further connections from here on: who knocks now tries again, and finds nobody.
    if let Err(error) = SockRef::from(&listener).listen(0) {
        tracing::debug!(%error, "cannot shorten the queue of connections");
    }
    // These have connected already: closing the listener would reset them.
    match waiting(listener) {
        Ok(waiting) => waiting.into_iter().for_each(|(stream, address)| take(stream, address)),
        Err(error) => tracing::warn!(%error, "cannot take who has connected already"),
    }
    open.close();
    open.wait().await;
}

/// Takes whoever waits, and closes the listener. The system is asked: tokio knows only what it has heard of by its last turn.
fn waiting(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut taken = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                stream.set_nonblocking(true)?;
                taken.push((TcpStream::from_std(stream)?, address));
            }
            Err(error) if is_of_one_connection(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
            // As when there are no more descriptors: who was taken is answered.
            Err(error) => {
                tracing::warn!(%error, "cannot take all who have connected");
                return Ok(taken);
            }
        }
    }
}

async fn talk(stream: TcpStream, connection: Connection, service: impl Answering, stop: CancellationToken) {
    // Answers are small: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let has_asked = AtomicBool::new(false);
    let asked = &has_asked;
    let answer = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        service.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(READ_BUFFER_BYTES);
    // An answer is one small piece: copying it behind its head is cheaper than handing over two.
    http.writev(false);
    let mut talking = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = &mut talking => ended,
        () = stop.cancelled() => {
            // hyper closes a connection at once of which it has read nothing, and a request may be on its way.
            let asks = async { while !has_asked.load(Ordering::Relaxed) { tokio::time::sleep(FIRST_REQUEST / 30).await } };
            tokio::select! {
                ended = &mut talking => ended,
                _ = tokio::time::timeout(FIRST_REQUEST, asks) => {
                    talking.as_mut().graceful_shutdown();
                    talking.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
    // It counts as open until here.
    drop(connection);
}

fn turn_away(stream: &TcpStream) {
    crate::metrics::count_problem("too-many-connections");
    // If even that does not fit, the client learns it from the end of the connection.
    let _ = stream.try_write(TOO_MANY);
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_connected_is_taken_though_tokio_has_not_heard_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        // Nothing is awaited from here on, so that the runtime has no turn to look.
        let clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).expect("connected")).collect();
        assert_eq!(waiting(listener).expect("taken").len(), clients.len());
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}
