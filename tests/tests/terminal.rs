//! What a run writes to a terminal: the bar and lines do not overwrite each other, workers' lines pass through the
//! coordinator, and a terminal that cannot draw gets plain lines.

use fratmae_tests::{Job, scratch};

/// What a run of a tiny job writes to a terminal of this kind, standard output and standard error together.
///
/// `script` is part of every Debian and runs a command on a terminal of its own.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let folder = scratch();
    let job = Job::tiny(folder.path().join("run")).set("train.steps=6");
    let script = "exec script -qec \"stty cols 80 rows 24; $*\" /dev/null";
    let call = job.call().through(&["sh", "-c", script, "sh"]);
    let call = variables
        .iter()
        .fold(call, |call, (name, value)| call.with(name, value));
    call.run().succeeded().stdout
}

/// The rows that stay: what is left of each once it has been drawn over.
fn rows(text: &str) -> Vec<String> {
    let rows = text.split('\n').map(|row| {
        let row = row.trim_end_matches('\r');
        let last = row.rsplit(['\r']).next().unwrap_or_default();
        last.rsplit("\u{1b}[2K")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    rows.collect()
}

#[test]
fn a_terminal_has_a_bar_and_whole_lines_and_no_dead_bars() {
    let text = on_a_terminal(&[("TERM", "xterm")]);
    assert!(text.contains("train [") && text.contains("6/6"), "{text:?}");
    assert!(!text.contains("0/0"), "{text:?}");
    for row in rows(&text) {
        assert!(!row.contains("train ["), "a dead bar: {row:?}\nin {text:?}");
    }
    let merged = rows(&text)
        .into_iter()
        .find(|row| row.contains("training on the CPU"));
    assert!(
        merged
            .as_deref()
            .is_some_and(|row| row.contains("2 workers: ")),
        "{merged:?}"
    );
    assert!(text.contains("weights_digest"), "{text:?}");
}

#[test]
fn a_terminal_that_cannot_draw_gets_plain_lines_without_escapes() {
    let text = on_a_terminal(&[("TERM", "dumb")]);
    assert!(text.contains("train 6/6  loss "), "{text:?}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn colours_are_left_out_where_nobody_wants_them() {
    for variable in [("NO_COLOR", "1"), ("CLICOLOR", "0")] {
        let text = on_a_terminal(&[("TERM", "xterm"), variable]);
        let colours: Vec<&str> = text
            .split("\u{1b}[")
            .skip(1)
            .filter(|part| {
                part.find(|c: char| c.is_ascii_alphabetic())
                    .is_some_and(|at| part[at..].starts_with('m'))
            })
            .collect();
        assert_eq!(colours, Vec::<&str>::new());
    }
}
