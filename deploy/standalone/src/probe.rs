//! The smallest HTTP client that can ask a local server whether it is well: one request, the status of its answer.
//!
//! Not reqwest: the broker's dependencies turn on its TLS without a provider, and then making a client panics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_ANSWER_BYTES: u64 = 64 * 1024;

/// Whether the server at `address` answers `GET target` with a 2xx status; `headers` are whole lines.
pub async fn answers_ok(address: SocketAddr, target: &str, headers: &[String]) -> bool {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    let status = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // To the end: a server whose answer is cut short logs an error.
        stream.take(LONGEST_ANSWER_BYTES).read_to_end(&mut answer).await?;
        let ok = ["HTTP/1.1 2", "HTTP/1.0 2"].iter().any(|start| answer.starts_with(start.as_bytes()));
        Ok::<bool, std::io::Error>(ok)
    };
    matches!(timeout(PATIENCE, status).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answer(status_line: &'static str) -> std::io::Result<bool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let _ = stream.read(&mut [0_u8; 1024]).await?;
            stream.write_all(format!("{status_line}\r\n\r\n").as_bytes()).await?;
            stream.shutdown().await
        };
        let (ok, served) = tokio::join!(answers_ok(address, "/readyz", &[]), server);
        served.map(|()| ok)
    }

    #[tokio::test]
    async fn only_a_2xx_answer_is_well() -> std::io::Result<()> {
        assert!(answer("HTTP/1.1 200 OK").await?);
        assert!(answer("HTTP/1.1 204 No Content").await?);
        assert!(!answer("HTTP/1.1 503 Service Unavailable").await?);
        assert!(!answer("nonsense").await?);
        Ok(())
    }
}
