//! Typed errors: what failed, why, what to do next, and the exit code that a script can branch on.

use std::fmt;

/// What kind of trouble an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line or `.kaizen.yml` asks for something that can't be done as asked.
    Usage,
    /// The machine lacks something: a program, disk space, a permission.
    Environment,
    /// The git repository is in a state that we can't work with.
    Repository,
    /// The user pressed Ctrl-C or the process was asked to stop.
    Interrupted,
    /// A bug in kaizen-ci.
    Internal,
}

/// How a run of the program ended, as an exit code. Stable: documented in the README, compared by `tests/tidy.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// The tests are green in the user's tree (they were already, or the heal was applied); or the command did what was asked.
    Ok = 0,
    /// hook: the tests are red, so the push is stopped.
    PushStopped = 1,
    /// A verified heal exists and was not applied.
    NotApplied = 10,
    /// Green candidates behave differently, or the only one is doubtful: a person has to choose, nothing was applied.
    Ambiguous = 11,
    /// The red tests pass when run again: flaky.
    Flaky = 20,
    /// Not healed, and the tests are red on the base branch too.
    BrokenOnBase = 21,
    /// The suite can't run here: a command, a dependency, disk or network is missing.
    SuiteEnvironment = 22,
    /// Not healed; the report is for a person.
    Escalated = 30,
    /// This failure did not heal a short time ago and is left alone until its pause is over (`--force` tries again).
    LeftAlone = 31,
    /// judge: red tests are still red.
    StillRed = 40,
    /// judge: a test that passed does not pass any more, or is missing.
    Regressed = 41,
    /// judge: the patch cheats.
    Tampered = 42,
    /// judge: results differ from run to run.
    Unstable = 43,
    /// judge: the patch does not apply.
    DoesNotApply = 44,
    /// judge: the suite did not end within its time limit.
    TimedOut = 45,
    /// judge: the tests are green without the patch, so there is nothing that it could heal.
    NothingRed = 46,
    /// replay: the receipt does not match what was found.
    ReceiptDiffers = 50,
    /// prd: the document has an error, or a score below the threshold.
    BelowThreshold = 60,
    /// council: a decision without agreement; the record keeps the dissent.
    NoAgreement = 61,
    /// council: too few seats, or no critic of another family, answered.
    NoDecision = 62,
    /// Bad usage: command line, configuration, or a repository that can't be worked with as asked.
    Usage = 64,
    /// An internal error of kaizen-ci.
    Internal = 70,
    /// Interrupted by Ctrl-C or TERM; cleaned up.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code there is, in order.
    pub const ALL: [Exit; 23] = [
        Exit::Ok,
        Exit::PushStopped,
        Exit::NotApplied,
        Exit::Ambiguous,
        Exit::Flaky,
        Exit::BrokenOnBase,
        Exit::SuiteEnvironment,
        Exit::Escalated,
        Exit::LeftAlone,
        Exit::StillRed,
        Exit::Regressed,
        Exit::Tampered,
        Exit::Unstable,
        Exit::DoesNotApply,
        Exit::TimedOut,
        Exit::NothingRed,
        Exit::ReceiptDiffers,
        Exit::BelowThreshold,
        Exit::NoAgreement,
        Exit::NoDecision,
        Exit::Usage,
        Exit::Internal,
        Exit::Interrupted,
    ];

    /// How `kaizen-ci judge` ends with this verdict.
    pub fn of_verdict(verdict: crate::words::Verdict) -> Self {
        use crate::words::Verdict;
        match verdict {
            Verdict::Healed => Exit::Ok,
            Verdict::StillRed => Exit::StillRed,
            Verdict::Regressed => Exit::Regressed,
            Verdict::Tampered => Exit::Tampered,
            Verdict::Unstable => Exit::Unstable,
            Verdict::DoesNotApply => Exit::DoesNotApply,
            Verdict::TimedOut => Exit::TimedOut,
        }
    }

    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit code with this number.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// Its name, for scripts and documents. Stable.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Ok => "ok",
            Exit::PushStopped => "push-stopped",
            Exit::NotApplied => "not-applied",
            Exit::Ambiguous => "ambiguous",
            Exit::Flaky => "flaky",
            Exit::BrokenOnBase => "broken-on-base",
            Exit::SuiteEnvironment => "environment",
            Exit::Escalated => "escalated",
            Exit::LeftAlone => "left-alone",
            Exit::StillRed => "still-red",
            Exit::Regressed => "regressed",
            Exit::Tampered => "tampered",
            Exit::Unstable => "unstable",
            Exit::DoesNotApply => "does-not-apply",
            Exit::TimedOut => "timed-out",
            Exit::NothingRed => "nothing-red",
            Exit::ReceiptDiffers => "receipt-differs",
            Exit::BelowThreshold => "below-threshold",
            Exit::NoAgreement => "no-agreement",
            Exit::NoDecision => "no-decision",
            Exit::Usage => "usage",
            Exit::Internal => "internal",
            Exit::Interrupted => "interrupted",
        }
    }

    /// What it means, in one line.
    pub fn about(self) -> &'static str {
        match self {
            Exit::Ok => {
                "The tests are green in your tree: they were already, or the heal was applied. Other commands: done."
            }
            Exit::PushStopped => "hook: the tests of the pushed commit are red, so the push is stopped.",
            Exit::NotApplied => "A verified heal exists and was not applied.",
            Exit::Ambiguous => {
                "Green candidates behave differently, or the only one is doubtful: a person has to choose; nothing was applied."
            }
            Exit::Flaky => "The red tests pass when run again: flaky. Nothing was changed.",
            Exit::BrokenOnBase => "Not healed, and the tests are red on the base branch too.",
            Exit::SuiteEnvironment => "The suite can't run here: a command, a dependency, disk or network is missing.",
            Exit::Escalated => "Not healed; a report for a person was written.",
            Exit::LeftAlone => "This failure did not heal a short time ago and is left alone; `--force` tries again.",
            Exit::StillRed => "judge: red tests are still red with the patch.",
            Exit::Regressed => "judge: a test that passed fails, is missing or is skipped with the patch.",
            Exit::Tampered => "judge: the patch cheats, or touches what no patch may touch.",
            Exit::Unstable => "judge: results differ from run to run.",
            Exit::DoesNotApply => "judge: the patch does not apply.",
            Exit::TimedOut => "judge: the suite did not end within its time limit with the patch.",
            Exit::NothingRed => "judge: the tests are green without the patch, so there is nothing to heal.",
            Exit::ReceiptDiffers => "replay: the receipt does not match what was found.",
            Exit::BelowThreshold => "prd: the document has an error, or a score below the threshold.",
            Exit::NoAgreement => "council: a decision without agreement; the record keeps the dissent.",
            Exit::NoDecision => "council: too few seats, or no critic of another family, answered.",
            Exit::Usage => "Bad usage: command line, configuration, or a repository that can't be used as asked.",
            Exit::Internal => "An internal error of kaizen-ci.",
            Exit::Interrupted => "Interrupted by Ctrl-C or TERM; everything was cleaned up.",
        }
    }

    /// The table of all exit codes, as it stands in the README.
    pub fn markdown() -> String {
        let mut out = String::from("| code | name | meaning |\n|---:|---|---|\n");
        for exit in Self::ALL {
            out.push_str(&format!("| {} | `{}` | {} |\n", exit.code(), exit.name(), exit.about()));
        }
        out
    }
}

