//! `fratmae completions`: a script for the user's shell.

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{arguments, output::Output};

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fratmae completions bash > ~/.local/share/bash-completion/completions/fratmae
  fratmae completions zsh > ~/.zfunc/_fratmae
  fratmae completions fish > ~/.config/fish/completions/fratmae.fish")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let mut script = Vec::new();
    let mut command = arguments::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "fratmae", &mut script);
    Ok(output.bytes(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::captured::Captured;

    #[test]
    fn the_script_names_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let captured = Captured::default();
            run(&Arguments { shell }, &mut captured.output()).unwrap();
            assert!(captured.text().contains("pretrain"), "{shell}");
        }
    }
}
