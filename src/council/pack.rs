//! The context pack: files, folders and diffs that go with a question, as many as fit; what was left out is said.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::tokens;
use crate::repo::carry::may_hold_secrets;

/// One piece of context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its name for people and models.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What goes with the question.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pack {
    /// The text for the prompt.
    #[serde(skip)]
    pub text: String,
    /// What went in whole.
    pub included: Vec<String>,
    /// What was cut, with how much of it went in.
    pub cut: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Tokens of the text, estimated.
    pub tokens: u64,
}

/// A file that is larger is no context.
const FILE_MOST_BYTES: u64 = 512 * 1024;
/// Files of folders that are looked at.
const FILES_MOST: usize = 400;
/// Less of a file says too little.
const CUT_LEAST_TOKENS: u64 = 120;

/// Reads `paths` (below `root`): files as they are, folders as their text files (those whose names begin with a dot, too),
/// without what git ignores and without files whose names speak of secrets (those have to be named). Nothing outside of `root`
/// is read, and no symbolic link in a folder is followed. What is not read is named with its reason.
///
/// # Errors
/// When one of the paths is not there, or is outside.
pub fn gather(root: &Path, paths: &[PathBuf]) -> Result<(Vec<Piece>, Vec<String>)> {
    let top = root.canonicalize().map_err(|e| Error::usage(format!("can't find {}", root.display())).source(e))?;
    let (mut pieces, mut left) = (Vec::new(), Vec::new());
    for path in paths {
        let place = root.join(path);
        let found = place.canonicalize().map_err(|e| {
            Error::usage(format!("can't find the context {}", path.display()))
                .source(e)
                .hint("check the path after --context")
        })?;
        if !found.starts_with(&top) {
            return Err(Error::usage(format!("the context {} is outside of {}", path.display(), top.display()))
                .hint("start in the folder that holds it, or with -C"));
        }
        if found.is_dir() {
            folder(&top, &found, &mut pieces, &mut left);
        } else {
            let name = shown(&top, &found);
            match text_of(&found) {
                Ok(text) => pieces.push(Piece { name, text }),
                Err(why) => left.push(format!("{name}: {why}")),
            }
        }
    }
    Ok((pieces, left))
}

fn shown(top: &Path, path: &Path) -> String {
    let name = path.strip_prefix(top).unwrap_or(path).to_string_lossy().replace('\\', "/");
    name.chars().filter(|c| !c.is_control()).collect()
}

fn folder(top: &Path, folder: &Path, pieces: &mut Vec<Piece>, left: &mut Vec<String>) {
    let mut walk = ignore::WalkBuilder::new(folder);
    walk.follow_links(false).require_git(false).hidden(false).sort_by_file_path(std::cmp::Ord::cmp);
    walk.filter_entry(|entry| entry.file_name() != ".git");
    let mut seen = 0;
    for entry in walk.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                left.push(unread(top, &error));
                continue;
            }
        };
        let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else { continue };
        let name = shown(top, entry.path());
        seen += 1;
        if seen > FILES_MOST {
            left.push(format!("{name} and what comes after it: more than {FILES_MOST} files"));
            return;
        }
        if kind.is_symlink() {
            left.push(format!("{name}: a symbolic link, which is not followed"));
            continue;
        }
        if name.to_lowercase().split('/').any(may_hold_secrets) {
            left.push(format!("{name}: may hold secrets; name the file itself to hand it over"));
            continue;
        }
        match text_of(entry.path()) {
            Ok(text) => pieces.push(Piece { name, text }),
            Err(why) => left.push(format!("{name}: {why}")),
        }
    }
}

/// What the walk could not read, and why.
fn unread(top: &Path, error: &ignore::Error) -> String {
    match error {
        ignore::Error::WithPath { path, err } => {
            let why = err.io_error().map_or_else(|| err.to_string(), std::io::Error::to_string);
            format!("{}: {why}", shown(top, path))
        }
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => unread(top, err),
        other => other.to_string(),
    }
}

fn text_of(path: &Path) -> std::result::Result<String, String> {
    let meta = std::fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() {
        return Err("no plain file".into());
    }
    if meta.len() > FILE_MOST_BYTES {
        return Err("larger than 512 KiB".into());
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    if bytes.contains(&0) {
        return Err("no text".into());
    }
    String::from_utf8(bytes).map_err(|_| "no text in UTF-8".into())
}

/// Packs `pieces` into `room` tokens: in order, the last one that fits in part cut, small ones after it still taken.
pub fn pack(pieces: &[Piece], left_out: Vec<String>, room: u64) -> Pack {
    let mut pack = Pack { left_out, ..Pack::default() };
    for piece in pieces {
        let whole = framed(&piece.name, &piece.text);
        let tokens = tokens::count(&whole);
        let left = room.saturating_sub(pack.tokens);
        if tokens <= left {
            pack.text.push_str(&whole);
            pack.tokens += tokens;
            pack.included.push(piece.name.clone());
        } else if left >= CUT_LEAST_TOKENS && pack.cut.is_empty() {
            let (part, lines, of) = head(&piece.text, left.saturating_sub(tokens::count(&framed(&piece.name, "")) + 8));
            let cut = framed(&piece.name, &format!("{part}[…]\n"));
            pack.tokens += tokens::count(&cut);
            pack.text.push_str(&cut);
            pack.cut.push(format!("{} ({lines} of {of} lines)", piece.name));
        } else {
            pack.left_out.push(format!("{}: {tokens} tokens, and {left} of {room} are left", piece.name));
        }
    }
    pack
}

/// A fence that the text can't close.
fn framed(name: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2);
    let fence = "`".repeat(longest + 1);
    format!("{name}\n{fence}\n{}\n{fence}\n\n", text.trim_end_matches('\n'))
}

