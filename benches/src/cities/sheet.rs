//! The table of a city: what its notice promises, and whether the system does so.

use std::fmt;

use crate::terminal::Table;

/// The rules of one city, each with what became of it.
#[derive(Debug)]
pub struct Sheet {
    city: &'static str,
    rules: Vec<Rule>,
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Rule {
    id: &'static str,
    source: &'static str,
    promise: &'static str,
    expected: String,
    found: String,
}

/// A promise of the notice that VenueCode does not keep yet.
#[derive(Debug)]
struct Gap {
    source: &'static str,
    promise: &'static str,
    instead: &'static str,
}

impl Sheet {
    /// Without a rule yet.
    pub(super) const fn new(city: &'static str) -> Self {
        Self { city, rules: Vec::new(), gaps: Vec::new() }
    }

    /// Holds what was found against what the notice leads to; what could not be found out does not pass.
    pub(super) async fn rule(
        &mut self,
        id: &'static str,
        source: &'static str,
        promise: &'static str,
        expected: &str,
        found: impl Future<Output = anyhow::Result<String>>,
    ) {
        let found = found.await.unwrap_or_else(|error| format!("error: {error:#}"));
        self.rules.push(Rule { id, source, promise, expected: expected.to_owned(), found });
    }

    /// Notes a promise that is not kept yet, and what there is instead.
    pub(super) fn gap(&mut self, source: &'static str, promise: &'static str, instead: &'static str) {
        self.gaps.push(Gap { source, promise, instead });
    }

    /// Rules that passed.
    pub fn passed(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().filter(|rule| rule.passes()).map(|rule| rule.id)
    }

    /// Rules that did not.
    pub fn failed(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().filter(|rule| !rule.passes()).map(|rule| rule.id)
    }

    /// How many promises are not covered.
    pub const fn missing(&self) -> usize {
        self.gaps.len()
    }
}

impl Rule {
    fn passes(&self) -> bool {
        self.found == self.expected
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} passed, {} failed", self.city, self.passed().count(), self.failed().count())?;
        let mut table = Table::new(&["", "rule", "source", "promise"]);
        for rule in &self.rules {
            let outcome = if rule.passes() { "pass" } else { "FAIL" };
            table.row([outcome, rule.id, rule.source, rule.promise].map(str::to_owned).to_vec());
        }
        f.write_str(&table.render())?;
        for Rule { id, expected, found, .. } in self.rules.iter().filter(|rule| !rule.passes()) {
            writeln!(f, "  FAIL {id}\n    expected {expected}\n    found    {found}")?;
        }
        for Gap { source, promise, instead } in &self.gaps {
            writeln!(f, "  not covered: {source}: {promise} ({instead})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_found_as_expected_passes() {
        let mut sheet = Sheet::new("shanghai");
        sheet.rule("one", "S0 一", "that", "admit", async { Ok("admit".to_owned()) }).await;
        sheet.rule("two", "S0 二", "this", "admit", async { Ok("refuse".to_owned()) }).await;
        sheet.rule("three", "S0 三", "so", "admit", async { anyhow::bail!("admit") }).await;
        sheet.gap("S0 四", "more", "nothing");
        assert_eq!(sheet.passed().collect::<Vec<_>>(), ["one"]);
        assert_eq!((sheet.failed().collect::<Vec<_>>(), sheet.missing()), (vec!["two", "three"], 1));
        let shown = sheet.to_string();
        assert!(shown.contains("FAIL two\n    expected admit\n    found    refuse"), "{shown}");
        assert!(
            shown.contains("found    error: admit") && shown.contains("not covered: S0 四: more (nothing)"),
            "{shown}"
        );
    }
}
