//! `fratmae completions`: a script for the user's shell.

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::output::Output;

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

/// Writes the script for `command`, the whole program.
pub(crate) fn run(
    arguments: &Arguments,
    mut command: clap::Command,
    output: &mut Output,
) -> Result<()> {
    let mut script = Vec::new();
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
            let program = clap::Command::new("fratmae").subcommand(clap::Command::new("pretrain"));
            run(&Arguments { shell }, program, &mut captured.output()).unwrap();
            assert!(captured.text().contains("pretrain"), "{shell}");
        }
    }
}