/// The first lines that fit.
fn head(text: &str, room: u64) -> (String, usize, usize) {
    let (mut out, mut used, mut lines) = (String::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        let tokens = tokens::count(line);
        if used + tokens > room {
            break;
        }
        used += tokens;
        lines += 1;
        out.push_str(line);
    }
    if !out.ends_with('\n') && !out.is_empty() {
        out.push('\n');
    }
    (out, lines, text.lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_and_folders_are_read_and_nothing_outside_of_the_root_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("src")).unwrap();
        for (name, text) in [
            ("src/a.rs", "fn a() {}\n"),
            ("src/b.bin", "\0"),
            ("src/skip.log", "x"),
            (".gitignore", "*.log\n"),
            ("notes.md", "hello\n"),
            ("src/.eslintrc", "{}\n"),
            ("src/.git/config", "[core]\n"),
            ("src/.env", "KEY=1\n"),
            ("src/tokens.rs", "fn tokens() {}\n"),
        ] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), text).unwrap();
        }
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("src/link")).unwrap();
        let (pieces, left) = gather(&root, &["src".into(), "notes.md".into()]).unwrap();
        let names: Vec<&str> = pieces.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["src/.eslintrc", "src/a.rs", "src/tokens.rs", "notes.md"]);
        let secret = "src/.env: may hold secrets; name the file itself to hand it over";
        assert_eq!(left, [secret, "src/b.bin: no text", "src/link: a symbolic link, which is not followed"]);
        assert_eq!(gather(&root, &["src/.env".into()]).unwrap().0.len(), 1, "who names it wants it");
        for outside in ["../secret", "src/link", "nowhere"] {
            assert!(gather(&root, &[outside.into()]).is_err(), "{outside}");
        }
    }

    #[test]
    fn what_the_walk_can_not_read_is_named_with_its_reason() {
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let with_path = ignore::Error::WithPath { path: "/r/src/locked".into(), err: Box::new(refused.into()) };
        let error = ignore::Error::WithDepth { depth: 2, err: Box::new(with_path) };
        assert_eq!(unread(Path::new("/r"), &error), "src/locked: permission denied");
        assert!(!unread(Path::new("/r"), &ignore::Error::InvalidDefinition).is_empty());
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("locked")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("broken")).unwrap();
        std::fs::set_permissions(dir.path().join("locked"), std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
        let (_, left) = gather(dir.path(), &[".".into()]).unwrap();
        // whoever may do anything reads what is locked
        let may_all = std::fs::read_dir(dir.path().join("locked")).is_ok();
        assert_eq!(left.len(), if may_all { 1 } else { 2 }, "{left:?}");
    }

    #[test]
    fn what_does_not_fit_is_cut_or_left_out_and_said() {
        let piece =
            |name: &str, lines: usize| Piece { name: name.into(), text: "one two three four five\n".repeat(lines) };
        let pack = pack(&[piece("a", 10), piece("b", 100), piece("c", 100)], vec![], 400);
        assert_eq!((pack.included, pack.cut.len(), pack.left_out.len()), (vec!["a".to_owned()], 1, 1));
        assert!(pack.cut[0].starts_with("b (") && pack.left_out[0].starts_with("c: "), "{:?}", pack.cut);
        assert!(pack.tokens <= 400 && pack.text.contains("[…]"));
    }

    proptest! {
        #[test]
        fn a_pack_never_takes_more_than_its_room(sizes in prop::collection::vec((0..60_usize, "[a-z` ]{0,12}"), 0..8), room in 0..2000_u64) {
            let pieces: Vec<Piece> = sizes.iter().enumerate().map(|(i, (n, word))| Piece { name: format!("f{i}"), text: format!("{word} x1\n").repeat(*n) }).collect();
            let pack = pack(&pieces, vec![], room);
            prop_assert!(pack.tokens <= room, "{} > {}", pack.tokens, room);
            prop_assert_eq!(pack.included.len() + pack.cut.len() + pack.left_out.len(), pieces.len());
        }
    }
}
