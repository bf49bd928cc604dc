//! Accounts of a worker process's time: every moment of its life is in exactly one of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::{AddAssign, Index, IndexMut};

/// Declares the accounts: what each is, its name, and whether its time moves the weights.
macro_rules! accounts {
    ($($account:ident = $name:literal, $productive:literal, $help:literal;)+) => {
        /// What a worker process spends a moment on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Account {
            $(#[doc = $help] $account,)+
        }

        impl Account {
            /// All of them, in the order of a worker's life.
            pub const ALL: &[Self] = &[$(Self::$account),+];

            /// Its name: a metric's label, a column's name, a key in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$account => $name),+ }
            }

            /// What it is, for people.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$account => $help),+ }
            }

            /// Whether goodput counts its time.
            #[must_use]
            pub const fn is_productive(self) -> bool {
                match self { $(Self::$account => $productive),+ }
            }
        }
    };
}

accounts! {
    Start = "start", false, "From the start of the process to its registration.";
    Join = "join", false, "It waits for a seat in the first group and forms groups with its peers.";
    Restore = "restore", false, "It reads a checkpoint, or copies the state from or to its peers.";
    Load = "load", false, "A step waits for its samples.";
    Forward = "forward", true, "The forward pass.";
    Backward = "backward", true, "The backward pass.";
    Optimizer = "optimizer", true, "The update of the parameters.";
    Transfer = "transfer", true, "Collective calls, as long as they take the rank that enters last.";
    Wait = "wait", false, "Collective calls, beyond that: waiting for slower ranks.";
    Checkpoint = "checkpoint", false, "A step waits for the copy of the state.";
    Regroup = "regroup", false, "From the end of a generation to its next order, without join and restore.";
    Standby = "standby", false, "Registered, and every seat is taken.";
    Drain = "drain", false, "From the order to leave, or the end of the run, to the end of the process.";
}

/// Nanoseconds in each account.
///
/// As JSON it is an object of the accounts' names; those that are absent are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts([u64; Account::ALL.len()]);

impl Accounts {
    /// All nanoseconds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, time| sum.saturating_add(*time))
    }

    /// The nanoseconds whose work goodput counts.
    #[must_use]
    pub fn productive(&self) -> u64 {
        let counted = self.iter().filter(|(account, _)| account.is_productive());
        counted.fold(0, |sum, (_, time)| sum.saturating_add(time))
    }

    /// The nanoseconds of all accounts, in their order.
    #[must_use]
    pub const fn values(&self) -> &[u64] {
        &self.0
    }

    /// From the nanoseconds of accounts in their order; those that are absent are zero, and more than there are count
    /// nothing.
    #[must_use]
    pub fn of(values: &[u64]) -> Self {
        let named = Account::ALL.iter().copied();
        named.zip(values.iter().copied()).collect()
    }

    /// Each account with its nanoseconds.
    pub fn iter(&self) -> impl Iterator<Item = (Account, u64)> {
        Account::ALL.iter().copied().zip(self.0)
    }

    /// What was added since an earlier reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        for (now, before) in difference.0.iter_mut().zip(earlier.0) {
            *now = now.saturating_sub(before);
        }
        difference
    }
}

impl Index<Account> for Accounts {
    type Output = u64;

    fn index(&self, account: Account) -> &u64 {
        &self.0[account as usize]
    }
}

impl IndexMut<Account> for Accounts {
    fn index_mut(&mut self, account: Account) -> &mut u64 {
        &mut self.0[account as usize]
    }
}

impl AddAssign for Accounts {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

impl FromIterator<(Account, u64)> for Accounts {
    fn from_iter<I: IntoIterator<Item = (Account, u64)>>(values: I) -> Self {
        let mut accounts = Self::default();
        for (account, nanoseconds) in values {
            accounts[account] += nanoseconds;
        }
        accounts
    }
}

impl Serialize for Accounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.iter().map(|(account, value)| (account.name(), value));
        serializer.collect_map(named)
    }
}

impl<'de> Deserialize<'de> for Accounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let value = |account: &Account| {
            let value = named.get(account.name()).copied().unwrap_or_default();
            (*account, value)
        };
        Ok(Account::ALL.iter().map(value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_differences_and_json_keep_every_nanosecond() {
        let before: Accounts = [(Account::Load, 3), (Account::Wait, 4)]
            .into_iter()
            .collect();
        let mut now = before;
        now += [(Account::Forward, 10), (Account::Load, 1)]
            .into_iter()
            .collect();
        assert_eq!((now.total(), now.productive()), (18, 10));
        assert_eq!(now.since(&before).total(), 11);
        let json = serde_json::to_string(&now).unwrap();
        assert!(
            json.starts_with(r#"{"start":0,"join":0,"restore":0,"load":4"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Accounts>(&json).unwrap(), now);
        let partial: Accounts = serde_json::from_str(r#"{"wait":4,"newer":9}"#).unwrap();
        assert_eq!(partial.total(), 4);
    }
}
