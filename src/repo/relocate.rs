//! Mending absolute paths: what points into the user's tree must point into the workspace instead.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use crate::system::{self, OsStrExt as _, OsStringExt as _};

/// Scripts and path files are small; what is larger is no such file.
const MOST_BYTES: u64 = 1 << 20;

/// The text of the file `path` with the folder `from` replaced by `to`, when it is a file in which that matters:
/// otherwise the program that reads it would work on the user's tree. `None`: copy it as it is.
pub(crate) fn text(path: &Path, bytes: u64, from: &Path, to: &Path) -> io::Result<Option<Vec<u8>>> {
    if bytes == 0 || bytes > MOST_BYTES || !holds_paths(path) {
        return Ok(None);
    }
    let text = std::fs::read(path)?;
    if text.contains(&0) {
        return Ok(None);
    }
    let mut mended = None;
    for (from, to) in system::spellings(from).iter().zip(&system::spellings(to)) {
        mended = replace(mended.as_deref().unwrap_or(&text), from, to).or(mended);
    }
    Ok(mended)
}

/// Files of virtual environments and package managers that name folders: path files and finders of editable installs,
/// the settings of the environment, scripts with a `#!` line.
fn holds_paths(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let ends = |end: &str| name.ends_with(end.as_bytes());
    let in_bin =
        path.parent().and_then(Path::file_name).is_some_and(|dir| dir == "bin" || dir == ".bin" || dir == "Scripts");
    in_bin
        || ends(".pth")
        || ends(".egg-link")
        || ends("-nspkg.pth")
        || name.starts_with(b"__editable__")
        || name == b"pyvenv.cfg"
        || name == b"direct_url.json"
}

/// `text` with every path `from` replaced by `to`; `None` when there is none. `/home/u/app` is not found in
/// `/home/u/app2` nor in `/srv/home/u/app`.
fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let part_of_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') || *b >= 0x80;
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut found = false;
    while at < text.len() {
        let rest = &text[at..];
        let begins = at == 0 || !part_of_name(&text[at - 1]);
        if rest.starts_with(from) && begins && !rest.get(from.len()).is_some_and(part_of_name) {
            out.extend_from_slice(to);
            at += from.len();
            found = true;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    found.then_some(out)
}

/// An environment in which every entry (with `:` between them, `;` on Windows) that leads into the folder `from` leads to the
/// same place in `to`, if that exists there: with an activated virtual environment inside the repository, `PATH` and
/// `VIRTUAL_ENV` would run the user's own tree.
pub(crate) fn environment(env: BTreeMap<OsString, OsString>, from: &Path, to: &Path) -> BTreeMap<OsString, OsString> {
    let entry = |entry: &[u8]| -> Vec<u8> {
        match Path::new(OsStr::from_bytes(entry)).strip_prefix(from) {
            Ok(inside) if to.join(inside).exists() => to.join(inside).into_os_string().into_vec(),
            _ => entry.to_vec(),
        }
    };
    let value = |value: OsString| {
        let entries: Vec<Vec<u8>> = value.as_bytes().split(|b| *b == system::PATH_SEPARATOR).map(entry).collect();
        OsString::from_vec(entries.join(&system::PATH_SEPARATOR))
    };
    env.into_iter().map(|(name, old)| (name, value(old))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_paths_are_replaced() {
        let table: [(&str, Option<&str>); 6] = [
            ("#!/home/u/app/.venv/bin/python\n", Some("#!/tmp/w/.venv/bin/python\n")),
            ("/home/u/app", Some("/tmp/w")),
            ("MAPPING = {'x': '/home/u/app/src/x'}", Some("MAPPING = {'x': '/tmp/w/src/x'}")),
            ("/home/u/app2/src", None),
            ("/srv/home/u/app/src", None),
            ("file:///home/u/app", Some("file:///tmp/w")),
        ];
        for (text, expected) in table {
            let found = replace(text.as_bytes(), b"/home/u/app", b"/tmp/w");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn path_entries_lead_into_the_workspace_where_it_has_them() {
        let to = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(to.path().join(".venv/bin")).unwrap();
        let env = BTreeMap::from([("PATH".into(), OsString::from("/home/u/app/.venv/bin:/usr/bin:/home/u/app/tools"))]);
        let found = environment(env, Path::new("/home/u/app"), to.path());
        let expected = format!("{}/.venv/bin:/usr/bin:/home/u/app/tools", to.path().display());
        assert_eq!(found[OsStr::new("PATH")], *expected);
    }
}
