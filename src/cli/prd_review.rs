//! `kaizen-ci prd` with models: reviewers score, a writer of another model revises, the result is shown or written.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cli::context::Context;
use crate::cli::loops::{self, Diagnosers};
use crate::cli::prd::{Document, Prd, SCHEMA, sarif_name, target_exists};
use crate::cli::prd_baseline;
use crate::cli::session::{self, Session};
use crate::config::Config;
use crate::console::prd as screen;
use crate::console::{Progress, plain};
use crate::error::{Context as _, Error, Exit, Result};
use crate::mask::{self, Mask};
use crate::model::Job;
use crate::model::catalog::Tier;
use crate::prd::Lint;
use crate::prd::gate::Passed;
use crate::prd::improve::{Known, Rules, Staff, Task, improve};
use crate::prd::outcome::{End, Outcome};
use crate::repo::Repository;
use crate::report::prd::{self as written, Review};
use crate::report::sarif;
use crate::supervise::Oversight;
use crate::trajectory::{Entry, Event, Loop, LoopEvent, Recorder};
use crate::turns::{Member, Past, Turns as _};

/// Everything that decides what is asked, for `--resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AskedWith {
    file: String,
    text: String,
    rules: Rules,
    reviewers: Vec<String>,
    writers: Vec<String>,
    known: Known,
    passed: Option<Passed>,
}

/// How a run of the loop ends the program.
fn exit_of(end: End) -> Exit {
    match end {
        End::Passed => Exit::Ok,
        End::Stalled(_)
        | End::RoundCap
        | End::TokenCap
        | End::MoneyCap
        | End::TimeCap
        | End::ReviewersLost
        | End::WriterLost
        | End::Escalated => Exit::BelowThreshold,
        End::Cancelled => Exit::Interrupted,
    }
}

/// The answer to a comment that asks for a review of the document at `path`: scores, questions and the diff in Markdown,
/// the revised text, and the exit code. `config` is the base branch's, never that of the change that is asked about. `missing`:
/// addresses in the document that lead nowhere, where that is known; else they are looked for on disk.
///
/// # Errors
/// As [`run`].
pub fn answer(
    context: &Context,
    repository: &Repository,
    config: &Config,
    args: &Prd,
    (path, text): (&Path, &str),
    missing: Option<&BTreeSet<String>>,
) -> Result<(String, String, Exit)> {
    let given = Given { path, text, before: None, missing };
    reviewed(context, repository, config, args, given, |_, session, asked, outcome, exit| {
        let review = Review::of(&outcome, &session.run.id, &asked.file, &asked.text);
        Ok((written::comment(&review, &asked.file, asked.rules.threshold), outcome.text, exit))
    })
}

/// Reviews and revises `text`, the document at `path`; `before` is what was said last time.
///
/// # Errors
/// When there are not two models, or the result can't be written.
pub fn run(context: &Context, args: &Prd, path: &Path, text: &str, before: Option<&Document>) -> Result<Exit> {
    let repository = context.repository().map_err(|error| {
        Error::usage("reviewing a document keeps its turns in a repository, and there is none here")
            .source(error)
            .hint("kaizen-ci prd FILE --lint-only works anywhere")
    })?;
    let config = context.config(&repository, &args.overrides())?.config;
    let given = Given { path, text, before, missing: None };
    reviewed(context, &repository, &config, args, given, |work, session, asked, outcome, exit| {
        work.show(context, session, asked, outcome, exit)
    })
}

/// The document.
struct Given<'g> {
    /// Where it is.
    path: &'g Path,
    text: &'g str,
    /// What was said last time.
    before: Option<&'g Document>,
    /// Addresses in it that lead nowhere; none: what is on disk decides.
    missing: Option<&'g BTreeSet<String>>,
}

fn reviewed<T>(
    context: &Context,
    repository: &Repository,
    config: &Config,
    args: &Prd,
    given: Given<'_>,
    then: impl FnOnce(&Work<'_>, &Session, &AskedWith, Outcome, Exit) -> Result<T>,
) -> Result<T> {
    let earlier = args.resume.as_deref().map(|run| loops::earlier(context, run)).transpose()?.unwrap_or_default();
    let progress = match args.quiet || args.json || args.markdown || args.sarif {
        true => Progress::None,
        false => Progress::Plain(plain::Plain::new(context.terminal.clone())),
    };
    let Given { path, text, before, missing } = given;
    let work = Work { args, config, repository, earlier: &earlier, path, missing, mask: session::mask() };
    let (session, asked, outcome) = context.wait(|cancel| work.work(context, (text, before), progress, cancel))?;
    let exit = exit_of(outcome.end);
    session.end(exit);
    then(&work, &session, &asked, outcome, exit)
}

struct Work<'j> {
    args: &'j Prd,
    config: &'j Config,
    repository: &'j Repository,
    earlier: &'j [Entry],
    path: &'j Path,
    missing: Option<&'j BTreeSet<String>>,
    /// The log's: a run that goes on from its log has to ask what the first one asked.
    mask: Mask,
}

