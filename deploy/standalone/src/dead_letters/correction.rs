//! How a value is corrected: field by field, or in the user's editor.

use std::fs;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::event_kind::EventKind;

/// The original with `FIELD=VALUE`s set. A VALUE is JSON if it reads as such, unless the field holds text now; else text.
///
/// # Errors
/// The original is no JSON object, an assignment has no `=`, or messages of this kind have no such field.
pub fn with_fields(original: &[u8], assignments: &[String], kind: EventKind) -> anyhow::Result<Vec<u8>> {
    let parsed: Value = serde_json::from_slice(original).unwrap_or_default();
    let Value::Object(mut fields) = parsed else {
        bail!("the original is no JSON object, so no field of it can be set; give the whole value with --value-file");
    };
    let known = kind.fields();
    for assignment in assignments {
        let (field, text) =
            assignment.split_once('=').with_context(|| format!("--set {assignment}: write it as FIELD=VALUE"))?;
        if !known.iter().any(|name| name == field) {
            bail!("--set {field}: there is no such field; there are {}", known.join(", "));
        }
        let as_text = || Value::String(text.to_owned());
        let value = match fields.get(field) {
            Some(Value::String(_)) if serde_json::from_str::<String>(text).is_err() => as_text(),
            _ => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        };
        fields.insert(field.to_owned(), value);
    }
    Ok(serde_json::to_vec(&fields)?)
}

/// What the user makes of the original in `$VISUAL` or `$EDITOR`.
///
/// # Errors
/// There is no editor, it failed, or nothing was changed.
pub fn in_editor(original: &[u8]) -> anyhow::Result<Vec<u8>> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os).unwrap_or_else(|| "vi".into());
    let before = pretty(original);
    // Readable by this user alone, and gone afterwards.
    let file = tempfile::Builder::new().prefix("dead-letter-").suffix(".json").tempfile()?;
    fs::write(file.path(), &before)?;
    // Through the shell, since an editor may be given with options.
    let status = Command::new("sh")
        .args(["-c", "exec $VENUECODE_EDITOR \"$1\"", "sh"])
        .arg(file.path())
        .env("VENUECODE_EDITOR", &editor)
        .status()
        .context("cannot start an editor")?;
    if !status.success() {
        bail!("{} ended with {status}; nothing was sent", editor.to_string_lossy());
    }
    // By its path: many editors put a new file in its place.
    let after = fs::read(file.path()).context("cannot read what was edited")?;
    if after == before {
        bail!("nothing was changed, so nothing was sent");
    }
    Ok(serde_json::from_slice::<Value>(&after).map_or(after, |value| value.to_string().into_bytes()))
}

/// JSON indented, anything else as it is.
#[must_use]
pub fn pretty(value: &[u8]) -> Vec<u8> {
    let parsed = serde_json::from_slice::<Value>(value);
    let text = parsed.ok().and_then(|value| serde_json::to_vec_pretty(&value).ok());
    text.unwrap_or_else(|| value.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(original: &Value, assignments: &[&str]) -> anyhow::Result<Value> {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        let bytes = with_fields(original.to_string().as_bytes(), &assignments, EventKind::Scan)?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    #[test]
    fn fields_are_set_with_the_type_they_have() -> anyhow::Result<()> {
        let original = json!({"person": "x", "venue": "seven", "colour": 1});
        let fixed = set(&original, &["person=1123456789012345", "colour=green", "direction=entry", "scanned_at=5"])?;
        assert_eq!(
            fixed,
            json!({"person": "1123456789012345", "venue": "seven", "colour": "green", "direction": "entry",
                "scanned_at": 5})
        );
        Ok(())
    }

    #[test]
    fn a_field_that_does_not_exist_is_named() {
        let error = set(&json!({}), &["colur=red"]).expect_err("a typing error").to_string();
        assert!(error.starts_with("--set colur: there is no such field; there are ") && error.contains("colour"));
        assert!(set(&json!({}), &["colour"]).is_err());
        assert!(set(&json!([1]), &["colour=red"]).expect_err("no object").to_string().contains("--value-file"));
    }
}
