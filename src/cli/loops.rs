//! What `council`, `prd` and `diagnose` share: models of a run, an earlier run's events, the supervisor's models.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::cache::embed::{BuiltIn, Embedder as _};
use crate::cli::context::Context;
use crate::cli::models;
use crate::config::{Config, Override};
use crate::council::ledger::Same;
use crate::error::{Context as _, Error, Result};
use crate::mask::Mask;
use crate::model::catalog::Tier as ModelTier;
use crate::model::router::Evidence;
use crate::model::trouble::Consequence;
use crate::model::{Job, Message, Models, Role, Trouble};
use crate::repo::Repository;
use crate::state;
use crate::supervise::{Asks, Step, Tier, read};
use crate::trajectory::log::{self, Line, Reading};
use crate::trajectory::{Entry, Event, Loop, LoopEvent, Recorder};
use crate::turns::live::Live;
use crate::turns::{Member, Question, Turns};

/// The options that choose models.
pub fn overrides(models: Option<&String>, free: bool) -> Vec<Override> {
    let mut out: Vec<Override> = models.iter().map(|m| Override { key: "models", text: (*m).clone() }).collect();
    out.extend(crate::cli::options::flag("free", free));
    out
}

/// The models of a run, with the repository's cache.
///
/// # Errors
/// When the configuration names a model that there is not.
pub fn models_of(config: &Config, repository: &Repository) -> Result<Arc<Models>> {
    let mut settings = models::settings(config)?;
    settings.cache = Some(models::cache_place(&repository.state_dir()?));
    Ok(Models::new(settings))
}

/// These models as turns.
pub fn live(models: &Arc<Models>, recorder: &Recorder, cancel: &CancellationToken) -> Live {
    Live { models: Arc::clone(models), recorder: recorder.clone(), cancel: cancel.clone() }
}

/// The events of an earlier run: of this repository, or a file.
///
/// # Errors
/// When there is no such run, or its log can't be read.
pub fn earlier(context: &Context, run: &str) -> Result<Vec<Entry>> {
    let path = context.dir.join(run);
    let path = if path.is_file() { path } else { state::find(&context.repository()?.state_dir()?, run)?.events() };
    Ok(log::read(&path)?.entries().cloned().collect())
}

/// What a loop was asked with in an earlier run.
///
/// # Errors
/// When that run was of something else.
pub fn asked_with<T: serde::de::DeserializeOwned>(entries: &[Entry], wanted: Loop, run: &str) -> Result<T> {
    let began = entries.iter().find_map(|entry| match &entry.event {
        Event::Loop(LoopEvent::Began { of, asked_with, .. }) if *of == wanted => Some(asked_with.clone()),
        _ => None,
    });
    let none = || {
        Error::usage(format!("the run {run} is no {}", wanted.name()))
            .hint("kaizen-ci runs lists them; --resume takes a run of the same command")
    };
    serde_json::from_value(began.ok_or_else(none)?).map_err(|e| {
        Error::usage(format!("the run {run} can't be resumed: what it was asked with is not readable")).source(e)
    })
}

/// The same with every secret covered, as the log will have it: whoever goes on from the log has to ask the same.
///
/// # Errors
/// Never for what this program writes down.
pub fn covered<T: serde::Serialize + serde::de::DeserializeOwned>(value: T, mask: &Mask) -> Result<T> {
    let mut json = serde_json::to_value(value).context(|| "can't write down what was asked".into())?;
    mask.cover_json(&mut json);
    serde_json::from_value(json).context(|| "can't write down what was asked".into())
}

/// Events as the supervisor sees them.
pub fn steps(entries: Vec<Entry>) -> Vec<Step> {
    let lines = entries.into_iter().map(|entry| Line::Entry(Box::new(entry))).collect();
    read::steps(&Reading { lines, damaged: 0 })
}

/// From here on two objections say the same. A paraphrase of the built-in embedder's pairs is at 0.4 and above, other
/// questions reach 0.8; dropping a fair objection is worse than hearing one twice.
const SAME_COSINE: f32 = 0.85;

/// Do two objections say the same in other words?
pub fn same() -> Same {
    Arc::new(|a, b| {
        let (Ok(a), Ok(b)) = (BuiltIn.embed(a), BuiltIn.embed(b)) else { return false };
        a.iter().zip(&b).map(|(x, y)| x * y).sum::<f32>() >= SAME_COSINE
    })
}

