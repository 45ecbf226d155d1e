//! Thresholds that calibration fitted to embedders, kept in the state folder: the cache uses them from then on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const FILE: &str = "cache-thresholds.json";

/// Where they are kept.
pub fn place(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

fn all(state_dir: &Path) -> BTreeMap<String, f32> {
    let text = std::fs::read_to_string(place(state_dir)).unwrap_or_default();
    let kept: BTreeMap<String, f32> = serde_json::from_str(&text).unwrap_or_default();
    // beyond these it is no cosine
    kept.into_iter().filter(|(_, threshold)| (0.0..=1.0).contains(threshold)).collect()
}

/// The one that was fitted to `embedder`; none was, or what is kept can't be read.
pub fn of(state_dir: &Path, embedder: &str) -> Option<f32> {
    all(state_dir).get(embedder).copied()
}

/// Keeps `threshold` for `embedder`.
///
/// # Errors
/// When it can't be written.
pub fn keep(state_dir: &Path, embedder: &str, threshold: f32) -> Result<()> {
    let mut kept = all(state_dir);
    kept.insert(embedder.to_owned(), threshold);
    let cannot = |e: std::io::Error| {
        Error::environment(format!("can't keep the threshold in {}", place(state_dir).display()))
            .source(e)
            .hint("check that the folder can be written")
    };
    std::fs::create_dir_all(state_dir).map_err(cannot)?;
    let text = serde_json::to_string_pretty(&kept).unwrap_or_default();
    // whole or not at all: another run may read it now
    let new = tempfile::NamedTempFile::new_in(state_dir).map_err(cannot)?;
    std::fs::write(new.path(), text).map_err(cannot)?;
    new.persist(place(state_dir)).map(|_| ()).map_err(|e| cannot(e.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_kept_for_its_embedder_alone_and_nonsense_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of(dir.path(), "a"), None);
        keep(dir.path(), "a", 0.5).unwrap();
        keep(dir.path(), "b", 0.75).unwrap();
        assert_eq!((of(dir.path(), "a"), of(dir.path(), "b"), of(dir.path(), "c")), (Some(0.5), Some(0.75), None));
        for text in ["{\"a\": 7}", "nonsense", "{\"a\": \"x\"}"] {
            std::fs::write(place(dir.path()), text).unwrap();
            assert_eq!(of(dir.path(), "a"), None, "{text}");
        }
    }
}
