//! The program `kaizen-ci`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kaizen_ci::cli::run(std::env::args_os())
}
