//! Roles, the identities that carry them, and the one table of what each role may do. Nothing here opens anything.

use std::fmt;

/// What a process is in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Leads the run.
    Coordinator,
    /// Trains.
    Worker,
    /// Looks on.
    Observer,
    /// Looks on and gives orders.
    Operator,
}

/// What a coordinator is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To take a worker in, and everything that a worker says.
    Attend,
    /// How far the run is, and what time it is.
    Ask,
    /// Everything that there is to see of the run.
    Observe,
    /// To store a checkpoint now.
    Order,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Coordinator,
        Self::Worker,
        Self::Observer,
        Self::Operator,
    ];

    /// Its name, in certificates and folders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Observer => "observer",
            Self::Operator => "operator",
        }
    }

    /// Whether it may ask a coordinator for something.
    #[must_use]
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::Attend => matches!(self, Self::Worker),
            // A worker looks for its coordinator, and a coordinator for the one before it.
            Action::Ask => true,
            Action::Observe => !matches!(self, Self::Worker),
            Action::Order => matches!(self, Self::Operator),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Attend, Self::Ask, Self::Observe, Self::Order];
}

/// Which role in which run: `spiffe://DOMAIN/RUN/ROLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    run: String,
    role: Role,
}

/// What every identity begins with.
const SCHEME: &str = "spiffe://";
/// The domain of runs that have an authority of their own.
const DOMAIN: &str = "fratmae";

/// How the certificate of a run's own authority names the run.
pub(crate) fn run_uri(name: &str) -> String {
    format!("{SCHEME}{DOMAIN}/{name}")
}

/// The name of a run, read back.
pub(crate) fn run_name(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME)?
        .strip_prefix(DOMAIN)?
        .strip_prefix('/')
}

impl Identity {
    /// A role in the run of this name, of our own domain.
    #[must_use]
    pub fn new(name: &str, role: Role) -> Self {
        let run = run_uri(name);
        Self { run, role }
    }

    /// Reads an identity from a certificate's URI.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let (run, role) = uri.rsplit_once('/')?;
        let (domain, path) = run.strip_prefix(SCHEME)?.split_once('/')?;
        let role = Role::ALL.into_iter().find(|known| known.name() == role)?;
        let run = run.to_owned();
        (!domain.is_empty() && !path.is_empty()).then_some(Self { run, role })
    }

    /// As a certificate has it.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{}/{}", self.run, self.role)
    }

    /// The run, as far as certificates name it.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether both belong to one run.
    #[must_use]
    pub fn is_of_the_run_of(&self, other: &Self) -> bool {
        self.run == other.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        for role in Role::ALL {
            let identity = Identity::new("pilot", role);
            assert_eq!(identity.uri(), format!("spiffe://fratmae/pilot/{role}"));
            assert_eq!(Identity::parse(&identity.uri()), Some(identity));
        }
        let other = Identity::parse("spiffe://prod.example/team/ns/pilot/worker").unwrap();
        assert_eq!(other.role(), Role::Worker);
        assert_eq!(other.run(), "spiffe://prod.example/team/ns/pilot");
    }

    #[test]
    fn what_names_no_run_or_no_role_is_no_identity() {
        for uri in [
            "",
            "spiffe://fratmae/worker",
            "spiffe:///pilot/worker",
            "spiffe://fratmae//worker",
            "spiffe://fratmae/pilot/Worker",
            "spiffe://fratmae/pilot/root",
            "spiffe://fratmae/pilot/worker/",
            "https://fratmae/pilot/worker",
        ] {
            assert_eq!(Identity::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn the_table_of_roles_and_actions() {
        let row = |role: Role| Action::ALL.map(|action| role.may(action));
        // Attend, ask, observe, order.
        assert_eq!(row(Role::Coordinator), [false, true, true, false]);
        assert_eq!(row(Role::Worker), [true, true, false, false]);
        assert_eq!(row(Role::Observer), [false, true, true, false]);
        assert_eq!(row(Role::Operator), [false, true, true, true]);
    }
}
