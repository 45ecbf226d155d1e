//! Writing the reports into a run's folder: whole files or none, so that a kill leaves no half report.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::{html, markdown};
use crate::error::{Context as _, Result};

/// The files that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Markdown.
    pub markdown: PathBuf,
    /// JSON.
    pub json: PathBuf,
    /// HTML.
    pub html: PathBuf,
}

/// Writes `report.md`, `report.json` and `report.html` into `folder`.
///
/// # Errors
/// When the folder can't be written.
pub fn write(document: &Document, folder: &Path) -> Result<Written> {
    let written = Written {
        markdown: folder.join("report.md"),
        json: folder.join("report.json"),
        html: folder.join("report.html"),
    };
    let json = serde_json::to_string_pretty(document).context(|| "can't write the report as JSON".into())?;
    put(&written.markdown, &markdown::render(document))?;
    put(&written.json, &format!("{json}\n"))?;
    put(&written.html, &html::render(document))?;
    Ok(written)
}

fn put(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().context(|| format!("can't write {}", path.display()))
}
