//! Reads request bodies: never more than the route takes, never for longer than a body may take.

use std::{io, time::Duration};

use async_compression::{
    tokio::bufread::{GzipDecoder, ZstdDecoder},
    zstd::DParameter,
};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, header},
};
use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use crate::error::IngestError;

/// Most bytes of a single object.
pub const SINGLE_LIMIT_BYTES: usize = 64 * 1024;
/// Most bytes of a batch, compressed as well as decompressed.
pub const BATCH_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// How long a body may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest zstd window, as a power of two: what a body of 8 MiB can make use of. Without it a few bytes from
/// outside could ask for 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Reads the body of a single JSON object.
///
/// # Errors
/// When it is of another type, too large or incomplete.
pub async fn read_json(request: Request) -> Result<Bytes, IngestError> {
    let (parts, body) = request.into_parts();
    expect_type(&parts.headers, "application/json")?;
    if !matches!(text(&parts.headers, &header::CONTENT_ENCODING), "" | "identity") {
        return Err(IngestError::UnsupportedEncoding { expected: "identity" });
    }
    in_time(read_plain(body, SINGLE_LIMIT_BYTES)).await
}

/// Reads the body of a batch, decompressed.
///
/// # Errors
/// When it is of another type, too large, incomplete or does not decompress.
pub async fn read_ndjson(request: Request) -> Result<Bytes, IngestError> {
    let (parts, body) = request.into_parts();
    expect_type(&parts.headers, "application/x-ndjson")?;
    let encoding = text(&parts.headers, &header::CONTENT_ENCODING);
    let compressed = |body| {
        let stream = Limited::new(body, BATCH_LIMIT_BYTES).into_data_stream();
        StreamReader::new(stream.map_err(io::Error::other))
    };
    if matches!(encoding, "" | "identity") {
        in_time(read_plain(body, BATCH_LIMIT_BYTES)).await
    } else if encoding.eq_ignore_ascii_case("gzip") {
        let mut decoder = GzipDecoder::new(compressed(body));
        decoder.multiple_members(true);
        in_time(read_decoded(decoder, "gzip")).await
    } else if encoding.eq_ignore_ascii_case("zstd") {
        let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
        let mut decoder = ZstdDecoder::with_params(compressed(body), &window);
        decoder.multiple_members(true);
        in_time(read_decoded(decoder, "zstd")).await
    } else {
        Err(IngestError::UnsupportedEncoding { expected: "gzip, zstd or identity" })
    }
}

async fn read_plain(body: Body, limit_bytes: usize) -> Result<Bytes, IngestError> {
    // A client that is still sending reads no answer: what is too large is read to twice the limit, and dropped.
    let mut body = Limited::new(body, 2 * limit_bytes);
    let mut taken: Option<Bytes> = None;
    let mut more = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let too_large = error.is::<LengthLimitError>();
            if too_large { IngestError::BodyTooLarge { limit_bytes } } else { incomplete() }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit_bytes {
            continue;
        }
        // Nearly every body comes as one piece, which is kept as it is.
        match &taken {
            None => taken = Some(data),
            Some(first) => {
                if more.is_empty() {
                    more.extend_from_slice(first);
                }
                more.extend_from_slice(&data);
            }
        }
    }
    if length > limit_bytes {
        return Err(IngestError::BodyTooLarge { limit_bytes });
    }
    Ok(if more.is_empty() { taken.unwrap_or_default() } else { more.into() })
}

async fn read_decoded(decoder: impl AsyncRead + Unpin, encoding: &'static str) -> Result<Bytes, IngestError> {
    let mut decoded = Vec::new();
    let limit = BATCH_LIMIT_BYTES as u64 + 1;
    decoder.take(limit).read_to_end(&mut decoded).await.map_err(|error| {
        let source = error.get_ref().and_then(|e| e.downcast_ref::<axum::Error>());
        match source {
            Some(_) => incomplete(),
            None if error.get_ref().is_some_and(|e| e.is::<LengthLimitError>()) => {
                IngestError::BodyTooLarge { limit_bytes: BATCH_LIMIT_BYTES }
            }
            None => IngestError::BrokenEncoding { encoding },
        }
    })?;
    if decoded.len() > BATCH_LIMIT_BYTES {
        return Err(IngestError::BodyTooLarge { limit_bytes: BATCH_LIMIT_BYTES });
    }
    Ok(decoded.into())
}

async fn in_time(read: impl Future<Output = Result<Bytes, IngestError>>) -> Result<Bytes, IngestError> {
    tokio::time::timeout(TIMEOUT, read).await.unwrap_or_else(|_| Err(incomplete()))
}

const fn incomplete() -> IngestError {
    IngestError::BodyIncomplete { limit_s: TIMEOUT.as_secs() }
}

fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), IngestError> {
    let value = text(headers, &header::CONTENT_TYPE);
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(IngestError::UnsupportedMediaType { expected }) }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}
