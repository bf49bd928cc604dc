//! The weights that a run's records name: by step, their digest and who says so.

use crate::subject::Subject;
use fratmae_checkpoint::{Record, load_manifest};
use std::collections::BTreeMap;

/// Digests of weights by step, each with the record that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<u64, Vec<(String, String)>>);

impl Known {
    /// Takes them from the journal, which keeps those of deleted checkpoints too, and from the manifests.
    pub async fn of(subject: &Subject) -> Self {
        let mut known = Self::default();
        for record in subject.records() {
            match record {
                Record::Commit { step, digests, .. } => {
                    known.add(*step, "the journal", &digests.weights);
                }
                Record::Finished { summary } => {
                    let step = summary["step"].as_u64();
                    let digest = summary["weights_digest"].as_str();
                    if let Some((step, digest)) = step.zip(digest) {
                        known.add(step, "the result", digest);
                    }
                }
                _ => {}
            }
        }
        for id in &subject.kept {
            // One that cannot be read names no weights: an audit says so, and a replay does not need it.
            if let Ok(manifest) = load_manifest(&subject.run, *id).await {
                known.add(manifest.step, "its manifest", &manifest.weights_digest);
            }
        }
        known
    }

    fn add(&mut self, step: u64, who: &str, digest: &str) {
        if !digest.is_empty() {
            let of_step = self.0.entry(step).or_default();
            of_step.push((who.to_owned(), digest.to_owned()));
        }
    }

    /// Whether any record names the weights after a step.
    #[must_use]
    pub fn has(&self, step: u64) -> bool {
        self.0.contains_key(&step)
    }

    /// Which records name other weights after a step than these, a line each.
    pub(crate) fn differences(&self, step: u64, digest: &str) -> Vec<String> {
        let named = self.0.get(&step).into_iter().flatten();
        let others = named.filter(|(_, other)| other != digest);
        let line = |(who, other): &(String, String)| {
            format!("the weights have digest {digest}, and {who} names {other}")
        };
        others.map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_that_names_other_weights_is_told() {
        let mut known = Known::default();
        known.add(3, "the journal", "a");
        known.add(3, "its manifest", "b");
        known.add(4, "the journal", "");
        assert!(known.has(3) && !known.has(4));
        assert!(known.differences(4, "a").is_empty());
        assert_eq!(
            known.differences(3, "a"),
            ["the weights have digest a, and its manifest names b"]
        );
    }
}
