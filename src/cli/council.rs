//! `kaizen-ci council`: ask several models, let another one object, keep what came of it as a decision record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cli::context::Context;
use crate::cli::loops::{self, Diagnosers};
use crate::cli::options::{HOW, OUTPUT, THEN, WHAT};
use crate::cli::session::{self, Session};
use crate::config::{Config, Override};
use crate::console::council as screen;
use crate::console::{Progress, plain};
use crate::council::pack::{self, Pack, Piece};
use crate::council::{self, Brief, End, Record, Rules};
use crate::error::{Context as _, Error, Exit, Result};
use crate::model::Job;
use crate::model::catalog::Tier;
use crate::model::tokens;
use crate::repo::Repository;
use crate::report::council as written;
use crate::supervise::Oversight;
use crate::trajectory::{Entry, Event, Loop, LoopEvent, Recorder};
use crate::turns::seats::{self, Table};
use crate::turns::{Member, Past, Turns as _};

/// Options of `council`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Council {
    /// The question
    #[arg(value_name = "QUESTION", required_unless_present = "resume", help_heading = WHAT)]
    pub question: Vec<String>,
    /// What to read for it: a file, a folder, `pr` (this branch's change against its base) or `#12` (a pull request's); can
    /// be repeated
    #[arg(long, value_name = "FILE|DIR|pr|#N", help_heading = WHAT)]
    pub context: Vec<String>,
    /// How many seats (2 to 7), or the models that sit there, separated by commas
    #[arg(long, value_name = "N|A,B,C", default_value = "3", help_heading = HOW)]
    pub seats: String,
    /// The critic's model; of another family than every seat
    #[arg(long, value_name = "MODEL", help_heading = HOW)]
    pub critic: Option<String>,
    /// Rounds, at most; models that cost nothing get up to as many more while it gets better, and each change that the
    /// supervisor makes of a debate that gets nowhere gets one (three at most)
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=20), help_heading = HOW)]
    pub rounds: u32,
    /// Tokens, at most, prompts included
    #[arg(long, value_name = "N", default_value = "120000", help_heading = HOW)]
    pub tokens: u64,
    /// Wall time for everything (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "30m", help_heading = HOW)]
    pub time_limit: String,
    /// Language models that may be asked, separated by commas: local, free, paid, provider/model
    #[arg(long, value_name = "A,B", help_heading = HOW)]
    pub models: Option<String>,
    /// Only models that cost nothing
    #[arg(long, help_heading = HOW)]
    pub free: bool,
    /// Go on with a council that was stopped, as far as it was to go; no turn that it paid for is paid for again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["question", "context", "seats", "critic", "rounds", "tokens", "time_limit"], help_heading = HOW)]
    pub resume: Option<String>,
    /// Write the decision record to this new file (`NNNN` in its name becomes the next number, the word `title` the question), or into
    /// this folder: a path without an ending is one
    #[arg(long, value_name = "PATH", help_heading = THEN)]
    pub out: Option<PathBuf>,
    /// Print one JSON document (`kaizen-ci schema council`)
    #[arg(long, conflicts_with = "markdown", help_heading = OUTPUT)]
    pub json: bool,
    /// Print the comment for a pull request, in Markdown
    #[arg(long, help_heading = OUTPUT)]
    pub markdown: bool,
    /// Print only the result
    #[arg(long, short, help_heading = OUTPUT)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci council 'Should the cache be one file or a server?' --context src/cache
  kaizen-ci council 'Is this change safe to ship?' --context pr --out docs/decisions/NNNN-title.md
  kaizen-ci council 'Which queue?' --seats ollama/qwen3:8b,ollama/llama3.2,ollama/mistral --critic ollama/gemma3
  kaizen-ci council --resume latest

Exit code 0: no objection is left; 61: a decision without agreement; 62: too few answered.";

/// What goes with the question beside what its options name.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// What is read for it.
    pub pieces: Vec<Piece>,
    /// What is not, and why.
    pub left: Vec<String>,
}

/// Everything that decides what is asked, for `--resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AskedWith {
    question: String,
    context: String,
    pack: Pack,
    seats: Vec<String>,
    critics: Vec<String>,
    rules: Rules,
}

/// What `--json` prints.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Document {
    /// Exit code.
    exit: u8,
    /// Everything else.
    #[serde(flatten)]
    record: Record,
}

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// How a council ends the program.
pub fn exit_of(end: End) -> Exit {
    match end {
        End::Agreed => Exit::Ok,
        End::Stalled(_) | End::RoundCap | End::TokenCap | End::MoneyCap | End::TimeCap | End::Escalated => {
            Exit::NoAgreement
        }
        End::QuorumLost | End::CriticLost => Exit::NoDecision,
        End::Cancelled => Exit::Interrupted,
    }
}

