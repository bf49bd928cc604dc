//! Every input that is kept and every seed keeps the bounds: what fuzzing once found stays found, without fuzzing.

use fratmae_fuzz::{TARGETS, end_on_panic, kept, run, seeds};

/// One test, for memory is counted over the whole program.
#[test]
fn kept_inputs_neither_panic_nor_take_memory_without_measure() {
    end_on_panic();
    let kept = kept().unwrap();
    for target in TARGETS {
        let n_kept = kept.iter().filter(|input| input.target == target.name);
        assert!(n_kept.count() > 1, "{} has no inputs", target.name);
    }
    for input in seeds().into_iter().chain(kept) {
        // The last line tells which input it was, where the program ends.
        eprintln!("{}/{}", input.target, input.name);
        run(input.target, &input.bytes);
    }
}
