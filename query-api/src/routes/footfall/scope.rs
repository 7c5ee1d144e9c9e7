//! Reads which scans somebody asks about.

use schemas::{events::is_district, organisation::is_credit_code};

use crate::{
    QueryError,
    input::{Fields, invalid},
    routes::visitors,
    store::Scope,
};

const SCOPE: &str = "venue, organisation, district, category or city";
const MAX_CATEGORY_BYTES: usize = 64;

/// What was asked about: the scope, and its words as an answer repeats them.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which scans.
    pub scope: Scope,
    /// The word of the scope.
    pub word: String,
    /// Its id; the city's short name for the city.
    pub id: String,
}

/// Takes `scope` and `id`; the only city there is, is `city`.
///
/// # Errors
/// When one is missing or cannot be.
pub fn scope(fields: &mut Fields, city: &str) -> Result<Asked, QueryError> {
    let word = fields.required("scope", SCOPE)?;
    let id = fields.text("id", "a text")?;
    if word == "city" {
        let own = id.is_none_or(|id| id == city);
        let expected = format!("`{city}`, the city of this service, or nothing");
        let asked = Asked { scope: Scope::City, word, id: city.to_owned() };
        return if own { Ok(asked) } else { Err(invalid("id", &expected)) };
    }
    let expected = match word.as_str() {
        "venue" => "the number of a venue",
        "organisation" => "the unified social credit code of an organisation (GB 32100)",
        "district" => "the six-digit code of a district (GB/T 2260)",
        "category" => "the id of a category, of 1 to 64 bytes",
        _ => return Err(invalid("scope", SCOPE)),
    };
    let id = id.ok_or_else(|| QueryError::MissingField { field: "id", expected: expected.to_owned() })?;
    let scope = match word.as_str() {
        "venue" => Scope::Venue(visitors::venue(&id, "id")?),
        "organisation" if is_credit_code(&id) => Scope::Organisation(id.clone()),
        "district" => {
            let code = visitors::venue(&id, "id").ok().filter(|code| is_district(*code));
            Scope::District(code.ok_or_else(|| invalid("id", expected))?)
        }
        "category" if !id.is_empty() && id.len() <= MAX_CATEGORY_BYTES => Scope::Category(id.clone()),
        _ => return Err(invalid("id", expected)),
    };
    Ok(Asked { scope, word, id })
}
