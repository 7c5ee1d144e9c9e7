use super::*;

fn figures(rows_read: u64, p99_ms: f64) -> Figures {
    Figures { asked: 10, rows_read, bytes_read: 2_048, clickhouse_cpu_ms: 1.5, api_cpu_ms: 0.5, p50_ms: 2.0, p99_ms }
}

fn measured(name: &str, aim: Aim, said: Option<Said>, figures: Figures) -> Measured {
    Measured::new(&Question { name: name.to_owned(), aim: Some(aim), instances: Vec::new() }, vec![said], figures)
}

fn rival(said: Said) -> Rival {
    Rival { said: vec![said], p50_ms: 900.0, cpu_ms: 1_800.0, rows: Some(1_000_000) }
}

fn report() -> QueriesReport {
    let questions = vec![
        measured("history", Aim::Rows(20_000), Some([3, 4, 0]), figures(19_999, 50.0)),
        measured("trace", Aim::P99Ms(30.0), Some([7, 8, 9]), figures(90_000, 30.0)),
        measured("long trace", Aim::P99Ms(30.0), None, figures(90_000, 29.9)),
    ];
    let sizes = Sizes { scan_tables: 45_000_000, plain_table: None, duckdb: None };
    let plan = super::super::city::plan(1_000_000, 1, 1_653_148_800);
    let versions = Versions { load: "0.1.0".to_owned(), venuecode: None };
    QueriesReport::new(
        (&plan, Peaks::default()),
        questions,
        sizes,
        (crate::load::machine::describe(), versions),
        "26.7".to_owned(),
    )
}

#[test]
fn a_table_says_which_aims_are_reached_and_who_agrees() {
    let mut report = report();
    for (question, said) in [("history", [3, 4, 0]), ("trace", [7, 8, 9]), ("long trace", [1, 2, 3])] {
        report.compare(question, Compared::new(rival(said), Some(rival(said))));
    }
    let text = report.tables(None);
    for expected in [
        "45 bytes a scan",
        "rows < 20,000: reached",
        "p99 < 30 ms: missed",
        "p99 < 30 ms: reached",
        "cut off by a limit",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(report.agree() && report.agreed() == 2, "{text}");
    report.compare("trace", Compared::new(rival([7, 8, 9]), Some(rival([7, 8, 10]))));
    assert!(!report.agree() && report.tables(None).contains("DIFFER"), "one of three says something else");
}

#[test]
fn what_is_printed_can_be_read_again_and_compared() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.txt");
    let mut before = report();
    before.questions[0].figures.p50_ms = 4.0;
    std::fs::write(&path, format!("a table\n{}\n\nand a remark\n", serde_json::to_string(&before)?))?;
    let text = report().tables(Some(&QueriesReport::read(&path)?));
    let line = text.lines().find(|line| line.contains("history")).unwrap_or_default();
    assert!(line.ends_with(" 0.5"), "{text}");
    Ok(())
}
