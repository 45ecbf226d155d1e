//! The program `kaizen-ci`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Commands under test are run by this program as their supervisor: see `process`.
    if let Some(code) = kaizen_ci::process::supervisor_main_if_asked() {
        return ExitCode::from(code);
    }
    kaizen_ci::cli::run(std::env::args_os())
}
