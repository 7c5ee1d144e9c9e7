//! `GET /v1/venues/{id}/poster`: the poster of a venue, for printing.

use std::fmt::Write;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{VenueCode, VenueId, city::PosterSize};
use service::{Caller, Problem};

use super::visitors::venue;
use crate::{
    AppState, QueryError,
    input::{self, Fields, Segment},
    limits,
    poster::{Format, MIN_DPI, Order, Poster, Press, ShopError, Venue, default_dpi, max_dpi, size_word},
};

const FORMAT: &str = "one of pdf, svg, png";

/// The poster of a venue, in its city's template, with its code as it is valid now.
///
/// The same poster is the same bytes, and has the same `ETag`; it changes when the venue is renamed, its code is issued
/// anew, or the key that signs is replaced.
#[utoipa::path(get, path = "/v1/venues/{id}/poster", tag = "venues",
    params(
        ("id" = u32, Path, description = "Number of the venue"),
        ("size" = Option<PosterSize>, Query, description = "A4 for windows, when left out; 60 × 90 cm for the right of a \
            door, its lower edge at 1.5 m; 80 × 180 cm as a stand to the right of an entrance. Cities print some of them"),
        ("format" = Option<String>, Query, pattern = "^(pdf|svg|png)$", description = "`pdf` (PDF/A-2b), when left out, `svg` or `png`"),
        ("dpi" = Option<u16>, Query, minimum = 50, maximum = 600, description = "Pixels per inch of a PNG; at most 600 \
            for A4, 200 for 60 × 90 cm, 150 for 80 × 180 cm"),
    ),
    responses(
        (status = 200, description = "The poster", content((Vec<u8> = "application/pdf"), (String = "image/svg+xml"),
            (Vec<u8> = "image/png")), headers(("ETag" = String), ("Content-Disposition" = String))),
        (status = 304, description = "The poster is still the one named by `If-None-Match`"),
        (status = 404, description = "No such venue", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The venue's code is revoked", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong, or a text has a character that cannot be printed", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn poster(
    State(state): State<AppState>,
    caller: Caller,
    id: Segment,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, QueryError> {
    let number = venue(&input::segment(id, "id")?, "id")?;
    let order = order(&state, &mut fields)?;
    fields.finish()?;
    limits::check_venue(state.store(), caller.scope(), number).await?;

    let poster = Poster::new(state.city(), state.signer(), find(&state, number).await?);
    let fingerprint = Press::fingerprint(&poster, order).map_err(ShopError::from)?;
    let tag = format!("\"{}\"", &fingerprint.to_hex()[..32]);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // Whoever has it asks each time whether it still holds: a poster that was revoked must not be printed again.
    let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    if is_listed(&tag, known) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let disposition = disposition(&poster, number, order);
    let bytes = state.posters().print(poster, order).await?;
    let media_type = HeaderValue::from_static(order.format.media_type());
    let as_file = [(header::CONTENT_TYPE, media_type), (header::CONTENT_DISPOSITION, disposition)];
    Ok((caching, as_file, bytes).into_response())
}

fn order(state: &AppState, fields: &mut Fields) -> Result<Order, QueryError> {
    let sizes = &state.city().poster.sizes;
    let words = sizes.iter().map(|size| size_word(*size)).collect::<Vec<_>>().join(", ");
    let expected = format!("one of the sizes that this city prints: {words}");
    let size = match fields.text("size", &expected)? {
        None => sizes.first().copied(),
        Some(word) => sizes.iter().copied().find(|size| size_word(*size) == word),
    };
    let size = size.ok_or_else(|| input::invalid("size", &expected))?;
    let format = match fields.text("format", FORMAT)? {
        None => Format::Pdf,
        Some(word) => word.parse().map_err(|()| input::invalid("format", FORMAT))?,
    };
    let dpi = fields.number("dpi", MIN_DPI.into()..=max_dpi(size).into(), default_dpi(size).into())?;
    Ok(Order { size, format, dpi: u16::try_from(dpi).unwrap_or(MIN_DPI) })
}

async fn find(state: &AppState, number: VenueId) -> Result<Venue, QueryError> {
    let row = state.store().venue(number).await?.ok_or(QueryError::UnknownVenue { field: "id" })?;
    if !row.active {
        return Err(QueryError::RevokedVenue { field: "id" });
    }
    let serial = row.serial.ok_or(QueryError::IssueUnknown)?;
    let door = Some(row.door).filter(|door| !door.is_empty());
    let code = VenueCode { venue: number, serial };
    Ok(Venue { code, name: row.name, category: row.category, district: row.district, door })
}

/// Whether `If-None-Match` lists a tag (RFC 9110, section 13.1.2).
fn is_listed(tag: &str, known: &str) -> bool {
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// `attachment` with the venue's name in UTF-8, and a plain name for who cannot read that (RFC 6266, section 4.3).
fn disposition(poster: &Poster, number: VenueId, order: Order) -> HeaderValue {
    let (size, format) = (size_word(order.size), order.format);
    let plain = format!("attachment; filename=\"venue-{number}-{size}.{format}\"");
    let mut full = format!("{plain}; filename*=UTF-8''");
    for byte in poster.file_name(size, format.as_str()).into_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            full.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(full, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(full).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let tag = "\"ab\"";
        for listed in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert!(is_listed(tag, listed), "{listed}");
        }
        for other in ["", "ab", "\"abc\"", "\"a\", \"b\""] {
            assert!(!is_listed(tag, other), "{other}");
        }
    }
}
