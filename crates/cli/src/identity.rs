//! The keys that this process shows to the others of its run: the option that names them, and which role a command has.

use std::{fs, path::PathBuf};

use anyhow::Result;
use clap::Args;
use fratmae_launch::{Spec, Target, slurm};
use fratmae_trust::{Keyring, Keys, Role, keys, own, set_keys};

use crate::{arguments::Command, exit::Misuse};

/// Names the keys where the command line does not.
const VARIABLE: &str = "FRATMAE_KEYS";
/// What stands for doing without.
const NONE: &str = "none";

/// Whom a process speaks with.
#[derive(Debug, Args)]
pub(crate) struct KeysOption {
    /// This run's keys, from `fratmae keys make`; "none" to speak with anybody [env: FRATMAE_KEYS]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub(crate) keys: Option<PathBuf>,
}

impl KeysOption {
    /// Takes up the keys of a command's role.
    ///
    /// # Errors
    /// Keys that are not there, are another role's, or can be read by others.
    pub(crate) fn take_up(&self, command: &Command) -> Result<()> {
        let (Some(role), Some(named)) = (role(command), self.named()) else {
            return Ok(());
        };
        if named.as_os_str() == NONE {
            set_keys(Keys::Without);
            return Ok(());
        }
        let keyring = Keyring::open(&named, role);
        let keyring = keyring.map_err(|error| Misuse(format!("--keys: {error}")))?;
        set_keys(Keys::Own(keyring));
        Ok(())
    }

    /// The same option for a process started from this one, wherever that runs.
    pub(crate) fn as_typed(&self) -> Vec<String> {
        let Some(named) = &self.keys else {
            return Vec::new();
        };
        let named = fs::canonicalize(named).unwrap_or_else(|_| named.clone());
        vec![format!("--keys={}", named.display())]
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a default of the command line, for schedulers that set it for all processes"
    )]
    fn named(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(VARIABLE).map(PathBuf::from);
        let named = self.keys.clone().or_else(variable)?;
        (!named.as_os_str().is_empty()).then_some(named)
    }
}

/// What a command is in the run that it speaks with; none if it speaks with nobody.
fn role(command: &Command) -> Option<Role> {
    match command {
        Command::Pretrain(_) | Command::Coordinator(_) => Some(Role::Coordinator),
        Command::Worker(_) => Some(Role::Worker),
        Command::Checkpoint(checkpoint) => checkpoint.gives_orders().then_some(Role::Operator),
        Command::Status(_)
        | Command::Top(_)
        | Command::Serve(_)
        | Command::Doctor(_)
        | Command::Launch(_) => Some(Role::Observer),
        _ => None,
    }
}

/// Takes up the keys of an observer that a launch has made where this machine sees them, unless others were named.
pub(crate) fn look_at(target: Target, spec: &Spec) {
    if target == Target::Slurm
        && keys().is_none()
        && let Ok(keyring) = Keyring::open(&slurm::keys(spec), Role::Observer)
    {
        set_keys(Keys::Own(keyring));
    }
}

/// Keeps the keys of this process fresh, on the runtime that its command runs on.
pub(crate) fn keep() {
    if let Some(keyring) = own() {
        tokio::spawn(keyring.clone().keep());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
    use clap::Parser as _;

    fn parsed(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split_whitespace()).unwrap()
    }

    #[test]
    fn a_command_has_the_least_role_that_it_needs() {
        for (line, expected) in [
            ("fratmae pretrain quickstart", Some(Role::Coordinator)),
            ("fratmae worker --coordinator h:1", Some(Role::Worker)),
            ("fratmae status runs/a", Some(Role::Observer)),
            ("fratmae checkpoint save runs/a", Some(Role::Operator)),
            ("fratmae checkpoint list runs/a", None),
            ("fratmae config", None),
        ] {
            assert_eq!(role(&parsed(line).command), expected, "{line}");
        }
    }

    #[test]
    fn a_child_is_given_the_keys_that_were_typed() {
        let arguments = parsed("fratmae --keys none pretrain quickstart");
        assert_eq!(arguments.keys.as_typed(), ["--keys=none"]);
        assert!(
            parsed("fratmae pretrain quickstart")
                .keys
                .as_typed()
                .is_empty()
        );
    }

    #[test]
    fn keys_that_are_not_there_are_a_wrong_command_line() {
        let arguments = parsed("fratmae --keys /nowhere worker --coordinator h:1");
        let error = arguments.keys.take_up(&arguments.command).unwrap_err();
        assert!(
            error.is::<Misuse>() && error.to_string().contains("fratmae keys make"),
            "{error}"
        );
    }
}
