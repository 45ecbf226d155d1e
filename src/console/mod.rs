//! The terminal: live progress and results, made from events; the only place that prints.
//!
//! Inside its floor it stands on [`crate::report`]: what it shows at the end is a rendering of the report's document.

pub mod council;
pub mod diff;
pub mod ending;
pub mod lint;
pub mod live;
pub mod loops;
pub mod plain;
pub mod prd;
pub mod progress;
pub mod prompt;
pub mod stalls;
pub mod style;
mod terminal;

pub use terminal::{Captured, Terminal};

use crate::trajectory::Sink;

/// How a run shows its progress.
pub enum Progress {
    /// Redrawn in place, on a terminal.
    Live(live::Live),
    /// One line per step.
    Plain(plain::Plain),
    /// Not at all.
    None,
}

impl Progress {
    /// Live on a terminal; else plain lines, which `only_live` (for `--json`) leaves out; nothing when `quiet`.
    pub fn choose(terminal: &Terminal, quiet: bool, only_live: bool) -> Self {
        match (quiet, terminal.err_is_terminal()) {
            (true, _) => Progress::None,
            (false, true) => Progress::Live(live::Live::start(terminal.err_style())),
            (false, false) if only_live => Progress::None,
            (false, false) => Progress::Plain(plain::Plain::new(terminal.clone())),
        }
    }
    /// Where events go.
    pub fn sink(&self) -> Option<Box<dyn Sink>> {
        match self {
            Progress::Live(live) => Some(Box::new(live.clone())),
            Progress::Plain(plain) => Some(Box::new(plain.clone())),
            Progress::None => None,
        }
    }
    /// Takes the live display off the screen; nothing is drawn any more.
    pub fn finish(&self) {
        if let Progress::Live(live) = self {
            live.finish();
        }
    }
}
