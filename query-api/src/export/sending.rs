//! Lets an answer leave piece by piece. One that breaks off is not ended but aborted, so that HTTP tells the client.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    cells::Table,
    exits::Exit,
    formats::{Encoder, ExportError, TableFormat},
};
use crate::metrics::{self, Sent};

/// How long a piece may lie that the client does not take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pieces of a table that wait for the client.
const WAITING: usize = 1;
/// Bytes of JSON in a piece, and pieces that wait.
const PIECE: usize = 64 * 1024;
const WAITING_OF_JSON: usize = 8;

/// A piece of an answer.
enum Piece {
    Bytes(Vec<u8>),
    /// That was all. Without it the answer is not whole.
    End,
}

/// The pieces of a table in a format. The last one is an error unless the table is whole.
pub fn pieces(format: TableFormat, table: impl Table, exit: Exit) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(WAITING);
    // A task of its own, so that however it ends, a client that takes nothing holds nothing but the pieces under way.
    tokio::spawn(async move {
        let Exit { deadline, slot } = exit;
        let sent = timeout_at(deadline, send(format, table, sender)).await.unwrap_or(Ok(Sent::GivenUp));
        let sent = sent.unwrap_or_else(|error| {
            tracing::error!(error = error.to_string(), "an export broke off");
            Sent::Broken
        });
        metrics::exported(format.as_str(), sent);
        drop(slot);
    });
    until_the_end(receiver)
}

/// The pieces of an answer as JSON, which is written on a thread of its own.
pub fn json<T: Serialize + Send + Sync + 'static>(
    answer: Arc<T>,
    exit: Exit,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(WAITING_OF_JSON);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let Exit { deadline, slot } = exit;
        let mut pipe = io::BufWriter::with_capacity(PIECE, Pipe { sender: Some(sender), runtime, deadline });
        let written = serde_json::to_writer(&mut pipe, &*answer).map_err(io::Error::from);
        let sent = match written.and_then(|()| pipe.flush()).and_then(|()| pipe.get_mut().end()) {
            Ok(()) => Sent::Whole,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Sent::GivenUp,
            Err(error) => {
                tracing::error!(error = error.to_string(), "an answer broke off");
                Sent::Broken
            }
        };
        metrics::exported("json", sent);
        drop((answer, slot));
    });
    until_the_end(receiver)
}

/// Pieces as they are asked for, and an error when they end without having come to the end.
fn until_the_end(receiver: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes.into()), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    })
}

async fn send(format: TableFormat, table: impl Table, sender: mpsc::Sender<Piece>) -> Result<Sent, ExportError> {
    let (mut encoder, beginning) = Encoder::begin(format, table.columns())?;
    if !take(&sender, beginning).await {
        return Ok(Sent::GivenUp);
    }
    let mut rows = table.rows();
    loop {
        let some: Vec<_> = rows.by_ref().take(format.rows_at_a_time()).collect();
        if some.is_empty() {
            break;
        }
        if !take(&sender, encoder.rows(&some)?).await {
            return Ok(Sent::GivenUp);
        }
    }
    let is_taken = take(&sender, encoder.end()?).await && sender.send_timeout(Piece::End, PATIENCE).await.is_ok();
    Ok(if is_taken { Sent::Whole } else { Sent::GivenUp })
}

/// Whether the client takes a piece in time.
async fn take(sender: &mpsc::Sender<Piece>, bytes: Vec<u8>) -> bool {
    bytes.is_empty() || sender.send_timeout(Piece::Bytes(bytes), PATIENCE).await.is_ok()
}

/// Takes what is written to the client, on a thread that may wait.
struct Pipe {
    /// None when the client has taken something not in time: then it gets nothing more.
    sender: Option<mpsc::Sender<Piece>>,
    runtime: Handle,
    deadline: Instant,
}

impl Pipe {
    fn send(&mut self, piece: Piece) -> io::Result<()> {
        let sender = self.sender.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let latest = self.latest();
        let sent = self.runtime.block_on(async { timeout_at(latest, sender.send(piece)).await });
        match sent {
            Ok(Ok(())) => self.sender = Some(sender),
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }

    /// Waits until the client has taken all pieces, each in time, and says that these were all.
    fn end(&mut self) -> io::Result<()> {
        let sender = self.sender.take().ok_or(io::ErrorKind::BrokenPipe)?;
        for room in 1..=WAITING_OF_JSON {
            let latest = self.latest();
            let reserved = self.runtime.block_on(async { timeout_at(latest, sender.reserve_many(room)).await });
            if !matches!(reserved, Ok(Ok(_))) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        sender.try_send(Piece::End).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn latest(&self) -> Instant {
        self.deadline.min(Instant::now() + PATIENCE)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Piece::Bytes(bytes.to_vec()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::export::Exits;

    const SOON: Duration = Duration::from_secs(5);

    async fn all(stream: impl Stream<Item = io::Result<Bytes>>) -> io::Result<usize> {
        Ok(stream.try_collect::<Vec<_>>().await?.iter().map(Bytes::len).sum())
    }

    #[tokio::test]
    async fn json_holds_its_exit_until_all_of_it_is_taken() {
        let exits = Exits::new(1);
        for bytes in [10, 3 * PIECE, 30 * PIECE] {
            let stream = json(Arc::new("a".repeat(bytes)), exits.exit(None).expect("one is free"));
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(exits.exit(None).is_err(), "nobody has taken {bytes} bytes");
            assert_eq!(all(stream).await.expect("whole"), bytes + 2);
            let free = async {
                while exits.exit(None).is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(SOON, free).await.expect("the exit is free again");
        }
    }

    #[tokio::test]
    async fn json_that_may_not_be_had_any_more_breaks_off() {
        let exits = Exits::new(1);
        let until = service::clock::now_ms() + 300;
        let stream = json(Arc::new("a".repeat(3 * PIECE)), exits.exit(Some(until)).expect("one is free"));
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert!(exits.exit(None).is_ok(), "it waits for nobody any more");
        assert!(all(stream).await.is_err(), "and is not whole");
    }
}
