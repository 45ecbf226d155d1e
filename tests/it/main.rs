//! All integration tests in one binary: real git, real processes, real test runners.

#![allow(clippy::print_stderr, reason = "tests that need a missing program say that they were skipped")]

mod cache;
mod case;
mod cli;
mod council;
mod fence;
mod git;
mod github;
mod heal;
mod installed;
mod judge;
mod kill;
mod learn;
mod live;
mod model;
mod mutate;
mod prd;
mod process;
mod project;
mod purse;
mod scripted;
mod state;
mod suggest;
mod suite;
mod supervise;
mod supervised;
mod undo;
