//! What the API document says of access: the scheme, and for each route its roles and refusals.

use schemas::access::{Rule, Table};
use utoipa::openapi::{
    OpenApi,
    path::{Operation, PathItem},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use crate::openapi::refusals;

/// Name of the scheme in the document.
const SCHEME: &str = "token";

/// Adds the scheme.
pub(super) fn add_scheme(document: &mut OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A signed token (EdDSA) with a role and a scope, as `venuecode token issue` makes them"))
        .build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(SCHEME.to_owned(), SecurityScheme::Http(scheme));
}

/// Adds roles and refusals to the operations of a path, and returns their methods with their rules.
pub(super) fn describe(table: Table, path: &str, item: &mut PathItem) -> Vec<(&'static str, Option<&'static Rule>)> {
    let slots = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    let mut rules = Vec::new();
    for (method, slot) in slots {
        let Some(operation) = slot else { continue };
        let rule = table.rule(method, path);
        if rule.is_none_or(|rule| rule.roles.is_some()) {
            restrict(operation, rule);
        }
        rules.push((method, rule));
    }
    rules
}

fn restrict(operation: &mut Operation, rule: Option<&Rule>) {
    let roles = rule.and_then(|rule| rule.roles).unwrap_or_default();
    let words = roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
    let mut text = format!("Roles: {}.", if words.is_empty() { "none" } else { &words });
    if let Some(rule) = rule.filter(|rule| !rule.honours.is_empty()) {
        let limits = rule.honours.iter().map(|limit| format!("`{}`", limit.as_str())).collect::<Vec<_>>();
        text.push_str(&format!(" Within the token's {}.", limits.join(", ")));
    }
    let description = operation.description.get_or_insert_default();
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str(&text);
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    let refused = refusals(&[
        (
            "401",
            "No token, or one that does not hold: `token-missing`, `token-malformed`, `token-unknown-key`, `token-forged`, \
                 `token-expired`, `token-not-yet-valid`, `token-wrong-audience`, `token-wrong-issuer`, `token-lives-too-long`",
        ),
        ("403", "Not with this token: `role-not-allowed` or `out-of-scope`"),
        ("429", "`too-many-bad-tokens` from this address"),
    ]);
    for (status, response) in refused {
        operation.responses.responses.entry(status).or_insert(response);
    }
}
