//! Lets a table leave piece by piece. One that breaks off is not ended but aborted, so that HTTP tells the client.

use std::{io, time::Duration};

use axum::body::Bytes;
use futures::{Stream, stream};
use tokio::sync::mpsc;

use super::{
    cells::Table,
    formats::{Encoder, ExportError, TableFormat},
};
use crate::metrics::{self, Sent};

/// How long a piece may lie that the client does not take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pieces that wait for the client.
const WAITING: usize = 1;

/// A piece of a file.
enum Piece {
    Bytes(Vec<u8>),
    /// That was all. Without it the file is not whole.
    End,
}

/// The pieces of a table in a format. The last one is an error unless the table is whole.
pub fn pieces(format: TableFormat, table: impl Table) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (sender, receiver) = mpsc::channel(WAITING);
    // A task of its own, so that however it ends, a client that takes nothing holds nothing.
    tokio::spawn(async move {
        let sent = send(format, table, sender).await.unwrap_or_else(|error| {
            tracing::error!(error = error.to_string(), "an export broke off");
            Sent::Broken
        });
        metrics::exported(format.as_str(), sent);
    });
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