impl Work<'_> {
    /// The lint of `text` in the document's place.
    fn lint(&self, text: &str) -> Lint {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        crate::prd::lint(text, &|to| match self.missing {
            Some(missing) => !missing.contains(to),
            None => target_exists(folder, to),
        })
    }

    /// Everything that can be wrong with what was asked is said before there is a run: a mistake leaves none behind.
    async fn work(
        &self,
        context: &Context,
        (text, before): (&str, Option<&Document>),
        progress: Progress,
        cancel: CancellationToken,
    ) -> Result<(Session, AskedWith, Outcome)> {
        let models = loops::models_of(self.config, self.repository)?;
        let members = loops::live(&models, &Recorder::forgetful(), &cancel).members().await;
        let asked = match &self.args.resume {
            Some(run) => {
                let asked: AskedWith = loops::asked_with(self.earlier, Loop::Prd, run)?;
                if self.args.write {
                    // said now, and not when everything is paid for
                    unchanged(self.path, &asked.text, &self.mask)?;
                }
                asked
            }
            None => {
                let writers = loops::named(&models, self.config, &[Job::Writer]).await;
                let reviewers = loops::named(&models, self.config, &[Job::Reviewer]).await;
                self.fresh(text, before, &members, (writers, reviewers))?
            }
        };
        let asked_with = serde_json::to_value(&asked).context(|| "can't write down what was asked".into())?;
        let staff = seated(&asked, &members)?;
        let session = Session::begin(context, self.repository, "prd", 0, progress)?;
        let recorder = &session.recorder;
        let live = loops::live(&models, recorder, &cancel);
        recorder.record(Event::Loop(LoopEvent::Began { of: Loop::Prd, subject: asked.file.clone(), asked_with }));
        let past = Past::resume(&live, recorder.clone(), self.earlier).covering(self.mask.clone());
        let kept = session.kept();
        let steps = || loops::steps(kept.entries());
        let diagnosers = Diagnosers { turns: &past, models: &models };
        let oversight = Oversight { steps: &steps, asks: Some(&diagnosers) };
        let task = Task {
            text: &asked.text,
            lint: &|text| self.lint(text),
            rules: &asked.rules,
            staff: &staff,
            known: asked.known.clone(),
            passed: asked.passed,
        };
        let outcome = improve(&task, &past, recorder, &cancel, Some(&oversight)).await;
        Ok((session, asked, outcome))
    }

    /// `roles`: whom the configuration lets write and review, where it names anybody.
    fn fresh(&self, text: &str, before: Option<&Document>, members: &[Member], roles: Roles) -> Result<AskedWith> {
        let (args, text) = (self.args, self.mask.cover(text).into_owned());
        let (reviewers, writers) = staff(members, args.writer.as_deref(), roles)?;
        let local = reviewers.iter().chain(&writers).any(|m| m.tier == Tier::Local);
        let turn_limit_ms = if local { 900_000 } else { 300_000 };
        let time_limit_ms = u64::try_from(self.config.time_limit.as_millis()).unwrap_or(u64::MAX);
        Ok(AskedWith {
            file: args.file.as_deref().unwrap_or(Path::new("")).to_string_lossy().into_owned(),
            passed: before.map(|before| prd_baseline::passed(before, &text)),
            known: loops::covered(before.map(prd_baseline::known).unwrap_or_default(), &self.mask)?,
            text,
            rules: Rules {
                threshold: args.threshold,
                rounds: args.rounds,
                free_rounds: args.rounds.saturating_mul(2),
                tokens: args.tokens,
                turn_limit_ms,
                time_limit_ms,
                ..Rules::default()
            },
            reviewers: reviewers.iter().map(|m| m.name.clone()).collect(),
            writers: writers.iter().map(|m| m.name.clone()).collect(),
        })
    }

    fn show(
        &self,
        context: &Context,
        session: &Session,
        asked: &AskedWith,
        outcome: Outcome,
        exit: Exit,
    ) -> Result<Exit> {
        let (args, run) = (self.args, &session.run);
        let review = Review::of(&outcome, &run.id, &asked.file, &asked.text);
        let comment = written::comment(&review, &asked.file, asked.rules.threshold);
        let path = prd_baseline::repository_path(context, self.path).unwrap_or_default();
        let writes = review.changed && is_written(args.write, outcome.end);
        // whoever reads a line's number looks at the file: the revised text is there only when it was written
        let on_disk = if writes || !review.changed { outcome.lint.clone() } else { self.lint(&asked.text) };
        let sarif = sarif::render(&[(sarif_name(&path, &asked.file), &on_disk)]);
        let passed = outcome.history.last().map(|row| row.passed);
        let none = Passed { clarity: false, completeness: false, testability: false, no_errors: false };
        let document = Document {
            schema: SCHEMA.into(),
            file: asked.file.clone(),
            path,
            exit: exit.code(),
            threshold: asked.rules.threshold,
            passed: passed.unwrap_or(none),
            lint: on_disk,
            review: Some(review),
        };
        let json = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        for (name, text) in [("revised.md", &outcome.text), ("comment.md", &comment), ("prd.json", &json)] {
            let place = run.path.join(name);
            std::fs::write(&place, text).context(|| format!("can't write {}", place.display()))?;
        }
        let Some(review) = &document.review else { return Ok(exit) };
        let then = match (review.changed, args.write) {
            (false, _) => String::new(),
            (true, true) if writes => {
                write_over(self.path, (&asked.text, &outcome.text), &self.mask)?;
                format!("written to {}", self.path.display())
            }
            (true, true) => format!(
                "stopped, so nothing was written: what there was is in {}; kaizen-ci prd --resume {} --write goes on",
                run.path.join("revised.md").display(),
                run.id
            ),
            (true, false) => {
                format!("kept in {}; --write writes it over the document", run.path.join("revised.md").display())
            }
        };
        let terminal = &context.terminal;
        if args.json {
            terminal.out(&format!("{json}\n"));
        } else if args.sarif {
            let text = serde_json::to_string_pretty(&sarif);
            terminal.out(&format!("{}\n", text.context(|| "can't write the document".into())?));
        } else if args.markdown {
            terminal.out(&comment);
        } else {
            let lines = if writes || !review.changed { "line" } else { "line of the revised text" };
            let page =
                screen::Page { review, lint: &outcome.lint, lines, threshold: asked.rules.threshold, then: &then };
            terminal.out(&page.render(&asked.file, terminal.out_style()));
        }
        Ok(exit)
    }
}