impl Council {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut overrides = loops::overrides(self.models.as_ref(), self.free);
        overrides.push(Override { key: "time_limit", text: self.time_limit.clone() });
        overrides
    }
}

/// Holds it.
///
/// # Errors
/// When the question, the context or the models are not as needed; how the council ends is an exit code.
pub fn run(context: &Context, args: &Council) -> Result<Exit> {
    let repository = context.repository()?;
    let config = context.config(&repository, &args.overrides())?.config;
    let (session, record) = held(context, &repository, &config, args, Extra::default())?;
    let exit = exit_of(record.end);
    show(context, args, &session, record, exit)
}

/// The answer to a comment: the record as a comment in Markdown. `config` is the base branch's, never that of the change
/// that is asked about; `extra`: what is read for it, such as the pull request's diff.
///
/// # Errors
/// As [`run`].
pub fn answer(
    context: &Context,
    repository: &Repository,
    config: &Config,
    args: &Council,
    extra: Extra,
) -> Result<(String, Exit)> {
    let (_, record) = held(context, repository, config, args, extra)?;
    Ok((written::comment(&record), exit_of(record.end)))
}

fn held(
    context: &Context,
    repository: &Repository,
    config: &Config,
    args: &Council,
    extra: Extra,
) -> Result<(Session, Record)> {
    let earlier = args.resume.as_deref().map(|run| loops::earlier(context, run)).transpose()?.unwrap_or_default();
    let progress = match args.quiet || args.json || args.markdown {
        true => Progress::None,
        false => Progress::Plain(plain::Plain::new(context.terminal.clone())),
    };
    let job = Hold { context, args, config, repository, earlier: &earlier, extra };
    let (session, record) = context.wait(|cancel| job.hold(progress, cancel))?;
    session.end(exit_of(record.end));
    Ok((session, record))
}

struct Hold<'j> {
    context: &'j Context,
    args: &'j Council,
    config: &'j Config,
    repository: &'j Repository,
    earlier: &'j [Entry],
    extra: Extra,
}

