//! Carrying ignored build folders (target, node_modules, .venv, …) into a workspace: which ones, and how large they are.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Result};
use crate::repo::snapshot::os;
use crate::repo::{Repository, Store, transfer};
use crate::state::kill_point;
use crate::system::{MetadataExt as _, OsStrExt as _};

/// A build folder that we know is carried up to this size (and up to half of the free disk).
const MOST_BYTES: u64 = 5 << 30;
/// An ignored folder that we do not know is carried up to this size: generated sources, test data, …
const UNKNOWN_MOST_BYTES: u64 = 64 << 20;
/// What a run built is taken over up to this size: copying more costs as much as building it.
const MOST_WARM_BYTES: u64 = 2 << 30;
/// … and this number of files.
const UNKNOWN_MOST_FILES: u64 = 5_000;
/// An ignored file is carried up to this size.
const FILE_MOST_BYTES: u64 = 4 << 20;

/// What is carried into new workspaces.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    /// Folders (and single files) relative to the top of the tree, found by [`detect`] or configured.
    pub folders: Vec<CarriedFolder>,
}

/// One folder (or ignored file) that is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedFolder {
    /// Relative to the top of the tree.
    pub path: PathBuf,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
    /// Files in it that may hold secrets are left out: a folder that we do not know and nobody named.
    pub without_secrets: bool,
    /// The top of the tree that it is copied from; `None`: the user's working tree.
    pub from: Option<PathBuf>,
}

/// What [`detect`] found.
#[derive(Debug, Clone, Default)]
pub struct Detected {
    /// What is carried.
    pub carry: Carry,
    /// What is not, and why; for `doctor`.
    pub left: Vec<Left>,
}

/// Something ignored that is not carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Relative to the top of the tree.
    pub path: PathBuf,
    /// Why, in words.
    pub why: String,
}

/// What an ignored path is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A build folder that we know.
    Build,
    /// A folder that we do not know.
    Unknown,
    /// A generated source, a native module, a lock file.
    Useful,
    /// Caches of tools, editor settings, logs: no test needs them.
    Useless,
    /// May hold secrets.
    Secret,
}

/// Folders that build tools and package managers make.
const BUILD: [&str; 26] = [
    "target",
    "node_modules",
    ".venv",
    "venv",
    "env",
    ".env",
    "build",
    "dist",
    "vendor",
    ".gradle",
    ".tox",
    ".nox",
    ".eggs",
    "__pypackages__",
    ".next",
    ".svelte-kit",
    ".yarn",
    "_build",
    "deps",
    "Pods",
    ".bundle",
    "bin",
    "obj",
    "out",
    "bower_components",
    ".build",
];
/// Of these, the ones with names so common that they need a witness beside or in them.
const WITNESSES: [(&str, &[&str]); 6] = [
    ("env", &["env/pyvenv.cfg"]),
    (".env", &[".env/pyvenv.cfg"]),
    ("deps", &["mix.exs", "rebar.config"]),
    ("bin", &["*.csproj", "*.fsproj", "*.vbproj", ".project"]),
    ("obj", &["*.csproj", "*.fsproj", "*.vbproj"]),
    ("_build", &["mix.exs", "rebar.config", "dune-project"]),
];
const USELESS: [&str; 27] = [
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".pytype",
    ".hypothesis",
    ".cache",
    "coverage",
    "htmlcov",
    ".nyc_output",
    ".idea",
    ".vscode",
    ".vs",
    ".fleet",
    "logs",
    "log",
    "tmp",
    "temp",
    ".parcel-cache",
    ".turbo",
    ".terraform",
    ".vagrant",
    ".serverless",
    ".DS_Store",
    ".direnv",
    ".history",
    ".ipynb_checkpoints",
];
/// Parts of names that speak of secrets.
const SECRET: [&str; 14] = [
    "secret",
    "credential",
    "password",
    "private",
    ".pem",
    ".key",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    "id_rsa",
    "id_ed25519",
    ".tfstate",
    "token",
];
const SECRET_NAMES: [&str; 9] =
    [".netrc", ".npmrc", ".pypirc", ".aws", ".ssh", ".gnupg", ".kube", ".docker", ".htpasswd"];
const USEFUL_ENDS: [&str; 37] = [
    "py", "pyi", "pyx", "pxd", "rs", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "go", "java", "kt", "scala",
    "rb", "ex", "erl", "c", "h", "cc", "cpp", "hpp", "cs", "swift", "proto", "sql", "graphql", "css", "so", "pyd",
    "dylib", "dll", "node", "wasm",
];
const USEFUL_NAMES: [&str; 13] = [
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "Gemfile.lock",
    "composer.lock",
    "go.sum",
    "go.work",
    "local.properties",
];

/// What the ignored `path` under `top` is, by its name and what is beside it.
fn sort(top: &Path, path: &Path, is_folder: bool) -> Sort {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    if is_folder && is_build_folder(top, path) {
        return Sort::Build;
    }
    if may_be_secret(&lower) {
        return Sort::Secret;
    }
    if USELESS.contains(&name.as_ref()) {
        return Sort::Useless;
    }
    let end = Path::new(name.as_ref()).extension().and_then(|e| e.to_str()).unwrap_or_default();
    match is_folder {
        true => Sort::Unknown,
        false if USEFUL_NAMES.contains(&name.as_ref()) || USEFUL_ENDS.contains(&end) => Sort::Useful,
        false => Sort::Useless,
    }
}

