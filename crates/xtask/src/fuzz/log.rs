//! Reads from libFuzzer's log what a run came to.

use std::fmt;

/// The figures of one target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    executions: u64,
    /// Edges of the program that some input reached.
    edges: u64,
    inputs: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            edges,
            inputs,
        } = self;
        write!(f, "{executions} executions, {edges} edges, {inputs} inputs")
    }
}

/// Reads the last line of progress: `#4096 REDUCE cov: 812 ft: 1200 corp: 97/12Kb ...`.
pub(super) fn figures(log: &str) -> Figures {
    let mut lines = log.lines().rev();
    let line = lines.find(|line| line.starts_with('#') && line.contains(" cov: "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name);
        let word = at.and_then(|at| words.get(at + 1)).unwrap_or(&"");
        word.split('/')
            .next()
            .and_then(|number| number.parse().ok())
    };
    let executions = words.first().and_then(|word| word[1..].parse().ok());
    Figures {
        executions: executions.unwrap_or_default(),
        edges: after("cov:").unwrap_or_default(),
        inputs: after("corp:").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_progress_counts() {
        let log = "INFO: seed corpus\n#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0\n\
            #4096\tREDUCE cov: 812 ft: 1200 corp: 97/12Kb lim: 4096 exec/s: 512 rss: 80Mb L: 3/9\nDone 4100 runs\n";
        let expected = Figures {
            executions: 4096,
            edges: 812,
            inputs: 97,
        };
        assert_eq!(figures(log), expected);
        assert_eq!(figures("nothing\n#\n"), Figures::default());
    }
}