impl Hold<'_> {
    /// Everything that can be wrong with what was asked is said before there is a run: a mistake leaves none behind.
    async fn hold(&self, progress: Progress, cancel: CancellationToken) -> Result<(Session, Record)> {
        let models = loops::models_of(self.config, self.repository)?;
        let members = loops::live(&models, &Recorder::forgetful(), &cancel).members().await;
        let asked: AskedWith = match &self.args.resume {
            Some(run) => loops::asked_with(self.earlier, Loop::Council, run)?,
            None => {
                let roles = loops::named(&models, self.config, &[Job::Seats, Job::Critic]).await;
                self.fresh(&members, roles.as_deref())?
            }
        };
        let brief = brief(&asked, &members)?;
        let asked_with = serde_json::to_value(&asked).context(|| "can't write down what was asked".into())?;
        if let Some(out) = &self.args.out {
            free(&numbered(&self.context.dir.join(out), &asked.question)?)?;
        }
        let session = Session::begin(self.context, self.repository, "council", 0, progress)?;
        let recorder = &session.recorder;
        let live = loops::live(&models, recorder, &cancel);
        let subject = asked.question.clone();
        recorder.record(Event::Loop(LoopEvent::Began { of: Loop::Council, subject, asked_with }));
        let past = Past::resume(&live, recorder.clone(), self.earlier).covering(session::mask());
        let kept = session.kept();
        let steps = || loops::steps(kept.entries());
        let diagnosers = Diagnosers { turns: &past, models: &models };
        let oversight = Oversight { steps: &steps, asks: Some(&diagnosers) };
        let record = council::hold(&brief, &past, recorder, &cancel, Some(&oversight), loops::same()).await;
        Ok((session, record))
    }

    /// `roles`: whom the configuration lets sit there, when it names anybody.
    fn fresh(&self, members: &[Member], roles: Option<&[String]>) -> Result<AskedWith> {
        let (args, config) = (self.args, self.config);
        // as the log will have it: whoever goes on from there has to ask the same
        let mask = session::mask();
        let question = mask.cover(&args.question.join(" ")).into_owned();
        if question.trim().is_empty() {
            return Err(Error::usage("there is no question").hint("kaizen-ci council 'Which …?'"));
        }
        let (n, names) = wanted(&args.seats)?;
        // money is spent on whom somebody named
        let is_named = |m: &Member| {
            let names = names.iter().chain(&args.critic);
            names.clone().any(|name| *name == m.name || m.name.split_once('/').is_some_and(|(_, id)| id == name))
        };
        let members: Vec<Member> = members
            .iter()
            .filter(|m| is_named(m) || roles.map_or(m.tier != Tier::Paid, |names| names.contains(&m.name)))
            .cloned()
            .collect();
        let mut table = seats::seat(&members, n, &names, args.critic.as_deref()).map_err(|unseated| {
            Error::usage("the council can't be seated").why(unseated.to_string()).hint(
                "kaizen-ci models lists who can be asked; --seats 2 needs two models and a critic of another family",
            )
        })?;
        let answer_tokens = Rules::default().answer_tokens;
        let smallest = smallest(&mut table);
        let mut pack = self.packed(room(smallest, n, &question, answer_tokens))?;
        pack.text = mask.cover(&pack.text).into_owned();
        let context_text = pack.text.clone();
        // a busy machine answers one after another, and slowly
        let local = table.seats.iter().any(|m| m.tier == Tier::Local);
        let seat_limit = if local { Duration::from_secs(900) } else { Duration::from_secs(180) };
        let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        // not from the question: another wording of it asks the critic the same, in the same order of answers
        let seed = table.seats.iter().chain(&table.critics).flat_map(|m| m.name.bytes()).chain(context_text.bytes());
        let seed = seed.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let rules = Rules {
            rounds: args.rounds,
            free_rounds: args.rounds.saturating_mul(2),
            tokens: args.tokens,
            answer_tokens: fitting_answer(smallest, n, answer_tokens),
            seat_limit_ms: ms(seat_limit.min(config.time_limit)),
            time_limit_ms: ms(config.time_limit),
            seed,
        };
        Ok(AskedWith {
            question,
            context: context_text,
            pack,
            seats: table.seats.iter().map(|m| m.name.clone()).collect(),
            critics: table.critics.iter().map(|m| m.name.clone()).collect(),
            rules,
        })
    }

    fn packed(&self, room: u64) -> Result<Pack> {
        let (context, args, config, repository) = (self.context, self.args, self.config, self.repository);
        let mut pieces: Vec<Piece> = self.extra.pieces.clone();
        let mut left = self.extra.left.clone();
        for name in &args.context {
            if name.eq_ignore_ascii_case("pr") {
                pieces.push(change(repository, config, None)?);
            } else if let Some(number) = name.strip_prefix('#').and_then(|n| n.parse().ok()) {
                pieces.push(change(repository, config, Some(number))?);
            } else {
                let (found, not) = pack::gather(&context.dir, &[PathBuf::from(name)])?;
                pieces.extend(found);
                left.extend(not);
            }
        }
        Ok(pack::pack(&pieces, left, room))
    }
}

/// The smallest window at the table. Who would take the critic's place and could not read what is made for it is no critic.
fn smallest(table: &mut Table) -> u64 {
    let window = table.seats.iter().chain(&table.critics[..1]).map(|m| m.context).min().unwrap_or(0);
    table.critics.retain(|critic| critic.context >= window);
    window
}

/// How many seats, or who.
fn wanted(text: &str) -> Result<(usize, Vec<String>)> {
    const SEATS: std::ops::RangeInclusive<usize> = 2..=7;
    let names: Vec<String> =
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let (n, names) = match text.trim().parse::<usize>() {
        Ok(n) => (n, Vec::new()),
        Err(_) => (names.len(), names),
    };
    if SEATS.contains(&n) {
        return Ok((n, names));
    }
    Err(Error::usage(format!("--seats {text}: a council has 2 to 7 seats"))
        .hint("--seats 3, or --seats model,model,model"))
}

/// What prompts hold beside question, context and answers.
const AROUND_TOKENS: u64 = 900;

/// Answers as long as the smallest window allows: the critic reads all of them and still has to answer.
fn fitting_answer(window: u64, seats: usize, most: u32) -> u32 {
    let each = window.saturating_sub(AROUND_TOKENS + 400) / (seats as u64 + 2);
    most.min(u32::try_from(each).unwrap_or(u32::MAX)).max(160)
}

/// Tokens that are left for context in the smallest window.
fn room(window: u64, seats: usize, question: &str, most: u32) -> u64 {
    let answers = u64::from(fitting_answer(window, seats, most)) * (seats as u64 + 1);
    // a tenth for what our estimate gets wrong
    (window * 9 / 10).saturating_sub(AROUND_TOKENS + answers + tokens::count(question))
}