/// Does the lower-case file name speak of secrets?
pub(crate) fn may_be_secret(name: &str) -> bool {
    let dotenv = name == ".env" || name.starts_with(".env.") || name.ends_with(".env");
    dotenv || SECRET_NAMES.contains(&name) || SECRET.iter().any(|part| name.contains(part))
}

/// Does the lower-case name of a file that is no code speak of secrets? `tokens.rs` is code, `.env` and `token.txt` are not.
pub(crate) fn may_hold_secrets(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
    may_be_secret(name) && !USEFUL_ENDS.contains(&end)
}

/// Is `path` (relative to `top`) a folder that a build tool or package manager made?
fn is_build_folder(top: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".egg-info") || name.ends_with(".dist-info") {
        return true;
    }
    if !BUILD.contains(&name.as_ref()) {
        return false;
    }
    let Some((_, witnesses)) = WITNESSES.iter().find(|(of, _)| *of == name) else { return true };
    let beside = top.join(path.parent().unwrap_or(Path::new("")));
    witnesses.iter().any(|witness| match witness.strip_prefix('*') {
        Some(end) => std::fs::read_dir(&beside)
            .is_ok_and(|dir| dir.flatten().any(|e| e.file_name().as_bytes().ends_with(end.as_bytes()))),
        None => beside.join(witness).exists(),
    })
}

/// Finds what of the user's ignored folders and files a workspace needs. `add` and `skip` come from the configuration
/// (paths relative to the top, or bare names); `free_bytes` is the space where workspaces are made.
///
/// Build folders that we know are carried up to 5 GiB and half of the free space, other ignored folders up to 64 MiB,
/// of ignored files only sources, native modules and lock files: a `.env` or a key never, unless it is in `add`.
///
/// # Errors
/// When git can't list what is ignored.
pub fn detect(repository: &Repository, add: &[String], skip: &[String], free_bytes: u64) -> Result<Detected> {
    let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let out = repository.git().args(args).bytes()?;
    let mut detected = Detected::default();
    let ignored = out.split(|b| *b == 0).filter(|l| !l.is_empty());
    let ignored = ignored.map(|line| line.strip_suffix(b"/").map_or((os(line), false), |line| (os(line), true)));
    for (path, is_folder) in lifted(repository, ignored.collect())? {
        if !named(add, path) {
            consider(repository, path, is_folder, skip, free_bytes, &mut detected)?;
        }
    }
    for name in add {
        let path = Path::new(name.trim_end_matches('/'));
        let inside = path.components().all(|c| matches!(c, std::path::Component::Normal(part) if part != ".git"));
        if inside && repository.root.join(path).symlink_metadata().is_ok() {
            let (bytes, files) = size(&repository.root.join(path))?;
            detected.carry.folders.push(CarriedFolder {
                path: path.to_path_buf(),
                bytes,
                files,
                without_secrets: false,
                from: None,
            });
        } else {
            let why = if inside { "it does not exist" } else { "it is no path inside the repository" };
            detected.left.push(Left { path: path.to_path_buf(), why: format!("named in `carry.add`, but {why}") });
        }
    }
    fit(&mut detected, free_bytes / 2);
    detected.carry.folders.sort_by(|a, b| a.path.cmp(&b.path));
    detected.carry.folders.dedup_by(|a, b| a.path.starts_with(&b.path));
    Ok(detected)
}

/// `ignored` (path, is it a folder) with whole folders in the place of all that is in them, where git names them piece by
/// piece: those that ignore themselves (a `.gitignore` of their own, as pytest, virtualenv and uv make), and build folders
/// whose content is ignored (`.venv/*`).
fn lifted<'a>(repository: &Repository, ignored: Vec<(&'a Path, bool)>) -> Result<BTreeSet<(&'a Path, bool)>> {
    let names: HashSet<&Path> = ignored.iter().map(|(path, _)| *path).collect();
    let alone = |folder: &Path| names.contains(folder.join(".gitignore").as_path());
    let known = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        USELESS.contains(&name.as_ref()) || is_build_folder(&repository.root, folder)
    };
    let above = |path: &'a Path| path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let wanted: BTreeSet<&Path> =
        ignored.iter().flat_map(|(path, _)| above(path)).filter(|folder| alone(folder) || known(folder)).collect();
    let mut whole = wanted.clone();
    // so many names fit into one command line everywhere
    for some in wanted.iter().collect::<Vec<_>>().chunks(200) {
        let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"].map(OsStr::new);
        let names = some.iter().map(|folder| folder.as_os_str());
        let out = repository.git().env("GIT_LITERAL_PATHSPECS", "1").args(args).args(names).bytes()?;
        for file in out.split(|b| *b == 0).map(os) {
            file.ancestors().for_each(|folder| {
                whole.remove(folder);
            });
        }
    }
    let lift = |path: &'a Path| above(path).filter(|folder| whole.contains(folder)).last();
    Ok(ignored
        .iter()
        .map(|(path, is_folder)| lift(path).map_or((*path, *is_folder), |folder| (folder, true)))
        .collect())
}

