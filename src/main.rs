//! The program `kaizen-ci`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // before any thread is started: this may be the supervisor of one process tree and nothing else
    if let Some(code) = kaizen_ci::process::supervisor_main_if_asked() {
        return ExitCode::from(code);
    }
    kaizen_ci::cli::run(std::env::args_os())
}