/// The members that the configuration names for one of `jobs`, in its order; none when it names nobody for any of them.
pub async fn named(models: &Models, config: &Config, jobs: &[Job]) -> Option<Vec<String>> {
    let mut names = None;
    for job in jobs.iter().filter(|job| config.roles.get(job.name()).is_some_and(|names| !names.is_empty())) {
        names.get_or_insert_with(Vec::new).extend(models.named(*job).await);
    }
    names
}

/// Of those that are named for a tier so many are asked, until one answers.
const ASKED_MOST: usize = 3;

/// The supervisor's models: words in, words out. Nobody is looked for before somebody is asked.
pub struct Diagnosers<'d> {
    /// Asked through these.
    pub turns: &'d dyn Turns,
    /// Who is there for the roles `supervisor` and `supervisor_last`.
    pub models: &'d Models,
}

impl Diagnosers<'_> {
    /// The questions to ask, one after the other until somebody can be asked.
    async fn questions(&self, tier: Tier, prompt: &str) -> Vec<Question> {
        let members = self.turns.members().await;
        let (first, last) = (self.models.named(Job::Supervisor).await, self.models.named(Job::SupervisorLast).await);
        let is_free = |m: &&Member| m.tier != ModelTier::Paid;
        let find = |name: &String| members.iter().find(|m| m.name == *name);
        let strongest = || members.iter().filter(is_free).max_by_key(|m| m.strength);
        let mut first: Vec<&Member> = first.iter().filter_map(find).filter(is_free).collect();
        if first.is_empty() {
            first.extend(strongest());
        }
        let who: Vec<&Member> = match tier {
            Tier::Rules => Vec::new(),
            Tier::Free => first.clone(),
            // another one than before, and money goes only to who was named for it
            Tier::Paid => last.iter().filter_map(find).filter(|m| first.first() != Some(m)).collect(),
        };
        let first = first.first().copied();
        who.into_iter().take(ASKED_MOST).map(|member| Self::question(member, tier, prompt, first)).collect()
    }

    fn question(member: &Member, tier: Tier, prompt: &str, first: Option<&Member>) -> Question {
        const ANSWER_TOKENS: u32 = 300;
        Question {
            of: Loop::Supervise,
            actor: format!("supervisor ({})", tier.name()),
            round: 1,
            role: Role::Diagnose,
            messages: vec![Message::user(prompt)],
            // all of it: other numbers or words in what happened, and the guard refuses
            asks: Some(prompt.to_owned()),
            schema: None,
            answer_tokens: ANSWER_TOKENS,
            temperature_milli: 0,
            deadline: Duration::from_secs(300),
            model: Some(member.name.clone()),
            not: BTreeSet::new(),
            evidence: first
                .filter(|_| member.tier == ModelTier::Paid)
                .map(|first| Evidence::Stall { models: vec![first.name.clone()] }),
        }
    }
}

impl Asks for Diagnosers<'_> {
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let mut nobody = format!("no model can be asked at the tier {}", tier.name());
            for question in self.questions(tier, prompt).await {
                match self.turns.ask(&question).await {
                    Ok(answer) => return Ok(answer.content),
                    // it has no known price, is gone or left alone: the next one
                    Err(Trouble::NoModel { why }) => nobody = why,
                    Err(trouble)
                        if matches!(trouble.consequence(), Consequence::LeaveModel | Consequence::Again)
                            || matches!(trouble, Trouble::BadRequest { .. }) =>
                    {
                        nobody = trouble.to_string();
                    }
                    Err(trouble) => return Err(trouble.to_string()),
                }
            }
            Err(nobody)
        })
    }
}

/// Writes `text` to a file that is not there yet, in a folder that is made.
///
/// # Errors
/// When it is there, or can't be written.
pub fn write_new(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let cannot = |e: std::io::Error| {
        Error::usage(format!("can't write {}", path.display()))
            .source(e)
            .hint("give another path, or remove what is there")
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisor_s_question_stands_in_its_conversation_once_so_that_another_wording_may_be_served() {
        let member =
            Member { name: "own/a".into(), lineage: "a".into(), tier: ModelTier::Local, context: 8192, strength: 3 };
        let question = Diagnosers::question(&member, Tier::Free, "event 1: progress", None);
        assert_eq!(question.asks.as_deref(), Some("event 1: progress"));
        assert!(question.role.answers_questions() && question.messages[0].content == "event 1: progress");
    }
}
