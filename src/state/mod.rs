//! What kaizen-ci keeps about a repository: a folder for each run, who is at work in it, and the memory of failures.
//!
//! Nothing of a run lies anywhere else than in its run folder (kept) and its temporary folder (removed at the end). A
//! run that was killed is recognised by its lease, a file whose lock the system took back; the next start cleans up.

pub mod kill;
mod lease;
pub mod leftovers;
pub mod memory;
mod remove;
pub mod run;

pub use kill::{KILL_POINTS, kill_point, kill_point_during};
pub use leftovers::{Leftover, clean_leftovers};
pub use memory::Memory;
pub use remove::remove_tree;
pub use run::{LATEST, RunFolder, RunInfo, begin, find, list, prune};
