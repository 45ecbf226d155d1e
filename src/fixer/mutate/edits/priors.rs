//! How common each kind of fix is, read from one data file that names its sources.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::EditKind;

/// What the data file says of one kind.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Prior {
    /// Share among single-place fixes, in percent or so; only the ratio matters.
    weight: f64,
    /// At most so many edits of this kind per line.
    cap: usize,
    /// Where the number comes from.
    #[serde(rename = "from")]
    _from: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Priors {
    #[serde(rename = "sources")]
    _sources: BTreeMap<String, String>,
    kinds: BTreeMap<EditKind, Prior>,
}

fn priors() -> &'static BTreeMap<EditKind, Prior> {
    static PRIORS: OnceLock<BTreeMap<EditKind, Prior>> = OnceLock::new();
    PRIORS.get_or_init(|| {
        // embedded and checked by a test: it always parses
        let priors: Priors =
            serde_json::from_str(include_str!("priors.json")).expect("priors.json is part of the program");
        priors.kinds
    })
}

/// Weight of a kind; above 0.
pub(super) fn weight(kind: EditKind) -> f64 {
    priors().get(&kind).map_or(0.1, |prior| prior.weight)
}

/// How many edits of a kind one line may have.
pub(super) fn cap(kind: EditKind) -> usize {
    priors().get(&kind).map_or(20, |prior| prior.cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_weight_and_a_source() {
        assert!(priors().values().all(|prior| prior.weight > 0.0 && prior.cap > 0 && !prior._from.is_empty()));
        // the last kind of the enum, and one of the first
        assert!(priors().contains_key(&EditKind::Punctuation) && priors().contains_key(&EditKind::ComparisonOperator));
        assert_eq!(priors().len(), EditKind::Punctuation as usize + 1);
    }
}
