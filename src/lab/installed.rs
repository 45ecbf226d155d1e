//! A Python project that is installed from the user's tree (`pip install -e .`, `pip install .`) outside of it: its tests have
//! to import the workspace's files, or no patch would make a difference.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::error::{Context as _, Result};
use crate::system::{self, OsStrExt as _};

const HOOK: &str = include_str!("../suite/plugins/sitecustomize.py");
/// Where Python looks for modules first.
const VARIABLE: &str = "PYTHONPATH";
/// Where one of these is, tests may be Python's, whatever command starts them.
const PROJECTS: [&str; 3] = ["pyproject.toml", "setup.py", "setup.cfg"];

/// Does anything in `folder` say that this is a Python project?
pub(crate) fn is_python(folder: &Path) -> bool {
    PROJECTS.iter().any(|name| folder.join(name).is_file())
}

/// Writes the hook into `folder` and puts it first on Python's path in `env`: what leads into the tree `user` leads into
/// `workspace` then, in every process that inherits the environment.
///
/// # Errors
/// When `folder` can't be written.
pub(crate) fn turn(env: &mut BTreeMap<OsString, OsString>, folder: &Path, user: &Path, workspace: &Path) -> Result<()> {
    let place = || format!("can't write {}", folder.display());
    std::fs::create_dir_all(folder).context(place)?;
    std::fs::write(folder.join("sitecustomize.py"), HOOK).context(place)?;
    let user = system::canonical(user).unwrap_or_else(|_| user.to_path_buf());
    let workspace = system::canonical(workspace).unwrap_or_else(|_| workspace.to_path_buf());
    let trees = [user.as_os_str().as_bytes(), workspace.as_os_str().as_bytes()].join(&0);
    std::fs::write(folder.join("trees"), trees).context(place)?;
    let mut path = folder.as_os_str().to_owned();
    if let Some(old) = env.get(OsStr::new(VARIABLE)).filter(|old| !old.is_empty()) {
        if std::env::split_paths(old).next().as_deref() == Some(folder) {
            return Ok(());
        }
        path.push(OsStr::from_bytes(&[system::PATH_SEPARATOR]));
        path.push(old);
    }
    env.insert(VARIABLE.into(), path);
    Ok(())
}
