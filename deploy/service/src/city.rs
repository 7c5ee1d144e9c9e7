//! The city profile that a service is told to follow: a built-in one by its name, or a file.

use std::path::Path;

use anyhow::Context;
use schemas::CityProfile;

/// Reads a profile: the path of a `.toml` file, or else the name of a built-in city.
///
/// # Errors
/// When there is no such city or file, or the profile contradicts itself; the message names the file and each line at
/// fault.
pub fn read_city(name_or_path: &str) -> anyhow::Result<CityProfile> {
    let path = Path::new(name_or_path);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(CityProfile::try_built_in(name_or_path)?);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the city profile {name_or_path}"))?;
    CityProfile::try_parse(&text).with_context(|| format!("city profile {name_or_path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_a_name_and_its_faults_by_line() {
        assert_eq!(read_city("fuyang").expect("built in").city, "fuyang");
        assert!(format!("{:#}", read_city("atlantis").unwrap_err()).contains("or the path of a .toml file"));
        assert!(format!("{:#}", read_city("no/such.toml").unwrap_err()).starts_with("cannot read the city profile"));
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("broken.toml");
        let text = include_str!("../../../schemas/cities/fuyang.toml");
        std::fs::write(&path, text.replace("retention_days = 30", "retention_days = 0")).expect("written");
        let error = format!("{:#}", read_city(&path.display().to_string()).unwrap_err());
        let line = text.lines().position(|line| line.starts_with("retention_days")).expect("there") + 1;
        assert!(error.contains("broken.toml") && error.contains(&format!("line {line}: retention_days")), "{error}");
    }
}
