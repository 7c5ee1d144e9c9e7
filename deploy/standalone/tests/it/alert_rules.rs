//! Prometheus rules are about metrics that there are: a rule about another one never fires. Those of the processor are held
//! against what it describes, beside that.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

/// Rules, where the metrics of their service are, and how these begin.
const SERVICES: [(&str, &str, &str); 2] =
    [("ingest.yml", "ingest/src", "ingest_"), ("query-api.yml", "query-api/src", "query_api_")];

fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// All Rust below a folder, as one text.
fn code(folder: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            text += &code(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path)?;
        }
    }
    Ok(text)
}

#[test]
fn rules_name_metrics_that_there_are() -> anyhow::Result<()> {
    // Tests run in their package's folder.
    let root = Path::new("../..");
    for (file, source, start) in SERVICES {
        let rules = fs::read_to_string(root.join("deploy/alerts").join(file)).context(file)?;
        let code = code(&root.join(source))?;
        let mut seen = 0;
        for expression in rules.split("expr:").skip(1) {
            let end = ["for:", "labels:"].iter().filter_map(|word| expression.find(word)).min().context("no labels")?;
            let words = expression[..end].split(|c| !is_of_names(c)).filter(|word| word.starts_with(start));
            for word in words {
                let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
                let is_there = |name: &str| code.contains(&format!("\"{name}\""));
                ensure!(is_there(word) || family.is_some_and(is_there), "{file} names {word}, which is not there");
                seen += 1;
            }
        }
        ensure!(seen > 3, "{file}: only {seen} metrics");
    }
    Ok(())
}
