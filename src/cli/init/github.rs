//! `kaizen-ci init --github`: workflows for GitHub Actions, each line explained; nothing that is there is written over.

use std::path::Path;

use clap::ValueEnum;

use super::existing::{self, Workflow};
use super::setup;
use crate::cli::context::Context;
use crate::error::{Context as _, Exit, Result};
use crate::repo::Repository;
use crate::report::escape::one_line;
use crate::suite::{CommandLine, Suite, detect};

/// The forms of workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Two jobs: one runs the tests with a token that reads, one publishes with a token that writes
    TwoJobs,
    /// Answers `/kaizen …` in comments; a heal runs in a job with a token that reads
    Comments,
    /// A step behind the tests in the same job
    Step,
    /// Behind a workflow that is there
    AfterCi,
    /// All of them
    All,
}

const FORMS: &[(Form, &str, &str)] = &[
    (Form::TwoJobs, "kaizen.yml", include_str!("workflows/two-jobs.yml")),
    (Form::Comments, "kaizen-comments.yml", include_str!("workflows/comments.yml")),
    (Form::Step, "kaizen-step.yml", include_str!("workflows/step.yml")),
    (Form::AfterCi, "kaizen-after-ci.yml", include_str!("workflows/after-ci.yml")),
];

/// Where workflows are.
pub const FOLDER: &str = ".github/workflows";

/// Writes those that are not there.
///
/// # Errors
/// When a file can't be written.
pub fn write(context: &Context, repository: &Repository, forms: &[Form], print: bool) -> Result<Exit> {
    let suites = detect::detect(&repository.root);
    let folder = repository.root.join(FOLDER);
    let workflows = existing::read(&folder);
    let project = Project {
        root: &repository.root,
        suites: &suites,
        workflow: existing::likely(&workflows),
        branch: default_branch(repository)?,
    };
    let style = context.terminal.out_style();
    let mut written = Vec::new();
    for (form, name, template) in FORMS {
        if !forms.contains(form) && !forms.contains(&Form::All) {
            continue;
        }
        let text = project.fill(template);
        if print {
            context.terminal.out(&format!("# {FOLDER}/{name}\n{text}\n"));
            continue;
        }
        let path = folder.join(name);
        // a link counts as a file that is there: what it points to may be anywhere
        if path.symlink_metadata().is_ok() {
            context.terminal.out(&format!("{} {FOLDER}/{name} (it is there already)\n", style.dim("left alone")));
            continue;
        }
        std::fs::create_dir_all(&folder).context(|| format!("can't make {}", folder.display()))?;
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let put = made.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        put.context(|| format!("can't write {}", path.display()))?;
        context.terminal.out(&format!("{} {FOLDER}/{name}\n", style.good("wrote")));
        written.push((*form, *name, text));
    }
    if !print {
        for (word, text) in project.remarks(&written, &workflows).into_iter().chain(by_hand()) {
            context.terminal.out(&row(word, &text));
        }
    }
    Ok(Exit::Ok)
}

/// One remark, broken into lines.
fn row(word: &str, text: &str) -> String {
    const WIDTH: usize = 120;
    let mut out = format!("  {word:<12}");
    let mut length = out.len();
    for piece in text.split_whitespace() {
        if length + piece.chars().count() >= WIDTH {
            out.push_str(&format!("\n{:14}", ""));
            length = 14;
        }
        out.push_str(&format!(" {piece}"));
        length += piece.chars().count() + 1;
    }
    out + "\n"
}

/// What only a person can set up.
fn by_hand() -> [(&'static str, String); 4] {
    [
        (
            "missing",
            "Settings → Actions → General → Workflow permissions: check \"Allow GitHub Actions to create and approve pull \
             requests\"; without it a heal is a branch and an issue with a link"
                .into(),
        ),
        (
            "optional",
            "a secret with a token of an app or a person, passed as `github-token`: then CI runs on the pull requests of \
             kaizen-ci without somebody's click"
                .into(),
        ),
        (
            "optional",
            "a secret OPENROUTER_API_KEY (or another provider's), for fixers that ask a language model: the lines with `# env:` \
             say where it goes; none is needed"
                .into(),
        ),
        ("next", "commit and push; then: GITHUB_TOKEN=… kaizen-ci doctor --github".into()),
    ]
}

/// The default branch, as far as this clone knows.
fn default_branch(repository: &Repository) -> Result<String> {
    let known = repository.base_branch(None)?.map(|(name, _)| name);
    let known = known.map(|name| name.strip_prefix("origin/").unwrap_or(&name).to_owned());
    // nothing is pushed and nothing is called as usual: the one that is checked out
    let here = || {
        let (code, out, _) = repository.git().args(["symbolic-ref", "-q", "--short", "HEAD"]).try_run(None).ok()?;
        (code == 0).then(|| String::from_utf8_lossy(&out).trim().to_owned()).filter(|name| !name.is_empty())
    };
    Ok(known.or_else(here).unwrap_or_else(|| "main".into()))
}

/// What stands where the command of the tests is not known.
const TO_FILL_IN: &str = "echo 'replace this by your test command' && exit 1";

/// What workflows are filled in with.
struct Project<'a> {
    root: &'a Path,
    suites: &'a [Suite],
    /// The workflow that `after-ci` goes behind.
    workflow: Option<&'a Workflow>,
    /// The default branch.
    branch: String,
}

