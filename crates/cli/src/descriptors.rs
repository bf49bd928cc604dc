//! How many files and connections the process may have open: as many as the system allows it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than any run needs; some systems allow a billion, and programs that are started from here may go through all.
const MOST: u64 = 1 << 20;

/// Raises the soft limit, which is low for the sake of programs from long ago, towards the hard one.
pub(crate) fn raise() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = soft.max(hard.min(MOST));
        // Where it fails the limit stays as it is, and `doctor` tells of it.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_and_never_lowered() {
        raise();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(soft == hard || soft >= MOST, "{soft} of {hard}");
    }
}
