//! What the API documents of all services have in common.
//!
//! [`published`] is the last hand on a document: it says what every answer of a kind carries, so that no route has to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    IntoParams,
    openapi::{OpenApi, Ref, RefOr, Response, ResponseBuilder, content::ContentBuilder},
};
use uuid::Uuid;

/// The identity of what is kept by district, in a path.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdOfDistrict {
    /// Its identity, which begins with its district.
    #[param(
        pattern = "^00(1[1-9]|[2-7][0-9]|8[0-2])[0-9]{4}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    )]
    pub id: Uuid,
}

/// The media type of every error (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Answers that are a problem, by status, with what it may be.
pub fn refusals(list: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let refusal = |text: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        RefOr::T(ResponseBuilder::new().description(text).content(PROBLEM, content).build())
    };
    list.iter().map(|(status, text)| ((*status).to_owned(), refusal(text))).collect()
}

/// The document as it is answered, with paths in the order of their names, the headers of refusals, and the bounds of
/// numbers.
pub fn published(mut document: OpenApi) -> Value {
    let paths = std::mem::take(&mut document.paths.paths);
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_by(|(a, _), (b, _)| a.cmp(b));
    document.paths.paths = paths.into_iter().collect();
    // A document of strings and numbers always serialises.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let operations = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for (status, response) in responses.into_iter().flatten() {
            add_headers(status, response);
        }
    }
    add_bounds(&mut document);
    document
}

/// What a refusal is sent with (RFC 9110, sections 10.2.3 and 11.6.1).
fn add_headers(status: &str, response: &mut Value) {
    if response["content"][PROBLEM].is_null() {
        return;
    }
    let (name, description, schema) = match status {
        "401" | "403" => {
            ("WWW-Authenticate", "The scheme, and what is wrong with the token", json!({"type": "string"}))
        }
        "429" | "503" => {
            ("Retry-After", "Seconds after which trying again makes sense", json!({"type": "integer", "minimum": 0}))
        }
        _ => return,
    };
    // As `required` does for a parameter: it is always there.
    response["headers"][name] = json!({"description": description, "required": true, "schema": schema});
}

/// The largest value of each unsigned number; `int32` ends at 2,147,483,647, and the registry's venues begin there.
fn add_bounds(value: &mut Value) {
    match value {
        Value::Object(object) => {
            // utoipa's names of formats that OpenAPI does not have.
            let bound = match object.get("format").and_then(Value::as_str) {
                Some("u-int8") => Some(("int32", u64::from(u8::MAX))),
                Some("u-int16") => Some(("int32", u64::from(u16::MAX))),
                Some("u-int32") => Some(("int64", u64::from(u32::MAX))),
                // As far as JSON carries whole numbers (RFC 8259, section 6).
                Some("u-int64") => Some(("int64", 1 << 53)),
                _ => None,
            };
            if let Some((format, maximum)) = bound {
                object.insert("format".to_owned(), format.into());
                object.entry("maximum").or_insert_with(|| maximum.into());
                object.entry("minimum").or_insert_with(|| 0.into());
            }
            object.values_mut().for_each(add_bounds);
        }
        Value::Array(values) => values.iter_mut().for_each(add_bounds),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use utoipa::{OpenApi as _, ToSchema};

    use super::*;
    use crate::Problem;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only described")]
    struct Numbers {
        serial: u8,
        venue: u32,
        #[schema(maximum = 10)]
        limit: u32,
        degrees: f64,
    }

    #[utoipa::path(get, path = "/b", responses((status = 200, body = Numbers), (status = 429, body = Problem, content_type = "application/problem+json")))]
    #[expect(dead_code, reason = "only described")]
    fn b() -> Json<()> {
        Json(())
    }

    #[utoipa::path(get, path = "/a", responses((status = 503, description = "as plain text")))]
    #[expect(dead_code, reason = "only described")]
    fn a() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(b, a), components(schemas(Numbers)))]
    struct Document;

    #[test]
    fn a_document_has_bounds_and_headers_and_an_order() {
        let document = published(Document::openapi());
        let numbers = &document["components"]["schemas"]["Numbers"]["properties"];
        assert_eq!(numbers["serial"]["maximum"], 255);
        assert_eq!(
            numbers["venue"],
            json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 4_294_967_295u32})
        );
        assert_eq!(numbers["limit"]["maximum"], 10);
        assert!(numbers["degrees"]["maximum"].is_null());
        let responses = |path: &str| document["paths"][path]["get"]["responses"].clone();
        assert_eq!(responses("/b")["429"]["headers"]["Retry-After"]["required"], true);
        assert!(responses("/b")["200"]["headers"].is_null());
        assert!(responses("/a")["503"]["headers"].is_null(), "no problem, no promise");
        let text = document["paths"].to_string();
        assert!(text.find("\"/a\"") < text.find("\"/b\""));
    }
}
