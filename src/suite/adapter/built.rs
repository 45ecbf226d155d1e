//! What a run has built, started again without the build tool: where candidates share a build, asking the tool whether there
//! is something to do takes longer than their tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use super::{Prepared, cargo, helpers};
use crate::suite::{LogFiles, Runner, Selection, Suite, TestId, shell};

/// Set for a run whose test programs are to be started again; our runner of them writes down how it was started.
pub const RECORD: &str = "KAIZEN_CARGO_STARTS";

/// One test program, as the build tool started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// As test ids have it.
    pub(super) binary: String,
    pub(super) dir: String,
    /// The program, and its arguments up to the names of tests.
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

/// The test programs of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The suite that was run.
    pub suite: Suite,
    starts: Vec<Start>,
    /// What the build tool said of them.
    heard: String,
}

impl Built {
    /// Can what this runner starts be told?
    pub fn knows(runner: Runner) -> bool {
        runner == Runner::CargoTest
    }

    /// What a run of `selection` started that was made with [`RECORD`] and left `log`; `None` where programs or their tests
    /// can't be told.
    pub fn of(suite: &Suite, selection: &Selection, log: &LogFiles) -> Option<Self> {
        let Selection::Only(ids) = selection else { return None };
        if !Self::knows(suite.runner) {
            return None;
        }
        let (mut starts, heard) = cargo::starts(log)?;
        let wanted: BTreeSet<&str> = ids.iter().filter_map(|id| Some(id.0.split_once(' ')?.1)).collect();
        for start in &mut starts {
            let at = start.argv.iter().rposition(|word| word == "--exact")? + 1;
            let chosen: BTreeSet<&str> = start.argv[at..].iter().map(String::as_str).collect();
            if chosen != wanted {
                return None;
            }
            start.argv.truncate(at);
        }
        (!starts.is_empty()).then(|| Self { suite: suite.clone(), starts, heard })
    }

    /// The command that starts the programs of `selection`, as [`super::prepare`] makes one; names in `more` are set for
    /// them as they are for the command. `None`: some program was not started in the run that was recorded.
    pub fn prepare(
        &self,
        selection: &Selection,
        top: &Path,
        reports: &Path,
        more: &BTreeMap<OsString, OsString>,
    ) -> Option<Prepared> {
        let Selection::Only(ids) = selection else { return None };
        let names = by_binary(ids)?;
        let mut script = format!("printf '%s' {} >&2\ncode=0\n", shell::quote(&self.heard));
        for (binary, names) in names {
            let start = self.starts.iter().find(|start| start.binary == binary)?;
            script.push_str(&start.line(&names, more));
        }
        script.push_str("exit $code\n");
        let whole = super::prepare(&self.suite, selection, top, reports);
        let file = helpers(reports).join("start.sh");
        std::fs::write(&file, script).ok()?;
        Some(Prepared { argv: vec!["sh".into(), file.into()], selected: true, wanted: ids.clone(), ..whole })
    }
}

impl Start {
    /// A line of shell: with what the tool had set for the program, less what is said anew. Nothing is written down again.
    fn line(&self, names: &[&str], more: &BTreeMap<OsString, OsString>) -> String {
        let said = more.keys().filter_map(|name| name.to_str()).filter(|name| *name != RECORD);
        let anew: BTreeSet<&str> = cargo::OURS.into_iter().chain(said).collect();
        let kept = self.env.iter().filter(|(name, _)| !anew.contains(name.as_str()));
        let kept = kept.map(|(name, value)| shell::quote(&format!("{name}={value}")));
        // what is set is a name of ours: nothing in it has to be quoted
        let anew = anew.iter().map(|name| format!("\"{name}=${name}\""));
        let words = self.argv.iter().map(String::as_str).chain(names.iter().copied()).map(shell::quote);
        let runner = ["sh".to_owned(), format!("\"${}\"", cargo::OURS[0])];
        let all: Vec<String> = kept.chain(anew).chain(runner).chain(words).collect();
        format!("(cd {} && exec env -i {}) || code=101\n", shell::quote(&self.dir), all.join(" "))
    }
}

/// The names of tests by their binary; `None`: not every test has one.
fn by_binary(ids: &BTreeSet<TestId>) -> Option<BTreeMap<&str, Vec<&str>>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in ids {
        let (binary, name) = id.0.split_once(' ')?;
        names.entry(binary).or_default().push(name);
    }
    Some(names)
}
