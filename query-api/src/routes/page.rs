//! `GET /V/{page}`: the page behind a venue code, as its printed URL opens it, and the parts of that page.

use axum::{extract::State, response::Response};
use service::Problem;

use crate::{
    AppState, QueryError,
    input::{self, Segment},
};

/// Where the page is: paths below it are answered whether the tables are there or not.
pub const PATH: &str = "/V/";

/// The page behind a venue code
///
/// For anybody: it is the same for every code and knows nothing of a person. With a citizen's token, which the city's app
/// hands over behind the `#` of the URL, it sends the scan to the gateway. Its parts are `page.js`, `page.css` and
/// `worker.js`; the latter keeps it on the phone, so that it opens while the server cannot be reached.
#[utoipa::path(get, path = "/V/{page}", tag = "page",
    params(("page" = String, Path, description = "A venue code, or the name of a part of the page", pattern = "^([0-9A-Za-z]{17}|page\\.(html|js|css)|worker\\.js)$")),
    responses(
        (status = 200, description = "The page, or a part of it", content((String = "text/html"), (String = "text/javascript"), (String = "text/css"))),
        (status = 422, description = "Nothing that could be a code", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn page(State(state): State<AppState>, page: Segment) -> Result<Response, QueryError> {
    let name = input::segment(page, "page")?;
    state.page().part(&name).ok_or_else(|| input::invalid("page", "a venue code of 17 characters"))
}