impl Project<'_> {
    /// The command that the tests are run with; none where it is not known, or would be read as something else.
    fn command(&self) -> Option<String> {
        self.suites.first().map(command).filter(|line| !line.contains(['\n', '\r']) && !line.contains("${{"))
    }

    fn fill(&self, template: &str) -> String {
        let quoted = |text: &str| serde_json::json!(text).to_string();
        let setup = self.suites.first().map(|suite| setup::steps(self.root, suite)).unwrap_or_default();
        template
            .replace("{{setup}}\n", &setup)
            .replace("{{quoted}}", &quoted(self.command().as_deref().unwrap_or(TO_FILL_IN)))
            .replace("{{workflow}}", &quoted(self.workflow.map_or("ci", |workflow| &workflow.name)))
            .replace("{{branch}}", &quoted(&self.branch))
            .replace("{{version}}", &version())
    }

    /// Pure: what is missing in what was written, or should be known of it.
    fn remarks(&self, written: &[(Form, &str, String)], workflows: &[Workflow]) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let lines = |part: &str| {
            let all = written.iter().flat_map(|(_, name, text)| text.lines().enumerate().map(move |line| (name, line)));
            let here = all.filter(|(_, (_, line))| line.contains(part));
            here.map(|(name, (n, _))| format!("{FOLDER}/{name}:{}", n + 1)).collect::<Vec<_>>().join(", ")
        };
        if self.command().is_none() && !written.is_empty() {
            let why = if self.suites.is_empty() { "no suite was found" } else { "it can't be written into a workflow" };
            out.push(("missing", format!("your test command: {why}. Write it behind `TEST:` in {}", lines("TEST: "))));
        }
        for suite in self.suites.iter().skip(1) {
            let (name, line) = (one_line(&suite.name, 40), one_line(&command(suite), 100));
            out.push(("not covered", format!("{name}: {line} (add it to `TEST:`, or copy the job with its own)")));
        }
        let has = |form: Form| written.iter().any(|(written, _, _)| *written == form);
        if has(Form::AfterCi) && self.workflow.is_none() {
            let text = "there is no workflow in this repository that kaizen-after-ci.yml could go behind, so it never \
                        starts: write the name of one into it once there is one";
            out.push(("mind", format!("{text} ({})", lines("workflows: ["))));
        }
        let runs_tests = workflows.iter().find(|workflow| workflow.runs_tests);
        if let Some(ci) = runs_tests.filter(|_| has(Form::TwoJobs) || has(Form::Step)) {
            out.push((
                "mind",
                format!(
                    "{FOLDER}/{} (`{}`) runs tests already, and now they run twice: take them out there, or use \
                     kaizen-ci init --github --form after-ci, which goes behind it",
                    one_line(&ci.file, 80),
                    one_line(&ci.name, 80)
                ),
            ));
        }
        if !written.is_empty() && !is_released() {
            let text =
                "is not released yet, so GitHub finds no such tag: write the commit that you want behind the `@`";
            out.push(("mind", format!("{} {text} ({})", version(), lines("uses: kaizen-ci/kaizen-ci@"))));
        }
        out
    }
}

fn version() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION"))
}

/// Is there a released program of this version? The list of their hashes is part of the source.
fn is_released() -> bool {
    let list = include_str!("../../../release/checksums.txt");
    list.lines().any(|line| !line.starts_with('#') && line.contains(&format!("  {}/", version())))
}

