//! What the system keeps in memory of files that were written.

use std::fs::File;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::Location;
use crate::local::on_disk;

impl Location {
    /// Lets go of the memory in which the system keeps an object that nobody is about to read.
    ///
    /// The next file then goes through the same memory; else each takes pages that were never used, and the first write
    /// to one costs several times the copy, most of all where a hypervisor has to find the page.
    /// Only on this machine's file system, and only advice: nothing depends on whether the system takes it.
    pub async fn drop_page_cache(&self, relative: &str) {
        if !self.is_local() {
            return;
        }
        let path = on_disk(&self.path(relative));
        let advise = move || {
            let file = File::open(path)?;
            posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            Ok(())
        };
        // Advice that was not heard changes nothing.
        let _ = self.aside(relative, advise).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_let_go_of_is_still_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location::open(folder.path().to_str().unwrap()).unwrap();
        let bytes = vec![7; 1 << 20];
        place.put("a/part", bytes.clone()).await.unwrap();
        place.drop_page_cache("a/part").await;
        place.drop_page_cache("a/nothing").await;
        assert_eq!(place.get("a/part").await.unwrap(), bytes);
    }
}
