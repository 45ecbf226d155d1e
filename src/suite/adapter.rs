//! From a suite and a selection to the command that is really run, and from what it left behind to results.
//!
//! Results are read out of process: from a report file (JUnit XML, JSON) outside the workspace that the runner writes,
//! or from its machine-readable output; from text only where a runner offers nothing else.

mod built;
mod cargo;
mod conclude;
mod go;
mod js;
mod jvm;
mod nextest;
mod node;
mod plain;
mod pytest;
mod rspec;
mod tap;
mod unittest;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use built::{Built, RECORD};

use crate::process::Finished;
use crate::suite::formats::{Parsed, REPORT_CAP_BYTES};
use crate::suite::{CommandLine, LogFiles, Run, Runner, Selection, Status, Suite, TestId, narrow, shell};
use crate::system;

/// A command made ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Variables to set on top of the clean environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The folder in the workspace to run in.
    pub cwd: PathBuf,
    /// Report files (or folders of them) that the runner will write, if any.
    pub reports: Vec<PathBuf>,
    /// The selection was honoured (otherwise everything runs).
    pub selected: bool,
    /// The tests asked for; empty: all.
    pub wanted: BTreeSet<TestId>,
}

/// A command in the making.
struct Draft<'a> {
    suite: &'a Suite,
    /// The tests to run; none: all of them.
    wanted: Option<&'a BTreeSet<TestId>>,
    /// The suite's folder in the workspace.
    dir: PathBuf,
    /// Where report files go.
    reports_dir: &'a Path,
    /// Program and arguments; what the user gave to a shell is here only when it needs none.
    argv: Vec<String>,
    /// The line for `sh -c`, when it needs a shell.
    line: Option<String>,
    /// A line for a shell that has to end well before the program starts.
    before: Option<String>,
    /// Where it runs.
    cwd: PathBuf,
    env: BTreeMap<OsString, OsString>,
    reports: Vec<PathBuf>,
    selected: bool,
}

/// The command for `suite` in the workspace at `top`, with report files in `reports_dir` (empty, outside the workspace).
/// `runner_args` of the user stay as they are.
pub fn prepare(suite: &Suite, selection: &Selection, top: &Path, reports_dir: &Path) -> Prepared {
    let mut draft = Draft::new(suite, selection, top, reports_dir);
    draft.narrow();
    match suite.runner {
        Runner::Pytest => pytest::prepare(&mut draft),
        Runner::CargoTest => cargo::prepare(&mut draft),
        Runner::NodeTest => node::prepare(&mut draft),
        Runner::Jest | Runner::Vitest | Runner::Mocha => js::prepare(&mut draft),
        Runner::Nextest => nextest::prepare(&mut draft),
        Runner::Unittest => unittest::prepare(&mut draft),
        Runner::Go => go::prepare(&mut draft),
        Runner::Maven | Runner::Gradle => jvm::prepare(&mut draft),
        Runner::Rspec => rspec::prepare(&mut draft),
        Runner::Tap => tap::prepare(&mut draft),
        Runner::Command => {}
    }
    draft.finish()
}

/// The folder of helper files beside the reports.
pub fn helpers(reports_dir: &Path) -> PathBuf {
    reports_dir.join("helpers")
}

/// What `collect` has in hand.
struct Evidence<'a> {
    suite: &'a Suite,
    prepared: &'a Prepared,
    finished: &'a Finished,
    log: &'a LogFiles,
    /// The suite's folder in the workspace.
    dir: PathBuf,
}

/// The results of a finished command.
pub fn collect(suite: &Suite, prepared: &Prepared, finished: &Finished, log: &LogFiles, top: &Path) -> Run {
    let evidence = Evidence { suite, prepared, finished, log, dir: top.join(&suite.dir) };
    let parsed = match suite.runner {
        Runner::Pytest => pytest::collect(&evidence),
        Runner::CargoTest => cargo::collect(&evidence),
        Runner::NodeTest => node::collect(&evidence),
        Runner::Jest | Runner::Vitest | Runner::Mocha => js::collect(&evidence),
        Runner::Nextest => nextest::collect(&evidence),
        Runner::Unittest => unittest::collect(&evidence),
        Runner::Go => go::collect(&evidence),
        Runner::Maven | Runner::Gradle => jvm::collect(&evidence),
        Runner::Rspec => rspec::collect(&evidence),
        Runner::Tap => tap::collect(&evidence),
        Runner::Command => plain::collect(&evidence),
    };
    let parsed = without_left_out(parsed, prepared);
    let parsed = conclude::conclude(parsed, &evidence);
    Run {
        tests: parsed.tests,
        end: finished.end,
        duration: finished.duration,
        log: log.clone(),
        contradictions: parsed.contradictions,
    }
}