/// Whom the configuration names: writers, reviewers.
type Roles = (Option<Vec<String>>, Option<Vec<String>>);

/// Reviewers and writers, each the best first: the strongest one writes, everybody else reviews. Money is spent on whom
/// somebody named.
fn staff(members: &[Member], writer: Option<&str>, roles: Roles) -> Result<(Vec<Member>, Vec<Member>)> {
    let few = |why: String| {
        Error::usage("a document is reviewed by one model and rewritten by another")
            .why(why)
            .hint("kaizen-ci models lists who can be asked; --lint-only needs none")
    };
    let is = |m: &&Member, name: &str| m.name == name || m.name.split_once('/').is_some_and(|(_, id)| id == name);
    let find = |name: &String| members.iter().find(|m| is(m, name)).cloned();
    let mut free: Vec<Member> = members.iter().filter(|m| m.tier != Tier::Paid).cloned().collect();
    free.sort_by_key(|m| std::cmp::Reverse(m.strength));
    let mut writers: Vec<Member> = match (writer, &roles.0) {
        (Some(name), _) => vec![find(&name.to_owned()).ok_or_else(|| few(format!("{name} can't be asked now")))?],
        (None, Some(names)) => names.iter().filter_map(find).collect(),
        (None, None) => free.iter().take(1).cloned().collect(),
    };
    let Some(first) = writers.first().cloned() else { return Err(few("no writer can be asked now".into())) };
    let mut reviewers: Vec<Member> = match &roles.1 {
        Some(names) => names.iter().filter_map(find).collect(),
        None => free,
    };
    // who reviews does not write, and the other way round
    reviewers.retain(|m| m.name != first.name);
    writers.truncate(1);
    if reviewers.is_empty() {
        return Err(few(format!("there is only {}", first.name)));
    }
    // a second writer is kept back where there are enough, for when the first one fails
    const REVIEWERS: usize = 3;
    if reviewers.len() > REVIEWERS {
        writers.extend(reviewers.split_off(REVIEWERS));
    }
    Ok((reviewers, writers))
}