fn consider(
    repository: &Repository,
    path: &Path,
    is_folder: bool,
    skip: &[String],
    free_bytes: u64,
    detected: &mut Detected,
) -> Result<()> {
    let mut leave = |why: &str| detected.left.push(Left { path: path.to_path_buf(), why: why.to_owned() });
    if named(skip, path) {
        leave("named in `carry.skip`");
        return Ok(());
    }
    let sort = sort(&repository.root, path, is_folder);
    match sort {
        Sort::Secret => leave("may hold secrets; `carry.add` carries it all the same"),
        Sort::Useless => {}
        Sort::Build | Sort::Unknown | Sort::Useful => {
            let (bytes, files) = size(&repository.root.join(path))?;
            let (most_bytes, most_files) = match sort {
                Sort::Build => (MOST_BYTES.min(free_bytes / 2), u64::MAX),
                Sort::Unknown => (UNKNOWN_MOST_BYTES, UNKNOWN_MOST_FILES),
                _ => (FILE_MOST_BYTES, 1),
            };
            if bytes > most_bytes || files > most_files {
                leave(&format!("too large: {} MiB in {files} files; `carry.add` carries it all the same", bytes >> 20));
            } else {
                let without_secrets = sort == Sort::Unknown;
                let path = path.to_path_buf();
                detected.carry.folders.push(CarriedFolder { path, bytes, files, without_secrets, from: None });
            }
        }
    }
    Ok(())
}

/// Is `path` named by one of `names`: as a path from the top, or by its last part?
fn named(names: &[String], path: &Path) -> bool {
    let matches = |name: &str| {
        let name = name.trim_start_matches("./").trim_end_matches('/');
        path == Path::new(name) || (!name.contains('/') && path.file_name().is_some_and(|last| last == name))
    };
    names.iter().any(|name| matches(name))
}

/// Leaves the largest ones until the rest fits into `most_bytes`.
fn fit(detected: &mut Detected, most_bytes: u64) {
    let folders = &mut detected.carry.folders;
    folders.sort_by_key(|folder| folder.bytes);
    while folders.iter().map(|f| f.bytes).sum::<u64>() > most_bytes {
        let Some(largest) = folders.pop() else { break };
        let why = format!("{} MiB do not fit into half of the free disk space", largest.bytes >> 20);
        detected.left.push(Left { path: largest.path, why });
    }
}

/// Bytes on disk and files of `path`, links not followed.
fn size(path: &Path) -> Result<(u64, u64)> {
    let place = || format!("can't read {}", path.display());
    let meta = std::fs::symlink_metadata(path).context(place)?;
    if !meta.is_dir() {
        return Ok((meta.blocks() * 512, 1));
    }
    let (mut bytes, mut files) = (0, 0);
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        // what we may not read can't be carried, and what vanishes meanwhile need not
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && !transfer::is_dead_weight(&entry.path()) {
                folders.push(entry.path());
            } else if !meta.is_dir() {
                bytes += meta.blocks() * 512;
                files += 1;
            }
        }
    }
    Ok((bytes, files))
}

/// What a reset does with a folder that is in no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is left alone.
    Yes,
    /// It is left alone when git ignores it.
    IfIgnored,
    /// It is above something that was carried: whatever else is in it is looked at.
    Above,
    /// It is removed.
    No,
}

impl Carry {
    /// The same, with the folder `path` as it is below `top` now; `None`: it is too large.
    pub(crate) fn with(&self, path: &Path, top: &Path) -> Result<Option<Self>> {
        let (bytes, files) = size(&top.join(path))?;
        let mut folders = self.folders.clone();
        folders.retain(|folder| folder.path != path);
        let from = Some(top.to_path_buf());
        folders.push(CarriedFolder { path: path.to_path_buf(), bytes, files, without_secrets: false, from });
        Ok((bytes <= MOST_WARM_BYTES).then_some(Self { folders }))
    }

    /// What of `path` (below the workspace's `top`, in no tree) stays when the workspace is reset: what was carried,
    /// and build folders that a run made there.
    pub(crate) fn keeps(&self, top: &Path, path: &[u8]) -> Keep {
        let path = os(path);
        if self.folders.iter().any(|folder| folder.path == path) {
            return Keep::Yes;
        }
        let above_carried = self.folders.iter().any(|folder| folder.path.starts_with(path));
        if above_carried {
            Keep::Above
        } else if is_build_folder(top, path) {
            Keep::IfIgnored
        } else {
            Keep::No
        }
    }
}

/// Carries what is missing under `to`.
pub(crate) fn carry(store: &Store, carry: &Carry, to: &Path) -> Result<()> {
    for folder in &carry.folders {
        let from = folder.from.as_deref().unwrap_or(&store.repository.root);
        transfer::transfer(from, to, folder)?;
        kill_point("carry-half");
    }
    Ok(())
}
