//! Test repositories made from `fixtures/projects`, and the program run in them with a clean environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository in a temporary folder, with a home and a temp folder of its own beside it.
pub struct Project {
    dir: tempfile::TempDir,
}

/// Everything of a repository that kaizen-ci may not change: bytes and modification times of the working tree, and the
/// git directory but for our own folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Sacred(BTreeMap<PathBuf, (Vec<u8>, Option<std::time::SystemTime>)>);

/// Is this program here? Tests that need a missing one say so and pass.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg(if program == "go" { "version" } else { "--version" }).output().is_ok();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn copy_over(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_over(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

impl Project {
    /// The fixture `name`: its `history/N-Subject` folders become commits, laid over one another; `work` is uncommitted.
    pub fn fixture(name: &str) -> Self {
        Self::of_steps(name, |project, subject, _| project.commit(subject))
    }

    /// The fixture `name` as if all of its history had been one commit: nothing to undo.
    pub fn without_history(name: &str) -> Self {
        Self::of_steps(name, |project, subject, is_last| {
            if is_last {
                project.commit(subject);
            }
        })
    }

    /// The steps of a fixture laid over one another; `laid` is told the subject of each, and whether it is the last one.
    fn of_steps(name: &str, laid: impl Fn(&Self, &str, bool)) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/projects").join(name);
        let project = Self::empty();
        let mut steps: Vec<_> = fs::read_dir(source.join("history")).unwrap().map(|e| e.unwrap().path()).collect();
        steps.sort();
        for (at, step) in steps.iter().enumerate() {
            copy_over(step, &project.root());
            let name = step.file_name().unwrap().to_string_lossy().into_owned();
            laid(&project, name.split_once('-').unwrap().1, at + 1 == steps.len());
        }
        if source.join("work").is_dir() {
            copy_over(&source.join("work"), &project.root());
        }
        project
    }

    /// A repository without commits.
    pub fn empty() -> Self {
        let project = Self { dir: tempfile::Builder::new().prefix("kaizen-test ").tempdir().unwrap() };
        for dir in ["home", "tmp", "repo"] {
            fs::create_dir(project.dir.path().join(dir)).unwrap();
        }
        project.git(&["init", "-q", "-b", "main"]);
        project
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// Where kaizen-ci makes its temporary folders.
    pub fn tmp(&self) -> PathBuf {
        self.dir.path().join("tmp")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub fn commit(&self, subject: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", subject]);
    }

    pub fn git(&self, args: &[&str]) -> String {
        let out = self.command("git").args(args).output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    /// `program` in the repository, with nothing inherited but what finds and runs programs.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root()).env_clear().env("HOME", self.dir.path().join("home"));
        for name in
            ["PATH", "CARGO_HOME", "RUSTUP_HOME", "PYENV_ROOT", "PYENV_VERSION", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"]
        {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Toolchains are found by their home, which is not ours.
        if let Some(home) = std::env::var_os("HOME") {
            for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() {
                    command.env(name, Path::new(&home).join(folder));
                }
            }
        }
        // Go builds its library once for all tests, not once for each home
        let go = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-build");
        command
            .env("GOCACHE", go)
            .env("KAIZEN_TMP", self.tmp())
            .env("TMPDIR", self.dir.path().join("home"))
            // a model server that happens to run on this machine has no part in a test
            .env("KAIZEN_MODELS", "off")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
        command
    }

    /// kaizen-ci itself.
    pub fn kaizen(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_kaizen-ci")).args(args).output().unwrap()
    }

    /// `kaizen-ci heal … --json`: exit code and document.
    pub fn heal(&self, args: &[&str]) -> (i32, serde_json::Value) {
        let out = self.kaizen(&[&["heal", "--json"], args].concat());
        let text = String::from_utf8_lossy(&out.stdout);
        let document = serde_json::from_str(&text).unwrap_or_else(|e| {
            panic!("not JSON ({e}):\n{text}\n--- stderr\n{}", String::from_utf8_lossy(&out.stderr))
        });
        (out.status.code().unwrap_or(-1), document)
    }

    /// What may not change.
    pub fn sacred(&self) -> Sacred {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path == self.root().join(".git/kaizen") {
                    continue;
                }
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    all.insert(path.clone(), (Vec::new(), None));
                    folders.push(path);
                } else if meta.is_symlink() {
                    all.insert(
                        path.clone(),
                        (fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(), None),
                    );
                } else {
                    // git freshens the time of an object that it would write again, borrowed ones too: their bytes count
                    let object = path.starts_with(self.root().join(".git/objects"));
                    let modified = (!object).then(|| meta.modified().unwrap());
                    all.insert(path.clone(), (fs::read(&path).unwrap(), modified));
                }
            }
        }
        Sacred(all)
    }

    /// Panics with the paths that are not as they were.
    pub fn unchanged_since(&self, before: &Sacred) {
        let now = self.sacred();
        let differing: Vec<_> = before
            .0
            .keys()
            .chain(now.0.keys())
            .filter(|path| before.0.get(*path) != now.0.get(*path))
            .map(|path| (path, before.0.contains_key(path), now.0.contains_key(path)))
            .collect();
        assert!(differing.is_empty(), "changed (path, was there, is there): {differing:#?}");
    }

    /// Nothing of ours is left in the temp folder.
    pub fn nothing_left(&self) {
        let left: Vec<_> = fs::read_dir(self.tmp()).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// Every file below `folder` with its text, in no order; what is no UTF-8 is replaced.
pub fn files_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found
}
