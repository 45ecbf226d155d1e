//! Installing the hook: a hook that is there is renamed, called first with the same input, and put back byte for byte.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::error::{Context as _, Error, Exit, Result};
use crate::repo::Repository;
use crate::report::escape::shell;
use crate::system;

/// Our hook's second line: how we know it again.
const MARK: &str = "# kaizen-ci pre-push hook 1: `kaizen-ci hook uninstall` puts back what was here before.";

/// The name under which a hook that was there goes on.
const CHAINED: &str = "pre-push.kaizen-chained";

/// Where the hook is.
struct Place {
    hook: PathBuf,
    chained: PathBuf,
}

impl Place {
    /// git's own hooks folder.
    ///
    /// # Errors
    /// When `core.hooksPath` says that another tool manages the hooks.
    fn of(repository: &Repository) -> Result<Self> {
        let config = git2::Repository::open(&repository.root)
            .and_then(|repository| repository.config())
            .in_repository(|| "can't read git's configuration".into())?;
        let own = repository.common_dir.join("hooks");
        if let Ok(path) = config.get_path("core.hooksPath") {
            let path = repository.root.join(path);
            if path.canonicalize().ok() != own.canonicalize().ok() {
                let shown = path.join("pre-push");
                return Err(Error::usage(format!(
                    "another tool manages the hooks (core.hooksPath is {})",
                    path.display()
                ))
                .why("what we wrote there would be committed, or written over by that tool")
                .hint(format!("add this line to {}:\nkaizen-ci hook run \"$@\" || exit 1", shown.display())));
            }
        }
        Ok(Self { hook: own.join("pre-push"), chained: own.join(CHAINED) })
    }
}

fn is_ours(hook: &Path) -> bool {
    std::fs::read(hook).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).lines().nth(1) == Some(MARK))
}

/// Installs the hook.
pub fn install(context: &Context) -> Result<Exit> {
    let repository = context.repository()?;
    let place = Place::of(&repository)?;
    let program = std::env::current_exe().context(|| "can't find our own program".into())?;
    let again = is_ours(&place.hook);
    let there = place.hook.symlink_metadata().is_ok();
    if there && !again && place.chained.symlink_metadata().is_ok() {
        return Err(Error::usage(format!("{} and {} are both there", place.hook.display(), place.chained.display()))
            .why("the second one is a hook that an earlier install put aside; another tool wrote the first one since")
            .hint("keep one of them: move or remove the other, then install again"));
    }
    let folder = place.hook.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).context(|| format!("can't make {}", folder.display()))?;
    let ours = staged(folder, &script(&program))?;
    if there && !again {
        std::fs::rename(&place.hook, &place.chained).context(|| format!("can't put {} aside", place.hook.display()))?;
    }
    if let Err(error) = ours.persist(&place.hook) {
        // Without ours, theirs must be back in its place.
        if there && !again {
            let _ = std::fs::rename(&place.chained, &place.hook);
        }
        return Err(error.error).context(|| format!("can't write {}", place.hook.display()));
    }
    let chained = if place.chained.exists() { "; the hook that was there runs first" } else { "" };
    let words = if again { "installed already, renewed" } else { "installed" };
    context.terminal.out(&format!("{words}: {}{chained}\n", place.hook.display()));
    Ok(Exit::Ok)
}

fn staged(folder: &Path, script: &str) -> Result<tempfile::NamedTempFile> {
    let stage = || -> std::io::Result<tempfile::NamedTempFile> {
        let mut file = system::with_mode(tempfile::Builder::new().prefix(".kaizen-"), 0o755).tempfile_in(folder)?;
        file.write_all(script.as_bytes())?;
        Ok(file)
    };
    stage().context(|| format!("can't write into {}", folder.display()))
}

/// Takes it out.
pub fn uninstall(context: &Context) -> Result<Exit> {
    let repository = context.repository()?;
    let place = Place::of(&repository)?;
    if place.hook.symlink_metadata().is_ok() && !is_ours(&place.hook) {
        return Err(Error::usage(format!("{} is not ours", place.hook.display()))
            .why("somebody has changed or replaced it since it was installed")
            .hint(format!(
                "look at it; what was there before the install, if anything, is {}",
                place.chained.display()
            )));
    }
    if place.chained.symlink_metadata().is_ok() {
        std::fs::rename(&place.chained, &place.hook)
            .context(|| format!("can't put {} back", place.chained.display()))?;
        context.terminal.out(&format!("uninstalled; {} is what it was before\n", place.hook.display()));
    } else if place.hook.symlink_metadata().is_ok() {
        std::fs::remove_file(&place.hook).context(|| format!("can't remove {}", place.hook.display()))?;
        context.terminal.out("uninstalled\n");
    } else {
        context.terminal.out("nothing to uninstall\n");
    }
    Ok(Exit::Ok)
}

/// The hook: the one that was there first, with the same input and arguments; then ours.
fn script(program: &Path) -> String {
    let program = shell(&program.display().to_string());
    format!(
        "#!/bin/sh\n{MARK}\n\
         input=$(cat; printf x)\n\
         input=${{input%x}}\n\
         chained=$(dirname -- \"$0\")/{CHAINED}\n\
         if [ -x \"$chained\" ]; then\n  \
           printf '%s' \"$input\" | \"$chained\" \"$@\" || exit $?\n\
         fi\n\
         program={program}\n\
         [ -x \"$program\" ] || program=$(command -v kaizen-ci) || {{\n  \
           echo 'kaizen-ci is gone: this push goes without it (git config and hooks are yours to clean up)' >&2\n  \
           exit 0\n\
         }}\n\
         printf '%s' \"$input\" | \"$program\" hook run \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_carries_its_mark_in_the_second_line_and_quotes_the_program() {
        let text = script(Path::new("/opt/my tools/kaizen-ci"));
        assert_eq!(text.lines().nth(1), Some(MARK));
        assert!(text.contains("program='/opt/my tools/kaizen-ci'\n"), "{text}");
    }
}
