//! Owns where disease can sit, and the Ann Arbor stage that follows from that. It places nothing.

/// A side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Right,
    Left,
}

/// A region of lymph nodes, a lymphatic organ or another organ that disease sits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    Neck(Side),
    Axilla(Side),
    Mediastinum,
    Spleen,
    ParaAortic,
    Mesentery,
    Iliac(Side),
    Groin(Side),
    Lung(Side),
    Liver,
    Marrow,
    Skin,
    Prostate,
}

/// The stages of Ann Arbor, without their suffixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    One,
    Two,
    Three,
    Four,
}

impl Stage {
    pub(crate) const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];

    /// Gives the numeral as it stands in tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::One => "I",
            Self::Two => "II",
            Self::Three => "III",
            Self::Four => "IV",
        }
    }
}

/// What a site counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AboveDiaphragm,
    BelowDiaphragm,
    /// One organ that may be the only site.
    Extranodal,
    /// Liver and marrow: their disease is never local.
    Disseminated,
}

impl Site {
    fn kind(self) -> Kind {
        match self {
            Self::Neck(_) | Self::Axilla(_) | Self::Mediastinum => Kind::AboveDiaphragm,
            // The spleen counts as a region of nodes (stage IIIS where there is disease above).
            Self::Spleen | Self::ParaAortic | Self::Mesentery | Self::Iliac(_) | Self::Groin(_) => {
                Kind::BelowDiaphragm
            }
            Self::Lung(_) | Self::Skin | Self::Prostate => Kind::Extranodal,
            Self::Liver | Self::Marrow => Kind::Disseminated,
        }
    }
}

/// Derives the stage from the sites of a lymphoma; none where there is no disease.
///
/// Ann Arbor with the Cotswolds changes: right and left of a paired region are two regions; one region or one organ (IE)
/// is I, regions on one side of the diaphragm are II, on both III. Liver or marrow is IV, and so is every other organ
/// beside nodes or beside another organ: nothing here is an extension of a node next to it, which would be IIE.
pub(crate) fn ann_arbor(sites: &[Site]) -> Option<Stage> {
    let sites: std::collections::BTreeSet<Site> = sites.iter().copied().collect();
    let count = |kind| sites.iter().filter(|site| site.kind() == kind).count();
    let (above, below) = (count(Kind::AboveDiaphragm), count(Kind::BelowDiaphragm));
    let organs = count(Kind::Extranodal);
    if sites.is_empty() {
        None
    } else if count(Kind::Disseminated) > 0 || (organs > 0 && sites.len() > 1) {
        Some(Stage::Four)
    } else if above > 0 && below > 0 {
        Some(Stage::Three)
    } else if sites.len() > 1 {
        Some(Stage::Two)
    } else {
        Some(Stage::One)
    }
}

#[cfg(test)]
mod tests {
    use super::Side::{Left, Right};
    use super::*;

    #[test]
    fn stages_are_those_of_ann_arbor() {
        let table: [(&[Site], Option<Stage>); 13] = [
            (&[], None),
            (&[Site::Neck(Left)], Some(Stage::One)),
            (&[Site::Neck(Left), Site::Neck(Left)], Some(Stage::One)),
            (&[Site::Spleen], Some(Stage::One)),
            (&[Site::Lung(Right)], Some(Stage::One)),
            (&[Site::Neck(Left), Site::Neck(Right)], Some(Stage::Two)),
            (&[Site::Mediastinum, Site::Axilla(Left)], Some(Stage::Two)),
            (
                &[Site::Groin(Left), Site::ParaAortic, Site::Mesentery],
                Some(Stage::Two),
            ),
            (&[Site::Mediastinum, Site::Spleen], Some(Stage::Three)),
            (&[Site::Neck(Right), Site::Iliac(Right)], Some(Stage::Three)),
            (&[Site::Marrow], Some(Stage::Four)),
            (&[Site::Neck(Right), Site::Liver], Some(Stage::Four)),
            (&[Site::Lung(Left), Site::Lung(Right)], Some(Stage::Four)),
        ];
        for (sites, stage) in table {
            assert_eq!(ann_arbor(sites), stage, "{sites:?}");
        }
    }

    #[test]
    fn more_disease_never_lowers_the_stage() {
        let all = [
            Site::Neck(Left),
            Site::Axilla(Right),
            Site::Mediastinum,
            Site::Spleen,
            Site::Groin(Left),
            Site::Lung(Left),
            Site::Liver,
        ];
        for chosen in 0..1_usize << all.len() {
            let sites: Vec<Site> = (0..all.len())
                .filter(|place| chosen >> place & 1 == 1)
                .map(|place| all[place])
                .collect();
            for more in all {
                let with = [&sites[..], &[more]].concat();
                assert!(
                    ann_arbor(&with) >= ann_arbor(&sites),
                    "{sites:?} and {more:?}"
                );
            }
        }
    }
}
