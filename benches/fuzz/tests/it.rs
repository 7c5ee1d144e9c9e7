//! Replays the corpus on stable Rust: what held when the fuzzer had looked holds still.

use std::path::Path;

use fuzz::TARGETS;

#[test]
fn every_input_of_the_corpus_still_holds() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus.join(name))? {
            let path = entry?.path();
            let input = std::fs::read(&path)?;
            let held = std::panic::catch_unwind(|| check(&input));
            assert!(held.is_ok(), "{}", path.display());
            inputs += 1;
        }
        assert!(inputs >= 10, "{name} has {inputs} inputs only");
    }
    Ok(())
}
