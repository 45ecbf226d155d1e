//! The command fixer: a coding agent works in a workspace with the question in a file, and what it leaves there is a candidate
//! like any other.

pub mod ready;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::config::Agent;
use crate::error::{Context as _, Error, Kind, Result};
use crate::failure::text::clip;
use crate::fixer::model::pack::{Material, Part, Size};
use crate::fixer::model::trial::Tried;
use crate::fixer::{Candidate, Case, Close, Desk, Ended, Findings, Fixer};
use crate::patch::Patch;
use crate::process::{self, Spec, environment};
use crate::repo::Workspace;
use crate::trajectory::Event;
use crate::words::End;

const PROMPT: &str = include_str!("prompt.md");
/// Agents read files by themselves: more context than this they find better.
const PACK_TOKENS: u64 = 3000;
/// An agent reads, edits and runs tests; the race has ten minutes.
const TIME_LIMIT: Duration = Duration::from_secs(5 * 60);
/// After a first try that left tests red it is told so once.
const ROUNDS: u32 = 2;
const OUTPUT_BYTES: usize = 2000;
/// What agents print is only for notes.
const LOG_CAP_BYTES: u64 = 256 * 1024;

/// Starts the coding agents that the configuration names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Command;

impl Fixer for Command {
    fn name(&self) -> &'static str {
        "command"
    }
    fn about(&self) -> &'static str {
        "lets a coding agent of yours (`agents` in .kaizen.yml) edit a workspace"
    }
    fn asks_models(&self) -> bool {
        true
    }
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            match propose(case, desk).await {
                Err(error) if error.kind() == Kind::Interrupted => Ok(Findings::ended(Ended::Cancelled)),
                other => other,
            }
        })
    }
}

fn nothing(why: &str) -> Findings {
    Findings::ended(Ended::NothingToDo { why: why.to_owned() })
}

async fn propose(case: &Case, desk: &Desk) -> Result<Findings> {
    let (agents, may) = case.models.agents();
    if agents.is_empty() {
        return Ok(nothing("no agent is configured"));
    }
    if !may {
        return Ok(nothing("free mode: what an agent costs is not known"));
    }
    // it costs money: first those who cost nothing
    let mut others = desk.model_free.clone();
    tokio::select! {
        _ = others.wait_for(|working| *working == 0) => {}
        () = desk.cancel.cancelled() => return Err(Error::interrupted()),
    }
    let material = Material::read(case)?;
    let parts = [Part::Failing, Part::Units(3), Part::Tests, Part::Change, Part::Rules];
    let (pack, _) = material.pack(parts.into_iter(), PACK_TOKENS, Size::Large);
    let prompt = PROMPT.replace("{command}", &case.suite.command.display());
    let prompt = format!("{prompt}{pack}{}", desk.hints.told());
    let mut work =
        Work { case, desk, deadline: Instant::now() + case.time_left, findings: Findings::ended(Ended::Exhausted) };
    for agent in agents {
        if work.let_work(agent, &prompt).await? {
            work.findings.ended = Ended::Done;
        }
    }
    Ok(work.findings)
}

struct Work<'a> {
    case: &'a Case,
    desk: &'a Desk,
    deadline: Instant,
    findings: Findings,
}