impl<'a> Draft<'a> {
    fn new(suite: &'a Suite, selection: &'a Selection, top: &Path, reports_dir: &'a Path) -> Self {
        let dir = top.join(&suite.dir);
        let wanted = match selection {
            Selection::All => None,
            // what stands for the whole suite can't be selected
            Selection::Only(ids) if ids.is_empty() || ids.iter().any(|id| id.0.starts_with('(')) => None,
            Selection::Only(ids) => Some(ids),
        };
        let mut draft = Self {
            suite,
            wanted,
            cwd: dir.clone(),
            dir,
            reports_dir,
            argv: Vec::new(),
            line: None,
            before: None,
            env: BTreeMap::new(),
            reports: Vec::new(),
            selected: false,
        };
        match &suite.command {
            CommandLine::Argv(argv) => draft.argv.clone_from(argv),
            CommandLine::Shell(line) => draft.take_line(line),
        }
        draft
    }

    /// A line that only sets variables, changes the folder and starts one program needs no shell.
    fn take_line(&mut self, text: &str) {
        let line = shell::read(text);
        self.line = Some(text.to_owned());
        if !line.simple || self.suite.runner == Runner::Command {
            return;
        }
        let Some((last, before)) = line.steps.split_last() else { return };
        let mut cwd = self.cwd.clone();
        for step in before {
            match step.argv.as_slice() {
                [cd, to] if cd == "cd" && step.env.is_empty() && to != "-" => cwd.push(to),
                _ => return,
            }
        }
        self.cwd = cwd;
        self.argv.clone_from(&last.argv);
        self.env.extend(last.env.iter().map(|(k, v)| (k.into(), v.into())));
        self.line = None;
    }

    /// For some of the tests a script of package.json runs without what they don't need.
    fn narrow(&mut self) {
        let runner = self.suite.runner;
        let known = matches!(runner, Runner::NodeTest | Runner::Jest | Runner::Vitest | Runner::Mocha);
        if self.wanted.is_none() || !known {
            return;
        }
        let pieces = match &self.line {
            None => narrow::narrowed(&self.argv, &self.cwd, runner),
            Some(line) => shell::chain(line).filter(|pieces| pieces.len() == 1),
        };
        let Some((last, before)) = pieces.as_deref().and_then(<[String]>::split_last) else { return };
        if self.line.is_none() {
            self.reach_programs();
            self.set("npm_lifecycle_event", "test");
        }
        let read = shell::read(last);
        let [step] = &read.steps[..] else { return };
        let takes_words = read.simple || read.globs && node::files(self).is_some();
        if runner == Runner::NodeTest && takes_words && !last.contains("NODE_OPTIONS=") {
            self.argv.clone_from(&step.argv);
            self.env.extend(step.env.iter().map(|(k, v)| (k.into(), v.into())));
            self.before = (!before.is_empty()).then(|| before.join(" && "));
            self.line = None;
        } else if self.line.is_none() {
            self.line = Some(pieces.unwrap_or_default().join(" && "));
        }
    }

    /// Puts the programs of `node_modules/.bin` in reach, as a package manager would.
    fn reach_programs(&mut self) {
        let folders = self.cwd.ancestors().map(|d| d.join("node_modules/.bin"));
        let path = self.get("PATH").unwrap_or_default();
        let all = folders.filter(|d| d.is_dir()).chain(std::env::split_paths(&path)).collect::<Vec<_>>();
        if let Ok(path) = std::env::join_paths(all) {
            self.set("PATH", path);
        }
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.insert(name.into(), value.into());
    }

    /// Sets a variable that may not override what the command or the user's environment says.
    fn set_default(&mut self, name: &str, value: &str) {
        if !self.env.contains_key(std::ffi::OsStr::new(name)) && std::env::var_os(name).is_none() {
            self.set(name, value);
        }
    }

    /// What `name` will be before we change it: the command's own assignment, else what the environment hands down.
    fn get(&self, name: &str) -> Option<OsString> {
        let inherited = || std::env::var_os(name).filter(|_| name != "PYTEST_ADDOPTS");
        self.env.get(std::ffi::OsStr::new(name)).cloned().or_else(inherited)
    }

