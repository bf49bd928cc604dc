//! The key by which the members of a generation know each other: nobody else is told it.

use fratmae_control::Generation;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The newest generation's key.
#[derive(Default)]
pub(crate) struct MeshKey {
    of: Option<(Generation, String)>,
}

impl MeshKey {
    /// The key of a generation, drawn when it is first asked for.
    pub(crate) fn of(&mut self, generation: Generation) -> String {
        match &self.of {
            Some((newest, key)) if *newest == generation => key.clone(),
            _ => {
                let key = draw();
                self.of = Some((generation, key.clone()));
                key
            }
        }
    }
}

/// 256 bits that nobody can guess: the standard library seeds its hashers from the system's randomness.
fn draw() -> String {
    let random = |_| format!("{:016x}", RandomState::new().build_hasher().finish());
    (0..4).map(random).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_of_a_generation_are_told_one_key_and_the_next_generation_another() {
        let mut keys = MeshKey::default();
        let first = keys.of(Generation::new(1));
        assert_eq!(first.len(), 64);
        assert_eq!(keys.of(Generation::new(1)), first);
        assert_ne!(keys.of(Generation::new(2)), first);
        assert_ne!(MeshKey::default().of(Generation::new(1)), first);
    }
}
