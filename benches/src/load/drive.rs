//! Keeps a number of connections busy for a while: each sends its next request when it has the answer to the last.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use schemas::access::Role;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::bodies::Bodies;
use crate::tokens::Tokens;

pub(super) const LONGEST_US: u64 = 60_000_000;
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Devices that send; each is a client of its own to the gateway.
pub(super) const DEVICES: u8 = 16;

/// Where the gateway is, and who sends.
#[derive(Debug, Clone)]
pub(super) struct Target {
    address: SocketAddr,
    host: HeaderValue,
    /// Of so many devices.
    tokens: Vec<HeaderValue>,
}

/// How the load is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) connections: u16,
    /// Scans in a request; 0 for requests that only ask whether the gateway is alive: what HTTP alone costs.
    pub(super) per_request: u16,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) scans: u64,
    pub(super) failed: u64,
    pub(super) first_failure: String,
    pub(super) elapsed: Duration,
    pub(super) latency_us: Histogram<u64>,
}

impl Target {
    pub(super) async fn resolve(url: &Url, tokens: &Tokens) -> anyhow::Result<Self> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let mut addresses =
            tokio::net::lookup_host((host, port)).await.with_context(|| format!("cannot find {host}"))?;
        let address = addresses.next().with_context(|| format!("{host} has no address"))?;
        let device = |number: u8| tokens.of_holder(Role::Device, &format!("load-{number}"));
        let tokens = (0..DEVICES).map(device).collect::<anyhow::Result<_>>()?;
        Ok(Self { address, host: HeaderValue::from_str(&format!("{host}:{port}"))?, tokens })
    }
}

/// One connection to the gateway.
pub(super) struct Connection<'a> {
    target: &'a Target,
    /// Where it comes from, when that is not left to the system.
    from: Option<Ipv4Addr>,
    /// Number of its device.
    device: u8,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl<'a> Connection<'a> {
    pub(super) const fn new(target: &'a Target) -> Self {
        Self { target, from: None, device: 0, sender: None }
    }

    /// A connection of one of the devices, from an address of its own, which loopback has many of.
    pub(super) const fn of_device(target: &'a Target, device: u8) -> Self {
        Self { target, from: Some(Ipv4Addr::new(127, 0, 1, 1 + device)), device, sender: None }
    }

    /// Asks whether the gateway is alive; counts as one.
    async fn look(&mut self) -> anyhow::Result<u64> {
        let (status, _) = self.exchange(Request::get("/healthz"), Bytes::new()).await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}");
        Ok(1)
    }

    /// Sends scans, one or an NDJSON batch, and returns how many were taken.
    pub(super) async fn send(&mut self, body: Bytes, batch: bool) -> anyhow::Result<u64> {
        let (status, answer) = self.post(body, batch).await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&answer));
        if batch { accepted(&answer) } else { Ok(1) }
    }

    /// Sends scans and returns the answer, whatever it is.
    pub(super) async fn post(&mut self, body: Bytes, batch: bool) -> anyhow::Result<(StatusCode, Bytes)> {
        let (path, media) = if batch {
            ("/v1/scans:batch", HeaderValue::from_static("application/x-ndjson"))
        } else {
            ("/v1/scans", HeaderValue::from_static("application/json"))
        };
        let token = self.target.tokens[usize::from(self.device)].clone();
        self.exchange(Request::post(path).header(CONTENT_TYPE, media).header(AUTHORIZATION, token), body).await
    }

    async fn exchange(&mut self, request: Builder, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut sender = match self.sender.take().filter(|s| !s.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = request.header(HOST, self.target.host.clone());
        sender.ready().await?;
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok((status, answer))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let connecting = match self.from.filter(|_| self.target.address.ip().is_loopback()) {
            None => TcpStream::connect(self.target.address).await,
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::from((from, 0)))?;
                socket.connect(self.target.address).await
            }
        };
        let stream = connecting.context("cannot connect to the gateway")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped; errors reach the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Drives the load and waits for the last answers.
pub(super) async fn drive(
    target: &Target,
    shape: Shape,
    bodies: &Bodies,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    bodies.renew();
    let outcome = RefCell::new(Outcome {
        scans: 0,
        failed: 0,
        first_failure: String::new(),
        elapsed: Duration::ZERO,
        latency_us: Histogram::new_with_max(LONGEST_US, 3)?,
    });
    let start = Instant::now();
    let one_connection = async || {
        let mut connection = Connection::new(target);
        while start.elapsed() < duration {
            let body = (shape.per_request > 0).then(|| bodies.next(shape.per_request));
            let sent = Instant::now();
            let answer = match body {
                Some(body) => connection.send(body, shape.per_request > 1).await,
                None => connection.look().await,
            };
            let latency_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LONGEST_US);
            let failed = {
                let mut outcome = outcome.borrow_mut();
                match &answer {
                    Ok(scans) => {
                        outcome.scans += scans;
                        outcome.latency_us.saturating_record(latency_us);
                        outcome.failed += u64::from(*scans < u64::from(shape.per_request));
                    }
                    Err(error) => {
                        if outcome.failed == 0 {
                            outcome.first_failure = format!("{error:#}");
                        }
                        outcome.failed += 1;
                    }
                }
                answer.is_err()
            };
            if failed {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    };
    futures::future::join_all((0..shape.connections).map(|_| one_connection())).await;
    let mut outcome = outcome.into_inner();
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

/// The number at the start of `{"accepted":N,…`; parsing the whole answer would cost more than the request.
pub(super) fn accepted(answer: &[u8]) -> anyhow::Result<u64> {
    let digits =
        answer.strip_prefix(br#"{"accepted":"#).context("the answer to a batch does not start with `accepted`")?;
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    Ok(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_start_of_an_answer() {
        assert_eq!(accepted(br#"{"accepted":99,"rejected":1,"lines":[]}"#).ok(), Some(99));
        assert!(accepted(br#"{"rejected":1}"#).is_err());
    }
}