    /// Adds `value` behind what `name` is already, with a blank between.
    fn append(&mut self, name: &str, value: &str) {
        let mut all = self.get(name).unwrap_or_default();
        if !all.is_empty() {
            all.push(" ");
        }
        all.push(value);
        self.set(name, all);
    }

    /// Writes a helper file beside the reports and gives its path.
    fn helper(&self, name: &str, text: &str) -> PathBuf {
        let folder = helpers(self.reports_dir);
        let path = folder.join(name);
        // a helper that can't be written is a report that will be missing, which `collect` says
        let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text));
        path
    }

    /// A new folder for report files.
    fn report_folder(&mut self, name: &str) -> PathBuf {
        let folder = self.reports_dir.join(name);
        let _ = std::fs::create_dir_all(&folder);
        self.reports.push(folder.clone());
        folder
    }

    /// Sends the command's standard output, which a machine reads, to a report file: what a log keeps of it is capped.
    /// Only for a command that needs no shell of its own.
    fn redirect(&mut self, name: &str) {
        if self.line.is_some() || self.argv.is_empty() {
            return;
        }
        let folder = self.report_folder(name);
        let file = folder.join("stdout").to_string_lossy().into_owned();
        let program = Path::new(&self.argv[0]);
        if program.is_relative() && program.components().count() > 1 {
            self.argv[0] = self.cwd.join(program).to_string_lossy().into_owned();
        }
        let wrapper = ["sh", "-c", "exec \"$@\" >\"$0\""].map(str::to_owned);
        self.argv = wrapper.into_iter().chain([file]).chain(std::mem::take(&mut self.argv)).collect();
    }

    fn finish(self) -> Prepared {
        let argv: Vec<OsString> = match self.line {
            Some(line) => vec!["sh".into(), "-c".into(), line.into()],
            None => self.argv.into_iter().map(Into::into).collect(),
        };
        let mut argv = argv;
        if let Some(before) = self.before {
            argv.splice(0..0, ["sh", "-c", &format!("{before} && exec \"$@\""), "sh"].map(OsString::from));
        }
        if let Some(program) = argv.first_mut() {
            let path = Path::new(&*program);
            // a relative path is relative to the folder of the command, not to ours
            if path.is_relative() && path.components().count() > 1 {
                *program = self.cwd.join(path).into();
            }
        }
        let wanted = self.wanted.filter(|_| self.selected).cloned().unwrap_or_default();
        Prepared { argv, env: self.env, cwd: self.cwd, reports: self.reports, selected: self.selected, wanted }
    }
}

/// A runner that was asked for some tests may list the others as skipped: they did not take part.
fn without_left_out(mut parsed: Parsed, prepared: &Prepared) -> Parsed {
    if !prepared.wanted.is_empty() {
        parsed.tests.retain(|id, r| r.status != Status::Skipped || prepared.wanted.contains(id));
    }
    parsed
}

impl Evidence<'_> {
    /// What the command wrote to standard output: the file it was redirected to, else the log.
    fn redirected(&self) -> String {
        let file = self.report_files("stdout").into_iter().next();
        file.and_then(|f| read_capped(&f)).unwrap_or_else(|| self.stdout())
    }

    fn stdout(&self) -> String {
        read_capped(&self.log.stdout).unwrap_or_default()
    }

    fn stderr(&self) -> String {
        read_capped(&self.log.stderr).unwrap_or_default()
    }

    /// The files in the first report folder whose name ends in `ending`, in order of name.
    fn report_files(&self, ending: &str) -> Vec<PathBuf> {
        let Some(entries) = self.prepared.reports.first().and_then(|f| std::fs::read_dir(f).ok()) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        files.retain(|f| f.file_name().is_some_and(|n| n.as_encoded_bytes().ends_with(ending.as_bytes())));
        files.sort();
        files
    }

    /// The suite's folder as given and with links resolved: runners print one or the other.
    fn tops(&self) -> Vec<PathBuf> {
        let mut tops = vec![self.dir.clone()];
        tops.extend(system::canonical(&self.dir).ok().filter(|d| *d != self.dir));
        tops
    }
}

/// A regular file's text, bytes that are no UTF-8 replaced; `None` when it is missing or too large to be honest.
fn read_capped(path: &Path) -> Option<String> {
    let data = std::fs::symlink_metadata(path).ok()?;
    if !data.is_file() || data.len() > REPORT_CAP_BYTES {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A report that is there but can't be read.
fn unreadable(parsed: &mut Parsed, path: &Path) {
    parsed.contradictions.push(format!("the report {} can't be read, or is larger than 256 MB", path.display()));
}
