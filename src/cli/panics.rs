//! A panic of ours becomes exit code 70, in plain words, with the place and where the run's log is.

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};

use crate::console::Terminal;
use crate::error::{Error, Exit};

/// Where the log of the current run is, once there is one.
#[derive(Debug, Clone, Default)]
pub struct LogPlace(Arc<Mutex<Option<PathBuf>>>);

impl LogPlace {
    /// There is a log now.
    pub fn set(&self, path: PathBuf) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }
    fn get(&self) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

thread_local! {
    /// The place of this thread's last panic. The hook is the only one who knows it.
    static PLACE: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Keeps the standard message away from the terminal (a live display is on it); the place is kept for the error.
fn install_hook() {
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = info.location().is_some_and(|place| place.file().starts_with("src/"));
            PLACE.with(|slot| *slot.borrow_mut() = info.location().map(|place| place.to_string()));
            tracing::error!("panic: {info}");
            if std::env::var_os("RUST_BACKTRACE").is_some() || !ours {
                usual(info);
            }
        }));
    });
}

/// Runs `work`; a panic in it is told as an error.
pub fn caught(terminal: &Terminal, work: impl FnOnce(LogPlace) -> Exit) -> Exit {
    install_hook();
    let log_place = LogPlace::default();
    let result = panic::catch_unwind(AssertUnwindSafe(|| work(log_place.clone())));
    result.unwrap_or_else(|payload| {
        let words = payload
            .downcast_ref::<&str>()
            .map(|words| (*words).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        let place = PLACE.with(|slot| slot.borrow_mut().take()).unwrap_or_else(|| "an unknown place".into());
        let error = told(&words, &place, log_place.get());
        terminal.err(&error.render());
        error.exit()
    })
}

fn told(words: &str, place: &str, log: Option<PathBuf>) -> Error {
    let report = format!("report it with this text: {}/issues", env!("CARGO_PKG_REPOSITORY"));
    let hint = match log {
        Some(log) => format!("{report}\nand, if it may be public, the run's log: {}", log.display()),
        None => report,
    };
    Error::internal("kaizen-ci has a bug and had to stop; your tree was not changed by it")
        .why(format!("{words} (at {place}, version {})", env!("CARGO_PKG_VERSION")))
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_plain_words_with_the_log_and_exits_70() {
        let (terminal, _, err) = Terminal::captured();
        let exit = caught(&terminal, |log| {
            log.set("/runs/7/events.jsonl".into());
            panic!("the {} is empty", "basket")
        });
        assert_eq!(exit, Exit::Internal);
        let text = err.text();
        for words in ["has a bug", "the basket is empty (at src/cli/panics.rs:", "/runs/7/events.jsonl", "exit   70"] {
            assert!(text.contains(words), "{words}:\n{text}");
        }
    }
}
