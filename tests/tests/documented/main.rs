//! Every command that README, docs, configs and `--help` show runs as it is written, in a folder like its reader's.
//!
//! A new example needs nothing here as long as it works. One that needs another place, or cannot run in a test, is named
//! in `rules.rs` with the reason.

mod companions;
mod examples;
mod rules;
mod safetensors;
mod study;
mod world;

use examples::{Example, documented, helped};
use world::World;

#[test]
fn every_command_and_example_runs_as_it_is_written() {
    let examples: Vec<Example> = documented().into_iter().chain(helped()).collect();
    assert!(examples.len() > 60, "only {} were found", examples.len());
    let (apart, run): (Vec<_>, Vec<_>) = examples
        .into_iter()
        .partition(|example| rules::apart(&example.line).is_some());
    let world = World::new();
    let mut failed = Vec::new();
    for example in rules::ordered(run) {
        if let Err(reason) = world.run(&example) {
            failed.push(format!("{}: {}\n    {reason}", example.place, example.line));
        }
    }
    failed.extend(
        rules::unused(&apart).map(|rule| format!("no example needs this rule any more: {rule}")),
    );
    assert!(
        failed.is_empty(),
        "mend the example, the program, or tests/tests/documented/rules.rs:\n{}",
        failed.join("\n")
    );
}
