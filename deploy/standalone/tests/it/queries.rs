//! The measurement of questions: a city stored straight into the tables answers like the same rows in a plain table.

use benches::queries::{QueriesArgs, measure};
use clap::Parser;

/// Small enough for a test, and large enough that everybody asked about meets others.
const ROWS: &str = "20000";

#[tokio::test]
async fn the_query_api_and_a_self_join_say_the_same_of_a_kept_city() -> anyhow::Result<()> {
    let kept = tempfile::tempdir()?;
    let flags = ["queries", "--venuecode", env!("CARGO_BIN_EXE_venuecode"), "--rows", ROWS, "--times", "1"];
    let mut args = QueriesArgs::try_parse_from(flags.into_iter().chain(["--rival-times", "1", "--seed", "7"]))?;
    args.data = Some(kept.path().to_owned());
    let report = measure(&args).await?;
    assert!(report.agree(), "{}", serde_json::to_string_pretty(&report)?);
    // History and one hop of both kinds of people, two hops, visitors, and eight of the polls.
    assert_eq!(report.agreed(), 14, "{}", serde_json::to_string_pretty(&report)?);

    // A second run takes the city as it is: nothing is stored twice, or the count would be wrong.
    args.rival_times = 0;
    assert_eq!(measure(&args).await?.agreed(), 0, "nobody else was asked");
    Ok(())
}