/// An error for people: what failed, and where known why and what to do next.
pub struct Error {
    kind: Kind,
    what: String,
    why: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that says `what` failed, with the place in the words.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: None, hint: None, source: None }
    }
    /// Bad command line, configuration or repository state.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }
    /// Something is missing on this machine.
    pub fn environment(what: impl Into<String>) -> Self {
        Self::new(Kind::Environment, what)
    }
    /// Trouble with the git repository.
    pub fn repository(what: impl Into<String>) -> Self {
        Self::new(Kind::Repository, what)
    }
    /// A bug of ours.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(Kind::Internal, what)
    }
    /// Stopped by the user.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }
    /// Adds the reason, in plain words.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
    /// Adds what to do next, best as a command.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Adds the error underneath.
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// What failed.
    pub fn what(&self) -> &str {
        &self.what
    }
    /// The hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
    /// The exit code of the process when this error ends it.
    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::Usage | Kind::Repository => Exit::Usage,
            Kind::Environment => Exit::SuiteEnvironment,
            Kind::Interrupted => Exit::Interrupted,
            Kind::Internal => Exit::Internal,
        }
    }
    /// The error as people see it: `error:`, `why`, `do`, `exit`.
    pub fn render(&self) -> String {
        let mut out = format!("error: {}\n", self.what);
        let mut row = |name: &str, text: &str| {
            for (i, line) in text.lines().enumerate() {
                let name = if i == 0 { name } else { "" };
                out.push_str(&format!("  {name:<6} {line}\n"));
            }
        };
        if let Some(why) = &self.why {
            row("why", why);
        }
        let mut cause = self.source.as_deref().map(|e| e as &dyn std::error::Error);
        while let Some(error) = cause {
            row("cause", &error.to_string());
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            row("do", hint);
        }
        row("exit", &self.exit().code().to_string());
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

/// Turns foreign errors into ours, with the place in the words.
pub trait Context<T> {
    /// An internal error (or an environment one, for a full disk and the like) that says `what` failed.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
    /// A repository error that says `what` failed.
    fn in_repository(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        use std::io::ErrorKind as K;
        self.map_err(|e| {
            let kind = match e.kind() {
                K::StorageFull | K::QuotaExceeded | K::ReadOnlyFilesystem | K::PermissionDenied => Kind::Environment,
                _ => Kind::Internal,
            };
            let full = matches!(e.kind(), K::StorageFull | K::QuotaExceeded);
            let error = Error::new(kind, what()).source(e);
            if full {
                error.hint("free some disk space, or set KAIZEN_TMP to a folder on a larger disk")
            } else {
                error
            }
        })
    }
    fn in_repository(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::repository(what()).source(e))
    }
}

impl<T> Context<T> for std::result::Result<T, git2::Error> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::internal(what()).source(e))
    }
    fn in_repository(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::repository(what()).source(e))
    }
}

impl<T> Context<T> for std::result::Result<T, serde_json::Error> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::internal(what()).source(e))
    }
    fn in_repository(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::repository(what()).source(e))
    }
}
