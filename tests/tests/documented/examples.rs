//! Finds what people are shown: commands in Markdown, in the comments of configs, and under `Examples:` of every help.

use std::path::Path;

use fratmae_tests::fratmae;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Programs whose lines are commands.
const PROGRAMS: [&str; 9] = [
    "srun ", "fratmae ", "cargo ", "docker ", "export ", "python3 ", "tar ", "for ", "LIB=",
];

/// A command that somebody may type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) place: String,
    /// The command, on one line unless it is a loop.
    pub(crate) line: String,
}

/// The commands of README, docs and configs, each once.
pub(crate) fn documented() -> Vec<Example> {
    let mut files = vec!["README.md".to_owned()];
    for (folder, ending) in [
        ("docs", "md"),
        ("docs/decisions", "md"),
        ("configs", "toml"),
        ("docker", ""),
    ] {
        files.extend(listed(folder, ending));
    }
    let mut all = Vec::new();
    for name in files {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&name)).expect("a text of ours");
        let lines = match name.ends_with(".md") {
            true => from_markdown(&text),
            false => from_comments(&text),
        };
        all.extend(lines.into_iter().map(|line| Example {
            place: name.clone(),
            line,
        }));
    }
    once(all)
}

fn listed(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder of ours");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    let path = |name| format!("{folder}/{name}");
    let is_file = |name: &String| Path::new(ROOT).join(name).is_file();
    names.into_iter().map(path).filter(is_file).collect()
}

/// The examples in the help of every command.
pub(crate) fn helped() -> Vec<Example> {
    let mut all = Vec::new();
    let mut commands = vec![Vec::new()];
    while let Some(words) = commands.pop() {
        let help = fratmae(words.clone())
            .and("--help")
            .run()
            .succeeded()
            .stdout;
        for name in subcommands(&help) {
            let mut below = words.clone();
            below.push(name);
            commands.push(below);
        }
        let place = format!("fratmae {} --help", words.join(" "));
        all.extend(from_help(&help).into_iter().map(|line| Example {
            place: place.clone(),
            line,
        }));
    }
    once(all)
}

fn once(all: Vec<Example>) -> Vec<Example> {
    let mut kept: Vec<Example> = Vec::new();
    for example in all {
        if !kept.iter().any(|other| other.line == example.line) {
            kept.push(example);
        }
    }
    kept
}

fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // Deeper lines go on with a description.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn from_help(help: &str) -> Vec<String> {
    let block = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let block = block.take_while(|line| !line.is_empty());
    let mut lines: Vec<String> = Vec::new();
    for line in block {
        let own = line.strip_prefix("  ");
        match (own.filter(|line| !line.starts_with(' ')), lines.last_mut()) {
            (Some(line), _) => lines.push(inside_brackets(line).to_owned()),
            // A narrow help breaks long lines.
            (None, Some(before)) => *before = format!("{before} {}", line.trim()),
            (None, None) => {}
        }
    }
    lines
        .iter()
        .map(|line| described(line).to_owned())
        .collect()
}

/// A command that stands in brackets, behind words of when to type it.
fn inside_brackets(line: &str) -> &str {
    let inner = line
        .strip_prefix('(')
        .and_then(|line| line.strip_suffix(')'));
    let begin = inner.and_then(|inner| inner.find("fratmae "));
    match (inner, begin) {
        (Some(inner), Some(begin)) => &inner[begin..],
        _ => line,
    }
}

/// A command without what is said of it behind two blanks.
fn described(line: &str) -> &str {
    line.split("  ").next().unwrap_or(line).trim_end()
}

fn from_comments(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("#     "));
    whole(lines.map(str::to_owned))
}

fn from_markdown(text: &str) -> Vec<String> {
    let (mut blocks, mut is_fenced) = (Vec::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            blocks.push(line.to_owned());
        } else if let Some(line) = line.strip_prefix("    ") {
            blocks.push(line.to_owned());
        }
    }
    let mut lines = whole(blocks.into_iter());
    let spans = text
        .lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_ours = |span: &&str| span.starts_with("fratmae ") || span.starts_with("cargo ");
    let with_words = spans.filter(|span| is_ours(span) && names_something(span));
    lines.extend(with_words.map(str::to_owned));
    lines
}

/// Whether a command in the middle of a sentence is more than its name.
fn names_something(span: &str) -> bool {
    let is_argument =
        |word: &str| word.contains(['-', '/', '.']) || word.chars().all(char::is_uppercase);
    span.split(' ').skip(1).any(is_argument)
}

/// Commands with their continuations and without remarks; loops stay whole.
fn whole(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let (mut is_open, mut loops) = (false, 0_usize);
    for line in lines {
        let text = without_remark(&line);
        let (text, goes_on) = match text.strip_suffix('\\') {
            Some(text) => (text.trim(), true),
            None => (text.trim(), false),
        };
        let is_part = is_open || loops > 0;
        // Lines of a drawing are none.
        if text.contains('─') {
            continue;
        }
        if !is_part && !PROGRAMS.iter().any(|program| text.starts_with(program)) && !is_set(text) {
            continue;
        }
        match (all.last_mut().filter(|_| is_part), is_open) {
            (Some(before), true) => *before = format!("{before} {text}"),
            (Some(before), false) => *before = format!("{before}\n{text}"),
            (None, _) => all.push(text.to_owned()),
        }
        is_open = goes_on;
        loops += usize::from(text.starts_with("for "));
        loops -= usize::from(text == "done" && loops > 0);
    }
    all
}

/// Whether a line sets variables for a command of ours.
fn is_set(line: &str) -> bool {
    line.contains(" fratmae ")
        && line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('='))
}

fn without_remark(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line)
}

#[test]
fn commands_are_found_wherever_they_stand() {
    let text = "Text, `fratmae convert SERIES --out a.nii.gz` and `fratmae export` alone.\n\n    fratmae a b   # remark\n    \
                [data]\n\n```\nX=1 fratmae c \\\n  --d\n```\n";
    let found = from_markdown(text);
    assert_eq!(
        found,
        [
            "fratmae a b",
            "X=1 fratmae c --d",
            "fratmae convert SERIES --out a.nii.gz"
        ]
    );
    let looped = "# Words.\n#     for w in 1 2; do\n#         fratmae x $w\n#     done\n[run]\n";
    assert_eq!(
        from_comments(looped),
        ["for w in 1 2; do\nfratmae x $w\ndone"]
    );
    let help = "Usage: x\n\nExamples:\n  fratmae a b      what it does\n  fratmae c --long\nword\n\nMore.\n  fratmae d\n";
    assert_eq!(from_help(help), ["fratmae a b", "fratmae c --long word"]);
}
