//! What differs between Unix and Windows, behind the same names: bytes of paths, modes, links, stat data, signals.
//!
//! On Unix these are the standard library's own traits and one system call each. On Windows they are the nearest that there
//! is, and what is said there of each says how near. Process trees have a place of their own: `process`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;
