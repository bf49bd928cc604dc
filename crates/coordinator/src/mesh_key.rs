//! The key by which the members of a generation know each other: nobody else is told it.

use crate::secret::Secret;
use fratmae_control::Generation;

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
                let key = Secret::draw().to_text();
                self.of = Some((generation, key.clone()));
                key
            }
        }
    }
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