fn command(suite: &Suite) -> String {
    let line = match &suite.command {
        CommandLine::Shell(line) => line.clone(),
        CommandLine::Argv(argv) => {
            argv.iter().map(|word| crate::report::escape::shell(word)).collect::<Vec<_>>().join(" ")
        }
    };
    match suite.dir.as_os_str().is_empty() {
        true => line,
        false => format!("cd {} && {line}", crate::report::escape::shell(&suite.dir.to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Runner;

    fn suite(line: &str, runner: Runner) -> Suite {
        Suite {
            name: "s".into(),
            dir: "".into(),
            command: CommandLine::Shell(line.into()),
            runner,
            found_by: "test".into(),
        }
    }

    fn project<'a>(root: &'a Path, suites: &'a [Suite], workflow: Option<&'a Workflow>) -> Project<'a> {
        Project { root, suites, workflow, branch: "trunk".into() }
    }

    fn workflow(name: &str, runs_tests: bool) -> Workflow {
        Workflow { name: name.into(), file: "x.yml".into(), runs_tests }
    }

    fn yaml(text: &str) -> serde_yaml::Value {
        serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn every_form_is_a_workflow_with_nothing_left_to_fill_in() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("requirements.txt"), "pytest\n").unwrap();
        let behind = workflow("a: b", true);
        for suites in [
            vec![],
            vec![suite("pytest -q -k \"a and b\"", Runner::Pytest)],
            vec![suite("evil ${{ github.token }}", Runner::Command)],
            vec![suite("npm test: all # here", Runner::Jest)],
        ] {
            for (form, _, template) in FORMS {
                let text = project(root.path(), &suites, Some(&behind)).fill(template);
                let left = ["setup", "quoted", "branch", "workflow", "version"].map(|word| format!("{{{{{word}}}}}"));
                assert!(!left.iter().any(|word| text.contains(word)), "{text}");
                assert!(!text.contains("github.token"), "{form:?}: a command of the repository became an expression");
                assert!(!yaml(&text)["jobs"].as_mapping().unwrap().is_empty(), "{form:?}");
                assert!(text.contains("\npermissions: {}\n"));
                assert!(!text.contains("pull_request_target"));
            }
        }
    }

    #[test]
    fn what_is_healed_is_what_is_tested_in_every_form() {
        let root = tempfile::tempdir().unwrap();
        let suites = [suite("npm test: all # here", Runner::Jest)];
        let mut heals = 0;
        for (form, _, template) in FORMS {
            let value = yaml(&project(root.path(), &suites, None).fill(template));
            for job in value["jobs"].as_mapping().unwrap().values() {
                for step in job["steps"].as_sequence().unwrap() {
                    let command = step["with"]["command"].as_str().unwrap_or("run");
                    let is_ours = step["uses"].as_str().is_some_and(|uses| uses.starts_with("kaizen-ci/"));
                    if step["name"].as_str() == Some("Test") {
                        assert_eq!(step["run"], "sh -c \"$TEST\"", "{form:?}");
                    } else if is_ours && command == "run" {
                        heals += 1;
                        assert_eq!(step["with"]["cmd"], "${{ env.TEST }}", "{form:?}");
                    } else {
                        continue;
                    }
                    assert_eq!(job["env"]["TEST"], "npm test: all # here", "{form:?}");
                }
            }
        }
        assert_eq!(heals, FORMS.len());
    }

    #[test]
    fn each_commit_starts_one_run_pushes_that_of_the_default_branch_and_pull_requests_theirs() {
        let root = tempfile::tempdir().unwrap();
        for (form, _, template) in FORMS {
            let value = yaml(&project(root.path(), &[], None).fill(template));
            let on = value.get("on").or_else(|| value.get(serde_yaml::Value::Bool(true))).unwrap();
            if matches!(form, Form::TwoJobs | Form::Step) {
                assert_eq!(on["push"]["branches"], yaml("[trunk]"), "{form:?}");
                assert!(on.get("pull_request").is_some(), "{form:?}");
            }
        }
    }

    #[test]
    fn publishing_is_never_cut_off_and_forks_have_a_group_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let filled = |form: Form| {
            let (_, _, template) = FORMS.iter().find(|(one, _, _)| *one == form).unwrap();
            yaml(&project(root.path(), &[], None).fill(template))
        };
        let two = filled(Form::TwoJobs);
        assert!(two.get("concurrency").is_none());
        let (tests, publish) = (&two["jobs"]["tests"]["concurrency"], &two["jobs"]["publish"]["concurrency"]);
        assert_eq!((&tests["cancel-in-progress"], &publish["cancel-in-progress"]), (&true.into(), &false.into()));
        assert_ne!(tests["group"], publish["group"]);
        // each job of a matrix has a group, and hands over under a name of its own
        assert!(tests["group"].as_str().unwrap().contains("strategy.job-index"));
        let name = "kaizen-handover-${{ strategy.job-index }}";
        let names: Vec<_> = two["jobs"]["tests"]["steps"].as_sequence().unwrap().iter().collect();
        assert!(names.iter().any(|step| step["with"]["name"] == name));
        let after = filled(Form::AfterCi);
        let group = after["concurrency"]["group"].as_str().unwrap();
        assert!(group.contains("workflow_run.head_repository.full_name") && group.contains("head_branch"), "{group}");
    }

    /// Lines of jobs, rights and inputs that have no word beside or above them.
    fn unexplained(text: &str) -> Vec<&str> {
        let lines: Vec<&str> = text.lines().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let (mut in_jobs, mut inner) = (false, None);
        let mut bare = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            let word = line.trim_start();
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            in_jobs |= line.starts_with("jobs:");
            if inner.is_some_and(|outer| indent(line) <= outer) {
                inner = None;
            }
            let is_key = word.split_once(':').is_some_and(|(key, _)| !key.contains(' '));
            let counts = in_jobs && is_key && (indent(line) == 4 || inner.is_some());
            let above = lines[..n].last().is_some_and(|above| above.trim_start().starts_with('#'));
            if counts && !above && !line.contains(" # ") {
                bare.push(*line);
            }
            if word == "with:" || word == "permissions:" {
                inner = Some(indent(line));
            }
        }
        bare
    }

    #[test]
    fn every_key_of_a_job_every_right_and_every_input_is_explained() {
        let root = tempfile::tempdir().unwrap();
        for (name, runner) in [("requirements.txt", Runner::Pytest), ("package-lock.json", Runner::Jest)] {
            std::fs::write(root.path().join(name), "").unwrap();
            for (form, _, template) in FORMS {
                let text = project(root.path(), &[suite("x", runner)], None).fill(template);
                assert_eq!(unexplained(&text), [""; 0], "{form:?}");
            }
        }
        let bare = "jobs:\n  a:\n    name: x\n    # why\n    if: y\n    steps: # one\n      - uses: z\n        with:\n          b: c\n";
        assert_eq!(unexplained(bare), ["    name: x", "          b: c"]);
    }

    #[test]
    fn what_is_missing_or_should_be_known_is_said_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        let said = |suites: &[Suite], forms: &[Form], workflows: &[Workflow]| -> String {
            let project = project(root.path(), suites, existing::likely(workflows));
            let all = FORMS.iter().filter(|(form, _, _)| forms.contains(form));
            let written: Vec<_> = all.map(|(form, name, text)| (*form, *name, project.fill(text))).collect();
            project.remarks(&written, workflows).iter().map(|(word, text)| format!("{word} {text}\n")).collect()
        };
        let found = said(&[], &[Form::TwoJobs, Form::AfterCi], &[]);
        assert!(
            found.contains("no suite was found. Write it behind `TEST:` in .github/workflows/kaizen.yml:"),
            "{found}"
        );
        assert!(found.contains(", .github/workflows/kaizen-after-ci.yml:"), "{found}");
        assert!(found.contains("never starts"), "{found}");
        let two = [suite("pytest", Runner::Pytest), Suite { name: "web".into(), ..suite("npm test", Runner::Jest) }];
        let ci = [workflow("Deploy", false), workflow("CI", true)];
        let found = said(&two, &[Form::TwoJobs], &ci);
        assert!(found.contains("not covered web: npm test"), "{found}");
        assert!(found.contains("(`CI`) runs tests already") && found.contains("--form after-ci"), "{found}");
        assert!(!found.contains("missing"), "{found}");
        let found = said(&two[..1], &[Form::AfterCi], &ci);
        assert!(
            !found.contains("never starts") && !found.contains("not covered") && !found.contains("twice"),
            "{found}"
        );
        // said exactly as long as it is so, of every line
        assert_eq!(found.contains("is not released yet"), !is_released(), "{found}");
        let found = said(&two[..1], &[Form::TwoJobs, Form::Comments], &[]);
        assert_eq!(found.matches(".yml:").count(), if is_released() { 0 } else { 5 }, "{found}");
    }
}
