//! All integration tests in one binary: real git, real processes, real test runners.

mod case;
mod judge;
mod mutate;
mod process;
#[allow(dead_code, reason = "the rooms that use it are being built")]
mod project;
mod state;
mod suggest;
mod suite;
mod undo;
