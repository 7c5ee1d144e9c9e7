//! A profile that is not its notice: each change is found by the rule that it breaks.

use benches::cities::{CitiesArgs, Notice, sheets};
use futures::TryStreamExt;

/// What is changed in the profile of Shanghai, and the rules of S0 and S3 that this breaks.
const CHANGES: [(&str, &str, &[&str]); 13] = [
    ("quota = 20\n", "quota = 21\n", &["quota", "more-codes"]),
    ("organisations = [\"government\", ", "organisations = [\"other\", \"government\", ", &["organisations"]),
    (
        "applicants = [\"legal_person\", \"agent\"]",
        "applicants = [\"legal_person\", \"employee\"]",
        &["by-phone", "records"],
    ),
    ("zh = \"快递末端网点\"", "zh = \"快递点\"", &["kinds"]),
    ("under_age = 18", "under_age = 19", &["minors"]),
    ("from_age = 60", "from_age = 61", &["seniors"]),
    (
        "reverse_scan_for = [\"minor\", \"senior\", \"disabled\"]",
        "reverse_scan_for = [\"minor\", \"senior\"]",
        &["disabled"],
    ),
    ("either_or_minutes = 10\n", "", &["either-or"]),
    ("test_within_hours = 48", "test_within_hours = 49", &["48-hours"]),
    ("from = \"2022-05-23\"", "from = \"2022-05-24\"", &["from-the-day"]),
    (
        "classes = [\"public\", \"lodging\", \"work\", \"transport\"]",
        "classes = [\"public\", \"work\", \"transport\"]",
        &["every-class"],
    ),
    ("支付宝", "某宝", &["apps"]),
    ("lifts = [\"colour_unknown\", \"test\"]", "lifts = [\"colour_unknown\"]", &["exemptions"]),
];

#[tokio::test]
async fn each_change_of_a_profile_is_found_by_the_rule_that_it_breaks() -> anyhow::Result<()> {
    let mut profile = include_str!("../../../../schemas/cities/shanghai.toml").to_owned();
    for (before, after, _) in CHANGES {
        anyhow::ensure!(profile.contains(before), "{before} is not in the profile any more");
        profile = profile.replace(before, after);
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("shanghai.toml");
    std::fs::write(&path, profile)?;
    let args = CitiesArgs {
        venuecode: env!("CARGO_BIN_EXE_venuecode").into(),
        cities: vec![Notice::Shanghai],
        profile: Some(path),
        at_once: 1,
        data_in: Some(directory.path().to_owned()),
    };
    let sheets: Vec<_> = sheets(&args).try_collect().await?;
    let mut failed: Vec<_> = sheets.iter().flat_map(|sheet| sheet.failed()).collect();
    let mut expected: Vec<_> = CHANGES.iter().flat_map(|(_, _, rules)| rules.iter().copied()).collect();
    failed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(failed, expected, "{}", sheets.iter().map(ToString::to_string).collect::<String>());
    Ok(())
}