/// What this branch, or the pull request of this number, changes since it left its base; of this branch uncommitted changes
/// too.
fn change(repository: &Repository, config: &Config, number: Option<u64>) -> Result<Piece> {
    let none =
        || Error::usage("there is no base to compare with").hint("set `base` in .kaizen.yml, or fetch the base branch");
    let (name, base) = repository.base_branch(config.base.as_deref())?.ok_or_else(none)?;
    let diff = |range: &str| {
        repository.git().args(["diff", "--no-ext-diff", "--no-textconv", "--no-color", range, "--"]).text()
    };
    match number {
        None => {
            let from = repository.merge_base(&base)?.ok_or_else(none)?;
            Ok(Piece { name: format!("the change since {name}"), text: diff(&from.0)? })
        }
        Some(number) => {
            let head = pull_head(repository, number)?;
            Ok(Piece { name: format!("pull request #{number}"), text: diff(&format!("{}...{head}", base.0))? })
        }
    }
}

/// The tip of a pull request, fetched from `origin` without a trace in refs or FETCH_HEAD.
fn pull_head(repository: &Repository, number: u64) -> Result<String> {
    let name = format!("refs/pull/{number}/head");
    let missing = || {
        Error::usage(format!("`origin` has no pull request #{number}"))
            .hint("check the number; `--context pr` takes this branch's own change")
    };
    let listed = repository.git().args(["ls-remote", "origin", &name]).text()?;
    let sha = listed.split_whitespace().next().unwrap_or_default().to_owned();
    if sha.len() < 40 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(missing());
    }
    repository.git().args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", &name]).text()?;
    Ok(sha)
}

fn brief(asked: &AskedWith, members: &[Member]) -> Result<Brief> {
    let find = |name: &String| members.iter().find(|m| m.name == *name).cloned();
    let gone = |name: &String| {
        Error::usage(format!("the model {name} can't be asked now"))
            .hint("kaizen-ci models; or ask anew, without --resume")
    };
    let seats = asked.seats.iter().map(|name| find(name).ok_or_else(|| gone(name))).collect::<Result<Vec<_>>>()?;
    let critics: Vec<Member> = asked.critics.iter().filter_map(find).collect();
    if let Some(name) = asked.critics.first().filter(|_| critics.is_empty()) {
        return Err(gone(name));
    }
    let pack = Pack { text: asked.context.clone(), ..asked.pack.clone() };
    Ok(Brief { question: asked.question.clone(), pack, table: Table { seats, critics }, rules: asked.rules.clone() })
}

fn show(context: &Context, args: &Council, session: &Session, record: Record, exit: Exit) -> Result<Exit> {
    let terminal = &context.terminal;
    let place = |name: &str| session.run.path.join(name);
    let madr = written::madr(&record);
    let comment = written::comment(&record);
    let document = Document { exit: exit.code(), record };
    let json = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
    for (name, text) in [("decision.md", &madr), ("comment.md", &comment), ("council.json", &json)] {
        std::fs::write(place(name), text).context(|| format!("can't write {}", place(name).display()))?;
    }
    let out = args.out.as_deref().filter(|_| document.record.decision.is_some());
    let write = |path: &Path| {
        let path = numbered(&context.dir.join(path), &document.record.question)?;
        loops::write_new(&path, &madr).map(|()| path)
    };
    // the decision is shown, whatever becomes of the file
    let (out, failed) = match out.map(write).transpose() {
        Ok(out) => (out, None),
        Err(error) => (None, Some(error)),
    };
    if args.json {
        terminal.out(&format!("{json}\n"));
    } else if args.markdown {
        terminal.out(&comment);
    } else {
        let kept = out.unwrap_or_else(|| place("decision.md"));
        terminal.out(&screen::render(&document.record, &kept, terminal.out_style()));
    }
    failed.map_or(Ok(exit), Err)
}

/// Said before anybody is asked: what is there is not written over.
fn free(path: &Path) -> Result<()> {
    let no = |what: &Path, why: &str| {
        let hint = "give another path, `NNNN` in the name for the next number, or a folder";
        Err(Error::usage(format!("can't write the decision record: {} {why}", what.display())).hint(hint))
    };
    if path.exists() {
        return no(path, "is there already");
    }
    match path.ancestors().skip(1).find(|above| above.exists()).filter(|above| !above.is_dir()) {
        Some(above) => no(above, "is no folder"),
        None => Ok(()),
    }
}