impl Work<'_> {
    /// One agent in one workspace. True: it proposed something.
    async fn let_work(&mut self, agent: &Agent, prompt: &str) -> Result<bool> {
        let workspace = self.case.lab.workspace(&self.case.snapshot, "command").await?;
        let mut prompt = prompt.to_owned();
        for _ in 0..ROUNDS {
            self.findings.tried += 1;
            self.progress(format!("{} is at work", agent.name));
            // what tests print may hold secrets, and agents show their command line to every process
            let end = self.start(agent, &workspace, &self.case.models.cover(&prompt)).await?;
            match end {
                End::Cancelled => return Err(Error::interrupted()),
                End::NotFound | End::NotStarted => {
                    self.note(agent, "can't be started: kaizen-ci doctor");
                    return Ok(false);
                }
                End::TimedOut => self.note(agent, "was stopped when its time was over; what it left is tried"),
                End::Exited(0) => {}
                End::Exited(_) | End::Signaled(_) => {
                    self.note(agent, &format!("ended with {end:?}; what it left is tried"));
                }
            }
            let Some(patch) = self.left_behind(agent, &workspace)? else { return Ok(false) };
            match self.case.trials.try_out(self.case, self.desk, &patch).await? {
                Tried::Green => {
                    self.send(agent, patch).await?;
                    return Ok(true);
                }
                Tried::Red { red, output } => {
                    // before it is cut: half a secret looks like none
                    let output = self.case.models.cover(&output);
                    prompt = format!(
                        "{prompt}\n## Your edits so far leave {} red\n{}\n",
                        red.len(),
                        clip(&output, OUTPUT_BYTES)
                    );
                    let diff = String::from_utf8_lossy(&patch.unified()).into_owned();
                    self.findings.closest.push(Close { diff, still_red: red });
                }
            }
            if end == End::TimedOut || Instant::now() > self.deadline {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn start(&self, agent: &Agent, workspace: &Workspace, prompt: &str) -> Result<End> {
        let folder = self.case.lab.scratch("agent")?;
        let file = folder.join("prompt.md");
        std::fs::write(&file, prompt).context(|| format!("can't write {}", file.display()))?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let env = self.environment(agent, workspace, &file);
        let state = state(agent, &env);
        let own: Vec<&Path> = [&workspace.path, &folder].into_iter().chain(&state).map(PathBuf::as_path).collect();
        let spec = Spec {
            argv: self.case.lab.fenced_agent(argv(agent, prompt, &file)?, &own),
            cwd: workspace.path.clone(),
            env,
            time_limit: agent.time_limit.unwrap_or(TIME_LIMIT).min(left),
            grace: process::GRACE,
            stdout: folder.join("stdout.log"),
            stderr: folder.join("stderr.log"),
            log_cap_bytes: LOG_CAP_BYTES,
            background: true,
            silence: None,
        };
        Ok(process::run(&spec, &self.desk.cancel).await?.end)
    }

    /// What tests see, and the agent's own secrets.
    fn environment(&self, agent: &Agent, workspace: &Workspace, file: &Path) -> BTreeMap<OsString, OsString> {
        let mut allow = self.case.lab.env_allow.clone();
        allow.extend(agent.env.iter().cloned());
        if let Some(ready) = ready::find(&agent.name).filter(|_| agent.cmd.is_none()) {
            allow.extend(ready.env.iter().map(|v| (*v).to_owned()));
        }
        let mut env = workspace.environment(environment::clean(std::env::vars_os(), &allow));
        env.insert("KAIZEN_PROMPT_FILE".into(), file.into());
        env
    }

    /// The agent's edits, without those that no patch may make.
    fn left_behind(&mut self, agent: &Agent, workspace: &Workspace) -> Result<Option<Patch>> {
        let patch = self.case.lab.store.diff(&self.case.snapshot.tree, &workspace.tree_now()?)?;
        let (patch, refused) = patch.partition(|path, _| self.case.protected.why(path).is_none());
        if !refused.is_empty() {
            self.note(agent, &format!("edited what may not be edited, left out: {}", refused.paths().join(", ")));
        }
        if patch.is_empty() {
            self.note(agent, "changed nothing");
            return Ok(None);
        }
        Ok(Some(patch))
    }

    async fn send(&mut self, agent: &Agent, patch: Patch) -> Result<()> {
        let idea = format!("{} edits {}", agent.name, patch.paths().join(", "));
        self.findings.notes.push(idea.clone());
        let candidate = Candidate {
            id: format!("{}#{}", self.desk.fixer, self.findings.tried),
            fixer: self.desk.fixer,
            patch,
            idea,
            labels: BTreeSet::new(),
            disagreement: None,
        };
        self.desk.offer(candidate).await
    }

    fn note(&mut self, agent: &Agent, what: &str) {
        self.findings.notes.push(format!("{} {what}", agent.name));
    }

    fn progress(&self, text: String) {
        let (fixer, tried) = (self.desk.fixer.to_owned(), self.findings.tried);
        self.desk.recorder.record(Event::FixerProgress { fixer, text, tried, best_red: None });
    }
}

/// One's own command goes through the shell as one wrote it; the question never does.
fn argv(agent: &Agent, prompt: &str, file: &Path) -> Result<Vec<OsString>> {
    if let Some(cmd) = &agent.cmd {
        return Ok(["sh", "-c", cmd].map(OsString::from).to_vec());
    }
    let ready = ready::find(&agent.name).ok_or_else(|| unknown(&agent.name))?;
    Ok(ready.argv(prompt, &file.display().to_string()).into_iter().map(OsString::from).collect())
}

/// Where a ready-made agent keeps what is its own.
fn state(agent: &Agent, env: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    let ready = ready::find(&agent.name).filter(|_| agent.cmd.is_none());
    let home = env.get(OsStr::new("HOME")).map(PathBuf::from);
    let all = ready.zip(home).map(|(ready, home)| ready.state.iter().map(|name| home.join(name)).collect());
    all.unwrap_or_default()
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = ready::READY.iter().map(|r| r.name).collect();
    Error::usage(format!("`agents` names `{name}`, which has no `cmd` and is not ready-made"))
        .hint(format!("write its `cmd`, or one of: {}", names.join(", ")))
}

/// Can every agent of the configuration be started as far as its definition goes?
///
/// # Errors
/// Naming the first that is neither ready-made nor has a command.
pub fn check(agents: &[Agent]) -> Result<()> {
    match agents.iter().find(|a| a.cmd.is_none() && ready::find(&a.name).is_none()) {
        Some(agent) => Err(unknown(&agent.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, cmd: Option<&str>) -> Agent {
        Agent { name: name.into(), cmd: cmd.map(str::to_owned), env: Vec::new(), time_limit: None }
    }

    #[test]
    fn an_agent_is_ready_made_or_has_a_command_of_its_own() {
        assert!(check(&[agent("claude", None), agent("mine", Some("./mine.sh"))]).is_ok());
        let error = check(&[agent("cloud", None)]).unwrap_err();
        assert!(error.hint_text().unwrap().contains("claude"), "{error:?}");
    }

    #[test]
    fn the_question_never_stands_in_a_line_for_the_shell() {
        let own =
            argv(&agent("mine", Some("./mine.sh \"$KAIZEN_PROMPT_FILE\"")), "$(rm -rf /)", Path::new("/q")).unwrap();
        assert_eq!(own, ["sh", "-c", "./mine.sh \"$KAIZEN_PROMPT_FILE\""]);
        let ready = argv(&agent("gemini", None), "$(rm -rf /)", Path::new("/q")).unwrap();
        assert!(ready[0] == "gemini" && ready.contains(&"$(rm -rf /)".into()));
    }
}
