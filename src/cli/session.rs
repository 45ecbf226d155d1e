//! One run of a subcommand that runs tests: its folder, its log, its progress on the terminal, its reports.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::cli::context::{Context, Watch};
use crate::console::Progress;
use crate::error::{Error, Exit, Result};
use crate::mask::Mask;
use crate::process::environment;
use crate::repo::Repository;
use crate::report::{self, Document};
use crate::state::{self, RunFolder, kill_point};
use crate::trajectory::log::{self, Trouble};
use crate::trajectory::{Entry, Event, Kept, Recorder, Sink};

/// A run at work. Dropping it removes its temporary folder; its log and its reports stay.
pub struct Session {
    /// Its folders.
    pub run: RunFolder,
    /// Where events go.
    pub recorder: Recorder,
    /// Our state in the repository.
    pub state_dir: PathBuf,
    /// What the terminal shows meanwhile.
    pub progress: Progress,
    kept: Kept,
    trouble: Trouble,
    began: Instant,
}

/// What covers secrets in everything that a run writes down.
pub fn mask() -> Mask {
    Mask::new(environment::secrets(std::env::vars_os()))
}

/// Covers secrets before anybody sees an event.
struct Covered {
    mask: Mask,
    sinks: Vec<Box<dyn Sink>>,
}

impl Sink for Covered {
    fn take(&mut self, entry: &Entry) {
        let covered = serde_json::to_value(entry).ok().and_then(|mut value| {
            self.mask.cover_json(&mut value);
            serde_json::from_value(value).ok()
        });
        // An entry that can't be covered is better lost than shown.
        if let Some(covered) = covered {
            for sink in &mut self.sinks {
                sink.take(&covered);
            }
        }
    }
}

/// Shows every event to who looks on.
struct Seen(Watch);

impl Sink for Seen {
    fn take(&mut self, entry: &Entry) {
        (self.0.0)(entry);
    }
}

impl Session {
    /// Begins a run of `command`: cleans up after runs that were killed, makes the folders, opens the log.
    ///
    /// # Errors
    /// When the folders or the log can't be made.
    pub fn begin(
        context: &Context,
        repository: &Repository,
        command: &str,
        seed: u64,
        progress: Progress,
    ) -> Result<Self> {
        let began = Instant::now();
        let state_dir = repository.state_dir()?;
        let leftovers = state::clean_leftovers(&state_dir)?;
        let run = state::begin(&state_dir)?;
        context.log_place.set(run.events());
        let mask = mask();
        let log = log::Writer::open(&run.events(), mask.clone())?;
        let (trouble, kept) = (log.trouble(), Kept::default());
        let mut seen: Vec<Box<dyn Sink>> = vec![Box::new(kept.clone())];
        seen.extend(progress.sink());
        if let Some(watch) = &context.watch {
            seen.push(Box::new(Seen(watch.clone())));
        }
        let recorder = Recorder::new(run.id.clone(), vec![Box::new(log), Box::new(Covered { mask, sinks: seen })]);
        recorder.record(Event::RunStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            command: command.to_owned(),
            repository: repository.root.display().to_string(),
            seed,
        });
        for left in leftovers {
            recorder.record(Event::Cleaned { run: left.run, what: left.what });
        }
        Ok(Self { run, recorder, state_dir, progress, kept, trouble, began })
    }

    /// The run is over: its last event, its reports, its document.
    pub fn end(&self, exit: Exit) -> Document {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let runs = runs(&self.kept.entries());
        self.recorder.record(Event::RunEnded { outcome: exit.name().into(), exit: exit.code(), ms, runs });
        self.document()
    }

    /// Everything that was recorded so far, and what will be.
    pub fn kept(&self) -> Kept {
        self.kept.clone()
    }

    /// The document as far as the run has come.
    pub fn document(&self) -> Document {
        Document::of(&self.kept.entries())
    }

    /// Writes the reports into the run's folder. A full disk is said and stops nothing.
    pub fn write_reports(&self, context: &Context, document: &Document) {
        if let Err(error) = report::write(document, &self.run.path) {
            context.terminal.err(&format!("note: {error}\n"));
        }
        if let Some(trouble) = self.trouble.get() {
            context.terminal.err(&format!("note: the log of this run is not complete: {trouble}\n"));
        }
        kill_point("report-written");
    }

    /// What an error of ours ends with: the exit code is in the log, and the live display is gone.
    pub fn failed(&self, context: &Context, error: &Error) {
        self.progress.finish();
        let document = self.end(error.exit());
        self.write_reports(context, &document);
    }
}

/// Runs of the suite by purpose, and the candidates that fixers tried by themselves.
fn runs(entries: &[Entry]) -> BTreeMap<String, u64> {
    let mut runs = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::SuiteEnded { purpose, .. } => {
                let name = serde_json::to_value(purpose).ok().and_then(|v| v.as_str().map(str::to_owned));
                *runs.entry(name.unwrap_or_default()).or_default() += 1;
            }
            Event::FixerEnded { fixer, findings, .. } => *runs.entry(fixer.clone()).or_default() += findings.tried,
            _ => {}
        }
    }
    runs
}
