//! All integration tests in one binary: real git, real processes, real test runners.

mod case;
mod cli;
mod heal;
mod judge;
mod kill;
mod mutate;
mod process;
mod project;
mod state;
mod suggest;
mod suite;
mod undo;
