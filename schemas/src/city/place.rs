//! Where in the file a contradiction is.
//!
//! The profile's types hold no positions. A contradiction names the path of its value, and only then is the text
//! looked at again for the line.

use std::fmt;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A contradiction and the path of the value at fault, such as `categories.3.class`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: String,
    pub message: String,
}

/// A contradiction in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Every contradiction in a profile, in the order of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradictions(pub Vec<Contradiction>);

impl Contradictions {
    pub(super) fn locate(text: &str, found: Vec<Found>) -> Self {
        let root = DeTable::parse(text).ok();
        let line = |path: &str| root.as_ref().map_or(1, |root| line_of(text, root.get_ref(), path));
        let mut all: Vec<_> = found
            .into_iter()
            .map(|Found { path, message }| Contradiction { line: line(&path), message: format!("{path}: {message}") })
            .collect();
        all.sort_by_key(|contradiction| contradiction.line);
        Self(all)
    }
}

impl fmt::Display for Contradictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, Contradiction { line, message }) in self.0.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "; " };
            write!(f, "{separator}line {line}: {message}")?;
        }
        Ok(())
    }
}

/// The line of the value at a path, or of the last value on the way that there is.
fn line_of(text: &str, root: &DeTable<'_>, path: &str) -> usize {
    let mut start = 0;
    let mut table = Some(root);
    let mut array: Option<&[Spanned<DeValue<'_>>]> = None;
    for step in path.split('.') {
        let next = match (table, array) {
            (Some(table), _) => table.iter().find(|(key, _)| key.get_ref() == step).map(|(_, value)| value),
            (_, Some(array)) => step.parse::<usize>().ok().and_then(|nth| array.get(nth)),
            (None, None) => None,
        };
        let Some(value) = next else { break };
        start = value.span().start;
        table = value.get_ref().as_table();
        array = value.get_ref().as_array().map(|array| &array[..]);
    }
    text.get(..start).map_or(1, |before| before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_line_or_as_near_as_there_is_one() {
        let text = "a = 1\nb = [\n  { c = 2 },\n  { c = 3,\n  d = { e = 5 } },\n]\n\n[[t]]\nx = 1\n[[t]]\nx = 2\n[t.y]\nz = 3\n";
        let root = DeTable::parse(text).expect("TOML");
        let line = |path| line_of(text, root.get_ref(), path);
        for (path, expected) in [
            ("a", 1),
            ("b.0.c", 3),
            ("b.1.c", 4),
            ("b.1.d.e", 5),
            ("b.1.d.missing", 5),
            ("t.0.x", 9),
            ("t.1.x", 11),
            ("t.1.y.z", 13),
        ] {
            assert_eq!(line(path), expected, "{path}");
        }
    }
}
