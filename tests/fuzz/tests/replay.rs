//! Every input that is kept and every seed keeps the bounds: what fuzzing once found stays found, without fuzzing.

use std::path::Path;

use fratmae_fuzz::{TARGETS, end_on_panic, run, seeds};

/// One test, for memory is counted over the whole program.
#[test]
fn kept_inputs_neither_panic_nor_take_memory_without_measure() {
    end_on_panic();
    for seed in seeds() {
        run(seed.target, &seed.bytes);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        let entries = std::fs::read_dir(&folder).expect("each target has a folder");
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} has no inputs", target.name);
        for path in paths {
            // The last line tells which input it was, where the program ends.
            eprintln!("{}", path.display());
            target.run(&std::fs::read(&path).unwrap());
        }
    }
}