fn seated(asked: &AskedWith, members: &[Member]) -> Result<Staff> {
    let find = |name: &String| {
        members.iter().find(|m| m.name == *name).cloned().ok_or_else(|| {
            Error::usage(format!("the model {name} can't be asked now"))
                .hint("kaizen-ci models; or start anew, without --resume")
        })
    };
    let reviewers = asked.reviewers.iter().map(find).collect::<Result<Vec<_>>>()?;
    let writers = asked.writers.iter().map(find).collect::<Result<Vec<_>>>()?;
    let (Some(first), false) = (reviewers.first(), writers.is_empty()) else {
        return Err(Error::usage("nobody reviews or writes"));
    };
    let nth = |n: usize| reviewers.get(n % reviewers.len()).unwrap_or(first).clone();
    Ok(Staff { reviewers: [nth(0), nth(1), nth(2)], writers })
}

/// Is the revised text written over the document? Who stopped the loop did not see what it would be.
fn is_written(asked_for: bool, end: End) -> bool {
    asked_for && end != End::Cancelled
}

/// The document as it is now, when it still is what was reviewed; reviewed is what is left of it under the mask.
fn unchanged(path: &Path, reviewed: &str, mask: &Mask) -> Result<String> {
    let now = std::fs::read_to_string(path).context(|| format!("can't read {}", path.display()))?;
    if mask.cover(&now) != reviewed {
        return Err(Error::usage(format!("{} was changed while it was being reviewed", path.display()))
            .why("the revised text would undo that")
            .hint("the revised text is in the run's folder as revised.md"));
    }
    Ok(now)
}

/// Writes the revised text over the document, with the secrets that nobody was shown.
fn write_over(path: &Path, (reviewed, revised): (&str, &str), mask: &Mask) -> Result<()> {
    use std::io::Write as _;
    let now = unchanged(path, reviewed, mask)?;
    let revised = mask::put_back(&now, reviewed, revised).ok_or_else(|| {
        Error::usage(format!("the secrets in {} can't be put back into the revised text", path.display()))
            .hint("the revised text is in the run's folder as revised.md, with *** in their place")
    })?;
    // a link is written through, not over
    let place = path.canonicalize().context(|| format!("can't find {}", path.display()))?;
    let permissions = std::fs::metadata(&place).context(|| format!("can't read {}", place.display()))?.permissions();
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(place.parent().unwrap_or(Path::new(".")))?;
        file.write_all(revised.as_bytes())?;
        file.as_file().set_permissions(permissions)?;
        file.persist(&place)?;
        Ok(())
    };
    write().context(|| format!("can't write {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, tier: Tier, strength: u8) -> Member {
        Member { name: name.into(), lineage: name.into(), tier, context: 8192, strength }
    }

    #[test]
    fn the_strongest_writes_and_never_reviews_and_money_needs_a_name() {
        let all = [
            member("p/big", Tier::Paid, 10),
            member("l/a", Tier::Local, 2),
            member("l/b", Tier::Local, 5),
            member("l/c", Tier::Local, 3),
        ];
        let nobody = || (None, None);
        let (reviewers, writers) = staff(&all, None, nobody()).unwrap();
        let names = |all: &[Member]| all.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&reviewers), names(&writers)), (vec!["l/c".into(), "l/a".into()], vec!["l/b".to_owned()]));
        let (reviewers, writers) = staff(&all, Some("big"), nobody()).unwrap();
        assert_eq!((reviewers.len(), names(&writers)), (3, vec!["p/big".to_owned()]));
        let roles = (Some(vec!["p/big".to_owned()]), Some(vec!["l/a".to_owned()]));
        let (reviewers, writers) = staff(&all, None, roles).unwrap();
        assert_eq!((names(&reviewers), names(&writers)), (vec!["l/a".to_owned()], vec!["p/big".to_owned()]));
        assert!(staff(&all[..2], None, nobody()).unwrap_err().render().contains("only l/a"));
        assert!(staff(&[], None, nobody()).is_err() && staff(&all, Some("nobody"), nobody()).is_err());
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prd.md");
        std::fs::write(&path, "one").unwrap();
        let mask = Mask::default();
        write_over(&path, ("one", "two"), &mask).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert!(write_over(&path, ("one", "three"), &mask).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        // what was reviewed is what the mask leaves; what is written has the secret again
        let secret = format!("ghp_{}", "aB3".repeat(12));
        std::fs::write(&path, format!("one {secret}")).unwrap();
        write_over(&path, ("one ***", "two ***!"), &mask).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("two {secret}!"));
        assert!(write_over(&path, ("two ***!", "three"), &mask).is_err(), "the secret would be lost");
    }

    #[test]
    fn a_loop_that_was_stopped_writes_nothing() {
        for (end, written) in [(End::Cancelled, false), (End::Passed, true), (End::RoundCap, true)] {
            assert_eq!(is_written(true, end), written, "{end:?}");
            assert!(!is_written(false, end));
        }
    }
}