/// The file that `path` means: `NNNN` becomes the number after the highest in the folder, `title` the question's words; a
/// folder gets `NNNN-title.md`.
fn numbered(path: &Path, question: &str) -> Result<PathBuf> {
    let is_named = path.is_file() || path.extension().is_some() || path.to_string_lossy().contains("NNNN");
    let is_folder = path.is_dir() || !is_named || path.as_os_str().to_string_lossy().ends_with('/');
    let path = if is_folder { path.join("NNNN-title.md") } else { path.to_owned() };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let number = |name: &str| name.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse::<u32>().ok());
    let taken = std::fs::read_dir(&folder)
        .map(|all| all.flatten().filter_map(|entry| number(&entry.file_name().to_string_lossy())).max().unwrap_or(0));
    let next = taken.unwrap_or(0).checked_add(1);
    let next = next.ok_or_else(|| Error::usage(format!("no number is left in {}", folder.display())))?;
    let name = name.replacen("NNNN", &format!("{next:04}"), 1);
    Ok(folder.join(titled(&name, &slug(question))))
}

/// With `slug` in place of the first `title` that is a word of its own: `entitlements.md` has none.
fn titled(name: &str, slug: &str) -> String {
    const TITLE: &str = "title";
    let stands_alone = |at: &usize| {
        let (before, after) = (&name[..*at], &name[at + TITLE.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    match name.match_indices(TITLE).map(|(at, _)| at).find(stands_alone) {
        Some(at) => format!("{}{slug}{}", &name[..at], &name[at + TITLE.len()..]),
        None => name.to_owned(),
    }
}

/// Small letters, digits and dashes, at most 60.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "decision".into() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_numbers_itself_after_the_highest_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| numbered(&dir.path().join(path), "Which store: SQLite, or a server?").unwrap();
        let name = |path: &Path| path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        assert_eq!(name(&at("docs/NNNN-title.md")), "docs/0001-which-store-sqlite-or-a-server.md");
        std::fs::create_dir(dir.path().join("docs")).unwrap();
        for taken in ["0007-old.md", "0011-x.md", "readme.md"] {
            std::fs::write(dir.path().join("docs").join(taken), "").unwrap();
        }
        assert_eq!(name(&at("docs")), "docs/0012-which-store-sqlite-or-a-server.md");
        assert_eq!(name(&at("docs/fixed.md")), "docs/fixed.md");
        assert_eq!(name(&at("docs/entitlements.md")), "docs/entitlements.md");
        assert_eq!(name(&at("docs/NNNN-subtitle-title.md")), "docs/0012-subtitle-which-store-sqlite-or-a-server.md");
        assert_eq!(name(&at("docs/new")), "docs/new/0001-which-store-sqlite-or-a-server.md");
        assert_eq!(name(&at("docs/NNNN")), "docs/0012");
        std::fs::write(dir.path().join("docs/LICENSE"), "").unwrap();
        assert!(free(&at("docs/LICENSE")).is_err() && free(&at("docs/new")).is_ok());
        for odd in ["../../etc/passwd", "日本", ""] {
            assert!(!slug(odd).contains(['/', '.']) && !slug(odd).is_empty());
        }
    }

    #[test]
    fn a_critic_in_reserve_has_to_hold_what_the_first_one_reads() {
        let member = |name: &str, context: u64| Member {
            name: name.into(),
            lineage: name.into(),
            tier: Tier::Local,
            context,
            strength: 3,
        };
        let seats = vec![member("a", 16_384), member("b", 32_768)];
        let critics = vec![member("c", 8192), member("d", 4096), member("e", 8192)];
        let mut table = Table { seats, critics };
        assert_eq!(smallest(&mut table), 8192);
        assert_eq!(table.critics.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["c", "e"]);
    }

    #[test]
    fn seats_are_a_number_or_names() {
        assert_eq!(wanted("3").unwrap(), (3, vec![]));
        assert_eq!(wanted("a, b").unwrap(), (2, vec!["a".into(), "b".into()]));
        for wrong in ["1", "8", "a", ""] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_and_context_fit_the_smallest_window() {
        for (window, seats) in [(4096, 3), (8192, 3), (32_768, 7), (1_000_000, 2)] {
            let answer = u64::from(fitting_answer(window, seats, 900));
            let critic = AROUND_TOKENS + room(window, seats, "why?", 900) + answer * (seats as u64 + 1);
            assert!(critic <= window, "{window} {seats}: {critic}");
            assert!(answer >= 160);
        }
    }
}
