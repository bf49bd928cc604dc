//! The variables that the settings of stores come from. One that is set and empty counts as not set.
//! Owns the only reading of the process's environment; what a variable means is in `aws`, `proxy` and `open`.

use std::collections::{BTreeMap, BTreeSet};

/// The environment as it was when a location was opened.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    set: BTreeMap<String, String>,
    empty: BTreeSet<String>,
}

impl Environment {
    /// The variables of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "credentials and proxies come from the environment, here as in the tools of the clouds"
    )]
    pub(crate) fn of_process() -> Self {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::of(std::env::vars_os().filter_map(readable))
    }

    /// The given variables. Compose files and charts set variables to nothing: those are left out.
    pub(crate) fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match value.trim().is_empty() {
                true => drop(environment.empty.insert(name)),
                false => drop(environment.set.insert(name, value)),
            }
        }
        environment
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// The first of some variables that is set and empty, for those that a library reads by itself.
    pub(crate) fn first_empty(&self, names: &[&'static str]) -> Option<&'static str> {
        names
            .iter()
            .find(|&&name| self.empty.contains(name))
            .copied()
    }

    /// The first of some variables that is set, with its name.
    pub(crate) fn first(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// The variables whose names begin with `prefix`.
    pub(crate) fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(move |(name, _)| name.starts_with(prefix))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn with(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment::of(variables.iter().map(owned))
    }

    #[test]
    fn set_and_empty_is_not_set() {
        let environment = with(&[("A", ""), ("B", " \n"), ("C", "c")]);
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.get("B"), None);
        assert_eq!(environment.first(&["A", "B", "C"]), Some(("C", "c")));
        assert_eq!(environment.all().count(), 1);
        assert_eq!(environment.first_empty(&["C", "B"]), Some("B"));
    }
}
